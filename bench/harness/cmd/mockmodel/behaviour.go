//go:build linux

package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// model is what all event loops share.
type model struct {
	current atomic.Pointer[behaviour]
	key     string
	stats   struct{ requests, streams, streamsDone, authFail, bad, aborted atomic.Int64 }
}

// behaviour is how the model answers. A published one is never changed.
type behaviour struct {
	chunks           int
	gap, first, wait time.Duration
	size             int
	dims             int
	plain, embed     []byte // whole ready answers
}

const commonHeaders = "x-ms-region: East US 2\r\napim-request-id: 5ad7a7b6-9e4c-4b0a-8a0e-0f1c2d3e4f50\r\n" +
	"x-ratelimit-remaining-requests: 999\r\nx-ratelimit-remaining-tokens: 99990\r\nx-ratelimit-limit-tokens: 100000\r\n" +
	"x-request-id: 5ad7a7b6-9e4c-4b0a-8a0e-0f1c2d3e4f50\r\nstrict-transport-security: max-age=31536000; includeSubDomains; preload\r\n" +
	"x-content-type-options: nosniff\r\n"

const (
	plainHead = `{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"finish_reason":"stop","index":0,"logprobs":null,"message":{"role":"assistant","refusal":null,"content":"`
	plainTail = `"}}],"created":1732291200,"id":"chatcmpl-AbCdEf0123456789","model":"gpt-4o-2024-08-06","object":"chat.completion","system_fingerprint":"fp_0123456789","usage":{"completion_tokens":120,"prompt_tokens":25,"total_tokens":145}}`
	filler    = "the quick brown fox jumps over the lazy dog and then "
)

// build makes the ready answers.
func (b *behaviour) build() {
	var s strings.Builder
	s.WriteString(plainHead)
	for i := range b.size - len(plainHead) - len(plainTail) {
		s.WriteByte(filler[i%len(filler)])
	}
	s.WriteString(plainTail)
	b.plain = plainAnswer(s.String())

	s.Reset()
	s.WriteString(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[`)
	for i := range b.dims {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "%.8f", float64((i*7919)%10007)/10007-0.5)
	}
	s.WriteString(`]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`)
	b.embed = plainAnswer(s.String())
}

func plainAnswer(body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + commonHeaders +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// set returns b changed by the query of /_mock/set; what is no number or
// duration changes nothing.
func (b behaviour) set(q url.Values) *behaviour {
	for name, p := range map[string]*int{"chunks": &b.chunks, "size": &b.size, "dims": &b.dims} {
		if v, err := strconv.Atoi(q.Get(name)); err == nil {
			*p = v
		}
	}
	for name, p := range map[string]*time.Duration{"gap": &b.gap, "first": &b.first, "latency": &b.wait} {
		if v, err := time.ParseDuration(q.Get(name)); err == nil {
			*p = v
		}
	}
	b.build()
	return &b
}

// status is the answer to /_mock/stats.
func (m *model) status() string {
	b, s := m.current.Load(), &m.stats
	return fmt.Sprintf(`{"requests":%d,"streams":%d,"streams_done":%d,"streams_aborted":%d,"auth_failures":%d,"not_found":%d,"chunks":%d,"gap":%q,"first":%q,"latency":%q,"size":%d}`,
		s.requests.Load(), s.streams.Load(), s.streamsDone.Load(), s.aborted.Load(), s.authFail.Load(), s.bad.Load(), b.chunks, b.gap, b.first, b.wait, b.size)
}
