//go:build linux

package main

import (
	"strconv"

	"sallyport/bench/harness/internal/ev"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n" + commonHeaders + "Transfer-Encoding: chunked\r\n\r\n"

// The events of a stream, as Azure OpenAI writes them.
const (
	eventTail = `"created":1732291200,"id":"chatcmpl-AbCdEf0123456789","model":"gpt-4o-2024-08-06","object":"chat.completion.chunk","system_fingerprint":"fp_0123456789"`
	tokenHead = `data: {"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"`
	tokenTail = `"},"finish_reason":null,"index":0,"logprobs":null}],` + eventTail + "}\n\n"
	role      = `data: {"choices":[{"content_filter_results":{},"delta":{"role":"assistant","content":""},"finish_reason":null,"index":0,"logprobs":null}],` + eventTail + "}\n\n"
	finish    = `data: {"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],` + eventTail + "}\n\n"
	usage     = `data: {"choices":[],` + eventTail + `,"usage":{"completion_tokens":50,"prompt_tokens":25,"total_tokens":75}}` + "\n\n"
	done      = "data: [DONE]\n\n"
)

func appendChunk(b []byte, s string) []byte {
	b = strconv.AppendInt(b, int64(len(s)), 16)
	b = append(b, "\r\n"...)
	b = append(b, s...)
	return append(b, "\r\n"...)
}

// appendToken appends a chunk whose content carries its number and the time.
func appendToken(b []byte, index int, now int64) []byte {
	var t [64]byte
	tok := append(t[:0], "tok#"...)
	tok = strconv.AppendInt(tok, int64(index), 10)
	tok = append(tok, '@')
	tok = strconv.AppendInt(tok, now, 10)
	tok = append(tok, ' ')
	b = strconv.AppendInt(b, int64(len(tokenHead)+len(tok)+len(tokenTail)), 16)
	b = append(b, "\r\n"...)
	b = append(b, tokenHead...)
	b = append(b, tok...)
	b = append(b, tokenTail...)
	return append(b, "\r\n"...)
}

// stream sends what is due of c's stream and plans the next token.
func (l *loop) stream(c *conn) {
	b := l.tmp[:0]
	if c.next == 0 {
		b = append(b, streamHead...)
		b = appendChunk(b, role)
	}
	b = appendToken(b, c.next, ev.Now())
	c.next++
	last := c.next >= c.how.chunks
	if last {
		b = appendChunk(b, finish)
		b = appendChunk(b, usage)
		b = appendChunk(b, done)
		b = append(b, "0\r\n\r\n"...)
	}
	l.tmp = b
	if !last {
		c.when += int64(c.how.gap)
		l.due.push(c)
		l.sendOnly(c, b)
		return
	}
	l.model.stats.streamsDone.Add(1)
	l.send(c, b)
}
