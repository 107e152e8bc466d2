package std

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

func TestHeadTimeout(t *testing.T) {
	left := make(chan struct{}, 1)
	addr, _ := start(t, wire.ServerConfig{H2C: true}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/silent" {
			<-ctx.Done()
			left <- struct{}{}
			return
		}
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		time.Sleep(150 * time.Millisecond) // the body may take longer than the head
		_, _ = w.Write([]byte("whole"))
	})
	tr := transport(t, wire.TransportConfig{})
	for _, v := range []wire.HTTPVersion{wire.HTTP1, wire.HTTP2} {
		out := get(addr, "/silent")
		out.Version, out.HeadTimeout = v, 50*time.Millisecond
		_, err := tr.RoundTrip(context.Background(), out)
		var we *wire.Error
		if !errors.As(err, &we) || we.Kind != wire.KindTimeout || we.Op != "round trip" {
			t.Errorf("version %d: %v", v, err)
		}
		<-left // the call has ended on the other side as well
		out.Target, out.HeadTimeout = "/slow", 100*time.Millisecond
		if _, body := fetch(t, tr, out); body != "whole" {
			t.Errorf("version %d: body %q", v, body)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := get(addr, "/silent")
	out.HeadTimeout = time.Minute
	if _, err := tr.RoundTrip(ctx, out); wire.KindOf(err) != wire.KindCanceled {
		t.Errorf("cancelled under a timeout: %v", err)
	}
}

// The context that a HeadTimeout needs must not outlive the call.
func TestCallReleasesItsContext(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, echo)
	tr := transport(t, wire.TransportConfig{})
	for name, end := range map[string]func(io.ReadCloser){
		"read to its end": func(b io.ReadCloser) { _, _ = io.ReadAll(b) },
		"closed early":    func(b io.ReadCloser) { _ = b.Close() },
	} {
		out := get(addr, "/")
		out.HeadTimeout = time.Minute
		in, err := tr.RoundTrip(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		ctx := in.Body.(*answer).ctx
		if ctx.Err() != nil {
			t.Errorf("%s: the context ended with the head", name)
		}
		if end(in.Body); ctx.Err() == nil {
			t.Errorf("%s: the context lives on", name)
		}
		_ = in.Body.Close()
	}
}

// net/http goes on sending after an early answer; the caller may have the
// memory of the body back by then. The race detector sees a transport that
// still reads it.
func TestBytesAreLetGo(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/silent" {
			<-ctx.Done()
			return
		}
		wire.Reply(w, 413, "", nil)
	})
	tr := transport(t, wire.TransportConfig{})
	body := make([]byte, 8<<20)
	for range 5 {
		out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/", Bytes: body, ContentLength: int64(len(body))}
		if in, err := tr.RoundTrip(context.Background(), out); err == nil {
			_ = in.Body.Close()
		}
		clear(body)
		out.Target, out.HeadTimeout = "/silent", time.Millisecond
		if _, err := tr.RoundTrip(context.Background(), out); wire.KindOf(err) != wire.KindTimeout {
			t.Errorf("silent backend: %v", err)
		}
		clear(body)
	}
}

// A body in memory leaves in one packet with the head.
func TestBytesGoWithTheHead(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, echo)
	var writes atomic.Int32
	tr := transport(t, wire.TransportConfig{Dial: func(ctx context.Context, n, a string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, n, a)
		return &countingConn{c, &writes}, err
	}})
	if _, body := fetch(t, tr, post(addr, "hello")); !strings.HasSuffix(body, "hello|<nil>|5") {
		t.Errorf("body %q", body)
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes", n)
	}
}

type countingConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestConnectTime(t *testing.T) {
	tlsConf, pool := certificate(t, "127.0.0.1")
	secure, _ := start(t, wire.ServerConfig{TLS: tlsConf}, echo)
	plain, _ := start(t, wire.ServerConfig{H2C: true}, echo)
	for _, out := range []*wire.Outgoing{
		{Scheme: "http", Authority: plain}, {Scheme: "http", Authority: plain, Version: wire.HTTP2},
		{Scheme: "https", Authority: secure}, {Scheme: "https", Authority: secure, Version: wire.HTTP2},
		{Scheme: "https", Authority: secure, Version: wire.HTTP2or1},
	} {
		tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
		out.Method, out.Target = "GET", "/"
		for i := range 3 {
			if in, _ := fetch(t, tr, out); (in.Connect > 0) != (i == 0) {
				t.Errorf("%s, version %d, request %d: connected in %v", out.Scheme, out.Version, i, in.Connect)
			}
		}
	}
}

func TestMaxAge(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, echo)
	var dials, open atomic.Int32
	dial := func(ctx context.Context, n, a string) (net.Conn, error) {
		dials.Add(1)
		open.Add(1)
		c, err := new(net.Dialer).DialContext(ctx, n, a)
		return &closingConn{Conn: c, open: &open}, err
	}
	for age, want := range map[time.Duration]int32{time.Nanosecond: 5, time.Hour: 1} {
		dials.Store(0)
		tr := transport(t, wire.TransportConfig{Dial: dial, MaxAge: age})
		for range 5 {
			fetch(t, tr, get(addr, "/"))
		}
		if n := dials.Load(); n != want {
			t.Errorf("age %v: %d connections, want %d", age, n, want)
		}
		tr.CloseIdle()
	}
	for deadline := time.Now().Add(10 * time.Second); open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections stay open", open.Load())
		}
	}
}

type closingConn struct {
	net.Conn
	open   *atomic.Int32
	closed atomic.Bool
}

