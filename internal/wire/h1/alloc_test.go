//go:build linux && !race

package h1

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"sallyport/internal/wire"
)

// exchange sends a request and reads n bytes of answer, without allocating.
func exchange(t testing.TB, c net.Conn, request, buf []byte, n int) {
	t.Helper()
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf[:n]); err != nil {
		t.Fatal(err)
	}
}

// A request costs its head as text; one with a body also the body, which is
// never used twice, and a chunked one its decoder. Nothing else is allocated, whatever the answer is.
func TestAllocationsOfTheServer(t *testing.T) {
	payload := make([]byte, 500)
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		for r.Body != nil {
			if _, err := r.Body.(wire.Chunks).Next(); err != nil {
				break
			}
		}
		_ = w.WriteHead(200, "", r.Header, int64(len(payload)))
		_, _ = w.Write(payload)
	})
	for name, c := range map[string]struct {
		text string
		want float64
	}{
		"GET":     {"GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\nX-C: d\r\n\r\n", 1},
		"POST":    {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: x\r\nContent-Length: 3\r\n\r\nabc", 2},
		"chunked": {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3},
	} {
		conn, r := dialTo(t, addr, c.text)
		n := len(readHeadOf(r)) + len(payload)
		_, _ = io.ReadFull(r, make([]byte, len(payload)))
		request, buf := []byte(c.text), make([]byte, n)
		if got := testing.AllocsPerRun(500, func() { exchange(t, conn, request, buf, n) }); got > c.want {
			t.Errorf("%s: %v allocations a request, want %v", name, got, c.want)
		}
	}
}

// A call costs the head of the answer as text, and the answer.
func TestAllocationsOfTheTransport(t *testing.T) {
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 3\r\n\r\nabc")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		for end := []byte("\r\n\r\n123"); ; {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if bytes.HasSuffix(buf[:n], end) {
				_, _ = c.Write(reply)
			}
		}
	}()
	tr := transport(t, wire.TransportConfig{})
	out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: l.Addr().String(), Target: "/", Bytes: []byte("123"), ContentLength: 3,
		Header: wire.Header{{Name: "Content-Type", Value: "x"}}}
	for name, ctx := range map[string]context.Context{"no context": context.Background(), "that of a request": new(scope)} {
		got := testing.AllocsPerRun(500, func() {
			in, err := tr.RoundTrip(ctx, out)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := in.Body.(wire.Chunks).Next(); string(p) != "abc" || err != io.EOF {
				t.Fatalf("%q, %v", p, err)
			}
			_ = in.Body.Close()
		})
		if got > 2 {
			t.Errorf("%s: %v allocations a call, want 2", name, got)
		}
	}
}

// A chunk of a stream costs nothing, on its way in and out; and while none
// comes, no buffer is held.
func TestAStreamCostsNothing(t *testing.T) {
	event := bytes.Repeat([]byte("x"), 100)
	next, sent := make(chan int), make(chan struct{})
	var responders = make(chan *conn, 1)
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		responders <- w.(*responder).c
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		for n := range next {
			for range n { // many pieces before a flush pass the buffer's end
				_, _ = w.Write(event)
			}
			_ = w.Flush()
			sent <- struct{}{}
		}
	})
	in, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), get(addr, "/"))
	if err != nil {
		t.Fatal(err)
	}
	a := in.Body.(*answer)
	chunk := func(n int) {
		next <- n
		for left := n * len(event); left > 0; {
			p, err := a.Next()
			if err != nil {
				t.Fatal(err)
			}
			left -= len(p)
		}
		<-sent
	}
	for _, n := range []int{1, 100} {
		if got := testing.AllocsPerRun(200, func() { chunk(n) }); got >= 1 {
			t.Errorf("%d events at a time: %v allocations", n, got)
		}
	}
	// The next read waits: its buffer goes back as soon as it has found nothing.
	go func() { _, _ = a.Next() }()
	c := <-responders
	eventually(t, "a stream that waits holds no buffer", func() bool { return a.u.buf == nil && c.resp.out == nil && c.buf == nil })
	next <- 1
	<-sent
	close(next)
}

// A request body that streams costs nothing a piece either.
func TestAStreamedRequestCostsNothing(t *testing.T) {
	read := make(chan struct{})
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		for {
			_, err := r.Body.(wire.Chunks).Next()
			if err != nil {
				break
			}
			read <- struct{}{}
		}
		wire.Reply(w, 200, "", nil)
	})
	pieces := make(chan int)
	done := make(chan error, 1)
	go func() {
		in, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http",
			Authority: addr, Target: "/", ContentLength: -1, Body: readerFunc(func(p []byte) (int, error) {
				n, ok := <-pieces
				if !ok {
					return 0, io.EOF
				}
				return n, nil
			})})
		if err == nil {
			_ = in.Body.Close()
		}
		done <- err
	}()
	if got := testing.AllocsPerRun(200, func() { pieces <- 100; <-read }); got >= 1 {
		t.Errorf("%v allocations a piece", got)
	}
	close(pieces)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An idle connection holds no buffer, nor does one whose handler waits.
func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	conns, goOn := make(chan *conn), make(chan struct{})
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_, _ = wire.ReadBody(context.Background(), r.Body, 100)
		conns <- w.(*responder).c
		<-goOn
		wire.Reply(w, 200, "", nil)
	})
	client, r := dialTo(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	c := <-conns
	if c.buf != nil {
		t.Error("a request that waits for its handler holds a buffer")
	}
	goOn <- struct{}{}
	readHeadOf(r)
	eventually(t, "an idle connection holds no buffer", func() bool { return c.buf == nil && c.resp.out == nil })
	_ = client.Close()
}
