//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Shapes of the backend's answers.
const (
	tokens   = 40
	gap      = 25 * time.Millisecond
	largeLen = 2 << 20
)

// backend behaves as the path asks it to.
type backend struct {
	l       net.Listener
	server  *http.Server
	left    atomic.Int64 // streams whose caller went away before the end
	running atomic.Int64 // streams
}

func startBackend() (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the backend: %w", err)
	}
	b := &backend{l: l}
	mux := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{
		"echo": echo, "stream": b.stream, "cut": b.cut, "reset": reset, "busy": busy, "large": large, "early": early, "hang": b.hang, "close": untilClose,
	} {
		mux.Handle("/soak/"+path, withKey(h))
	}
	mux.HandleFunc("/socket/", socket)
	mux.HandleFunc("/socket", socket)
	b.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = b.server.Serve(l) }() // ends with stop
	return b, nil
}

func (b *backend) address() string { return b.l.Addr().String() }

func (b *backend) stop() { _ = b.server.Close() }

// withKey wants the key that the gateway puts in, and not the client's.
func withKey(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Api-Key") != "backend-key" {
			http.Error(w, "the gateway's key is missing", http.StatusTeapot)
			return
		}
		h(w, r)
	})
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// token is one event of a stream.
func token(i int) string { return "data: {\"delta\":\"tok#" + strconv.Itoa(i) + "\"}\n\n" }

// stream sends all tokens and the end.
func (b *backend) stream(w http.ResponseWriter, r *http.Request) {
	if b.events(w, r, tokens) {
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}
}

// cut breaks off in the middle of a stream with a reset.
func (b *backend) cut(w http.ResponseWriter, r *http.Request) {
	if b.events(w, r, tokens/4) {
		reset(w, r)
	}
}

// events sends n tokens; false when the caller has gone.
func (b *backend) events(w http.ResponseWriter, r *http.Request, n int) bool {
	b.running.Add(1)
	defer b.running.Add(-1)
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	for i := range n {
		if _, err := io.WriteString(w, token(i)); err != nil || rc.Flush() != nil || !pause(r.Context(), gap) {
			b.left.Add(1)
			return false
		}
	}
	return true
}

// hang never answers; it waits until the caller goes.
func (b *backend) hang(_ http.ResponseWriter, r *http.Request) {
	b.running.Add(1)
	defer b.running.Add(-1)
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	b.left.Add(1)
}

// reset ends the connection with RST.
func reset(w http.ResponseWriter, _ *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func busy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, `{"error":{"code":"429","message":"too many"}}`, http.StatusTooManyRequests)
}

// large is a body with a pattern that tells every byte's place.
func large(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(largeLen))
	_, _ = io.WriteString(w, pattern())
}

// pattern is largeLen bytes of numbered lines.
var pattern = sync.OnceValue(func() string {
	var s strings.Builder
	for i := 0; s.Len() < largeLen; i++ {
		fmt.Fprintf(&s, "%015d\n", i)
	}
	return s.String()[:largeLen]
})

// early answers before it has read the body, and reads no more of it.
func early(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "close")
	http.Error(w, "too large", http.StatusRequestEntityTooLarge)
}

// untilClose answers without a length; the end of the connection is the end.
func untilClose(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nuntil the end")
	_ = rw.Flush()
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