func (c *closingConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

func TestReceived(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{H2C: true}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "", []byte(r.Received.Format(time.RFC3339Nano)))
	})
	tr := transport(t, wire.TransportConfig{})
	for _, v := range []wire.HTTPVersion{wire.HTTP1, wire.HTTP2} {
		out := get(addr, "/")
		out.Version = v
		before := time.Now().Truncate(0)
		_, body := fetch(t, tr, out)
		if at, err := time.Parse(time.RFC3339Nano, body); err != nil || at.Before(before) || at.After(time.Now()) {
			t.Errorf("received %q, %v", body, err)
		}
	}
}

func TestMaxHeaders(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{MaxHeaders: 5, H2C: true}, echo)
	tr := transport(t, wire.TransportConfig{})
	lines := func(n int) string { return strings.Repeat("X: y\r\n", n) }
	for n, want := range map[int]int{4: 200, 5: 431} { // and Host
		if res, _ := rawReply(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n"+lines(n)+"\r\n"); res.StatusCode != want {
			t.Errorf("%d lines: %d", n+1, res.StatusCode)
		}
	}
	for n, want := range map[int]int{5: 200, 6: 431} {
		out := get(addr, "/")
		out.Version = wire.HTTP2
		for range n {
			out.Header.Add("X", "y")
		}
		if in, _ := fetch(t, tr, out); in.Status != want {
			t.Errorf("HTTP/2, %d lines: %d", n, in.Status)
		}
	}
}

func TestFinish(t *testing.T) {
	release, errs := make(chan struct{}), make(chan error, 1)
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		f := w.(wire.Finisher)
		if f.Finish() == nil {
			t.Error("finished before the head")
		}
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write([]byte("all of it"))
		if r.Target == "/gone" {
			<-release
			var err error
			for err == nil { // the first write after a reset may still pass
				_, _ = w.Write([]byte("more"))
				err = f.Finish()
			}
			errs <- err
			return
		}
		errs <- f.Finish()
		<-release
	})
	br, _ := raw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	for text := ""; !strings.Contains(text, "all of it"); {
		b, err := br.ReadByte()
		if err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		text += string(b)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	release <- struct{}{}
	_, c := raw(t, addr, "GET /gone HTTP/1.1\r\nHost: h\r\n\r\n")
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	release <- struct{}{}
	if err := <-errs; wire.KindOf(err) != wire.KindAborted {
		t.Errorf("client gone: %v", err)
	}
}

func TestReadBodyTimeout(t *testing.T) {
	type end struct {
		n    int
		err  error
		gone bool
	}
	got := make(chan end, 1)
	addr, _ := start(t, wire.ServerConfig{ReadBodyTimeout: 200 * time.Millisecond, H2C: true},
		func(ctx context.Context, r *wire.Request, w wire.Responder) {
			b, err := io.ReadAll(r.Body)
			got <- end{len(b), err, ctx.Err() != nil}
			status := 200
			if wire.KindOf(err) == wire.KindTimeout {
				status = 408
			}
			wire.Reply(w, status, "", nil)
		})
	for _, v := range []wire.HTTPVersion{wire.HTTP1, wire.HTTP2} {
		for _, tc := range []struct {
			name   string
			length int64
			each   int
			pause  time.Duration
			status int
		}{
			{"steady", 20, 2, 30 * time.Millisecond, 200}, // longer than the timeout in sum
			{"steady, chunked", -1, 2, 30 * time.Millisecond, 200},
			{"stops", 20, 10, time.Minute, 408},
			{"stops, chunked", -1, 10, time.Minute, 408},
		} {
			stop := make(chan struct{})
			body := &pieces{rest: bytes.Repeat([]byte("x"), 20), each: tc.each, wait: func() {
				select {
				case <-time.After(tc.pause):
				case <-stop:
				}
			}}
			out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/", Body: body, ContentLength: tc.length, Version: v}
			in, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), out)
			close(stop)
			if err != nil {
				t.Fatalf("%s, version %d: %v", tc.name, v, err)
			}
			_ = in.Body.Close()
			e := <-got
			var we *wire.Error
			if in.Status != tc.status || e.gone || tc.status == 408 &&
				(e.n != 10 || !errors.As(e.err, &we) || we.Op != "read request body") || tc.status == 200 && (e.n != 20 || e.err != nil) {
				t.Errorf("%s, version %d: status %d, %+v", tc.name, v, in.Status, e)
			}
		}
	}
}

// The deadline of the body must not hit a handler that works on after it.
func TestBodyDeadlineEndsWithTheBody(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{ReadBodyTimeout: 20 * time.Millisecond, H2C: true},
		func(ctx context.Context, r *wire.Request, w wire.Responder) {
			first := make([]byte, 1)
			_, _ = io.ReadFull(r.Body, first)
			time.Sleep(60 * time.Millisecond) // not a wait for the client
			b, err := io.ReadAll(r.Body)
			time.Sleep(60 * time.Millisecond)
			if err != nil || string(b) != "ello" || ctx.Err() != nil {
				t.Errorf("%q, %v, context %v", b, err, ctx.Err())
			}
			wire.Reply(w, 200, "", nil)
		})
	tr := transport(t, wire.TransportConfig{})
	for _, v := range []wire.HTTPVersion{wire.HTTP1, wire.HTTP2} {
		for range 3 {
			out := post(addr, "hello")
			out.Version = v
			if in, _ := fetch(t, tr, out); in.Status != 200 {
				t.Errorf("status %d", in.Status)
			}
		}
	}
}
