//go:build linux

package h1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// relay is the smallest honest proxy on the seam: what the gateway does, with
// no policies.
func relay(tr wire.Transport, backend string) wire.HandlerFunc {
	return func(ctx context.Context, r *wire.Request, w wire.Responder) {
		out := &wire.Outgoing{Method: r.Method, Scheme: "http", Authority: backend, Target: r.Target, Header: r.Header, ContentLength: r.ContentLength}
		if r.Body != nil {
			out.Body = r.Body
		}
		in, err := tr.RoundTrip(ctx, out)
		if err != nil {
			wire.Reply(w, 502, "text/plain", []byte(err.Error()))
			return
		}
		defer in.Body.Close()
		if w.WriteHead(in.Status, in.Reason, in.Header, in.ContentLength) != nil {
			return
		}
		for {
			p, err := in.Body.(wire.Chunks).Next()
			if _, werr := w.Write(p); werr != nil || w.Flush() != nil {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				w.(wire.Aborter).Abort()
				return
			}
		}
	}
}

// markOf is the byte that the body of stream id consists of, both ways.
func markOf(id int) byte { return byte('a' + id%26) }

// only reports whether all of p is the mark of id.
func only(p []byte, id int) bool { return len(bytes.Trim(p, string(markOf(id)))) == 0 }

const answerSize = 20_000

// marked is a backend whose target says when it reads the body: /early/7 never,
// /late/7 before it answers, /echo/7 while it answers. A byte of another stream
// is an error.
func marked(t *testing.T) wire.HandlerFunc {
	return func(_ context.Context, r *wire.Request, w wire.Responder) {
		kind, text, _ := strings.Cut(r.Target[1:], "/")
		id, _ := strconv.Atoi(text)
		read := func() bool {
			p, err := r.Body.(wire.Chunks).Next()
			if !only(p, id) {
				t.Errorf("stream %d: a body of somebody else arrives: %.40q", id, p)
			}
			return err == nil
		}
		for kind == "late" && read() {
		}
		_ = w.WriteHead(200, "", nil, -1)
		for left := answerSize; left > 0; left -= 1000 {
			if kind == "echo" {
				read()
			}
			if _, err := w.Write(bytes.Repeat([]byte{markOf(id)}, 1000)); err != nil || w.Flush() != nil {
				return
			}
		}
		for kind == "echo" && read() {
		}
	}
}

// oneStream makes one call through the proxy; leave ends it somewhere in the
// middle.
func oneStream(tr *Transport, proxy string, id int, leave bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	size := [4]int{10, 3_000, 40_000, 300_000}[id/3%4]
	out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: proxy, Target: fmt.Sprintf("/%s/%d", [3]string{"early", "late", "echo"}[id%3], id),
		Body: bytes.NewReader(bytes.Repeat([]byte{markOf(id)}, size)), ContentLength: int64(size)}
	if id%2 == 0 && id%3 != 0 { // of an early answer the server must know how much is left
		out.ContentLength = -1
	}
	if leave && id%4 < 2 {
		time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
	}
	in, err := tr.RoundTrip(ctx, out)
	if err != nil {
		if leave {
			return nil
		}
		return fmt.Errorf("%s: %w", out.Target, err)
	}
	defer in.Body.Close()
	if leave {
		_, _ = io.ReadFull(in.Body, make([]byte, rand.IntN(answerSize)))
		return nil
	}
	got, err := io.ReadAll(in.Body)
	if err != nil || in.Status != 200 || len(got) != answerSize || !only(got, id) {
		return fmt.Errorf("%s: status %d, %d bytes, %w: %.60q", out.Target, in.Status, len(got), errors.Join(err), got)
	}
	return nil
}

// rudely sends a request by hand and cuts the connection in the middle of its
// body, or behind it.
func rudely(proxy string, id int) {
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "POST /%s/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n", [3]string{"early", "late", "echo"}[id%3], id)
	_, _ = c.Write(bytes.Repeat([]byte{markOf(id)}, rand.IntN(50001)))
	switch id % 4 {
	case 0:
		_ = c.(*net.TCPConn).SetLinger(0)
	case 1:
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, c, int64(rand.IntN(answerSize)))
	}
}

// Thousands of streams with request bodies through a proxy on busy cores, with
// early answers and clients that leave at any moment. No stream that stays
// loses a byte or gets one of another; in the end nothing is left behind.
func TestStreamsUnderStress(t *testing.T) {
	total, parallel := 12_000, 400
	if raceEnabled || testing.Short() {
		total = 2_500
		t.Logf("reduced to %d of 12,000 streams (race detector or -short)", total)
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Run("streams", func(t *testing.T) {
		noPanic := wire.ServerConfig{OnPanic: func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }}
		backend := serve(t, noPanic, marked(t))
		inner := transport(t, wire.TransportConfig{})
		proxy := serve(t, noPanic, relay(inner, backend))
		client := transport(t, wire.TransportConfig{MaxConnsPerHost: 350})
		var next, bad atomic.Int64
		var wg sync.WaitGroup
		for range parallel {
			wg.Go(func() {
				for id := int(next.Add(1)); id <= total; id = int(next.Add(1)) {
					if id%5 == 4 {
						rudely(proxy, id)
						continue
					}
					if err := oneStream(client, proxy, id, id%5 == 3); err != nil && bad.Add(1) < 10 {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		client.CloseIdle()
		eventually(t, "no place of the pools is taken", func() bool {
			inner.CloseIdle()
			return openPlaces(inner, backend) == 0 && openPlaces(client, proxy) == 0
		})
	})
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "all descriptors are closed", func() bool { return openFiles(t) <= files })
}
