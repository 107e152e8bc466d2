package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// failureChecks are about backends that reset, hang or trickle, and about
// callers that give up.
func failureChecks() []check {
	return []check{
		{name: "a reset before the head", run: resetInHead},
		{name: "a reset in the body", run: resetInBody},
		{name: "no head in time", run: headTimeout},
		{name: "no head in time while the sender stalls", run: headTimeoutStalled},
		{name: "the head timeout is for the head alone", run: headTimeoutOnly},
		{name: "a trickling body passes", run: tricklingAnswer},
		{name: "the caller gives up while dialling", run: cancelDial},
		{name: "the caller gives up while sending", run: cancelSend},
		{name: "the caller gives up while waiting for the head", run: cancelHead},
		{name: "the caller gives up while reading", run: cancelBody},
		{name: "a deadline of the caller is a timeout", run: deadlineOfCaller},
		{name: "a body closed early ends the call", run: closeEnds},
		{name: "nobody listens", run: refused},
		{name: "connecting takes too long", run: connectTimeout},
		{name: "errors of the dialler pass", run: diallerErrors},
		{name: "errors tell no secrets", run: quietErrors},
	}
}

func resetInHead(t *testing.T, e Engine) {
	for _, part := range []string{"", "HTTP/1.1 200 OK\r\nX: "} {
		b := play(t, func(p *peer, _ int) {
			if _, ok := p.next(); ok {
				p.trySend(part)
				p.reset()
			}
		})
		_ = fails(t, transport(t, e, wire.TransportConfig{}), b.post("/", "x"), wire.KindAborted)
	}
}

func resetInBody(t *testing.T, e Engine) {
	for _, head := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "Connection: close\r\n\r\nabc"} {
		got := make(chan struct{})
		b := play(t, func(p *peer, _ int) {
			if _, ok := p.next(); ok {
				p.trySend("HTTP/1.1 200 OK\r\n" + head)
				<-got
				p.reset()
			}
		})
		in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), b.get("/"))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 3)
		_, _ = io.ReadFull(in.Body, buf)
		close(got)
		rest, err := io.ReadAll(in.Body)
		_ = in.Body.Close()
		if string(buf) != "abc" || len(rest) > 0 || wire.KindOf(err) != wire.KindAborted {
			t.Errorf("%q: %q, %q, %v (kind %d)", head, buf, rest, err, wire.KindOf(err))
		}
	}
}

// hang reads a request and then waits for the engine to close.
func hang(gone chan<- struct{}, part string) script {
	return func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		p.trySend(part)
		_, _ = p.rest()
		gone <- struct{}{}
	}
}

func headTimeout(t *testing.T, e Engine) {
	for _, part := range []string{"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nX: 1\r\n"} {
		gone := make(chan struct{}, 1)
		b := play(t, hang(gone, part))
		out := b.get("/")
		out.HeadTimeout = short
		_ = fails(t, transport(t, e, wire.TransportConfig{}), out, wire.KindTimeout)
		await(t, "the end of the call at the backend", gone)
	}
}

func headTimeoutOnly(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		for {
			if _, ok := p.next(); !ok {
				return
			}
			p.trySend("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			time.Sleep(3 * short)
			p.trySend("late")
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	for range 2 {
		out := b.get("/")
		out.HeadTimeout = short
		if r := must(t, tr, out); r.body != "late" {
			t.Errorf("%q", r.body)
		}
	}
	if n := b.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func tricklingAnswer(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		p.trySend("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
		for range 20 {
			time.Sleep(5 * time.Millisecond)
			p.trySend("x")
		}
	})
	if r := must(t, transport(t, e, wire.TransportConfig{}), b.get("/")); r.body != strings.Repeat("x", 20) {
		t.Errorf("%q", r.body)
	}
}

func cancelDial(t *testing.T, e Engine) {
	dialling := make(chan struct{}, 1)
	tr := transport(t, e, wire.TransportConfig{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialling <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan result, 1)
	go func() {
		done <- call(ctx, tr, &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "127.0.0.1:1", Target: "/"})
	}()
	await(t, "the dial", dialling)
	cancel()
	if r := await(t, "the result", done); wire.KindOf(r.err) != wire.KindCanceled {
		t.Errorf("%v (kind %d)", r.err, wire.KindOf(r.err))
	}
}

// canceled starts a call, cancels it when the backend says so, and requires
// that the backend sees the connection close.
func canceled(t *testing.T, e Engine, s func(p *peer, now func()), out func(b *backend) *wire.Outgoing) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := make(chan struct{}, 1)
	b := play(t, func(p *peer, _ int) {
		if _, err := readHead(p.br); err != nil {
			return
		}
		s(p, cancel)
		_, _ = io.Copy(io.Discard, p.br)
		gone <- struct{}{}
	})
	done := make(chan result, 1)
	tr := transport(t, e, wire.TransportConfig{})
	go func() { done <- call(ctx, tr, out(b)) }()
	if r := await(t, "the result", done); wire.KindOf(r.err) != wire.KindCanceled {
		t.Errorf("%v (kind %d)", r.err, wire.KindOf(r.err))
	}
	await(t, "the end of the call at the backend", gone)
}

func cancelSend(t *testing.T, e Engine) {
	canceled(t, e, func(_ *peer, now func()) { time.Sleep(20 * time.Millisecond); now() },
		func(b *backend) *wire.Outgoing { return b.stream("/", endless{}, -1) })
	canceled(t, e, func(_ *peer, now func()) { now() },
		func(b *backend) *wire.Outgoing {
			r, _ := io.Pipe() // never gives anything
			return b.stream("/", r, 100)
		})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func cancelHead(t *testing.T, e Engine) {
	for _, part := range []string{"", "HTTP/1.1 200 OK\r\nX: "} {
		canceled(t, e, func(p *peer, now func()) { p.trySend(part); now() }, func(b *backend) *wire.Outgoing { return b.get("/") })
	}
}

func cancelBody(t *testing.T, e Engine) {
	for _, head := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "\r\nabc"} {
		canceled(t, e, func(p *peer, now func()) {
			p.trySend("HTTP/1.1 200 OK\r\n" + head)
			time.Sleep(20 * time.Millisecond)
			now()
		}, func(b *backend) *wire.Outgoing { return b.get("/") })
	}
}

func deadlineOfCaller(t *testing.T, e Engine) {
	for _, part := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"} {
		gone := make(chan struct{}, 1)
		b := play(t, hang(gone, part))
		ctx, cancel := context.WithTimeout(context.Background(), short)
		if r := call(ctx, transport(t, e, wire.TransportConfig{}), b.get("/")); wire.KindOf(r.err) != wire.KindTimeout {
			t.Errorf("%v (kind %d)", r.err, wire.KindOf(r.err))
		}
		cancel()
		await(t, "the end of the call at the backend", gone)
	}
}

func closeEnds(t *testing.T, e Engine) {
	gone := make(chan struct{}, 1)
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		p.trySend("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		_, _ = p.rest()
		gone <- struct{}{}
	})
	in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), b.get("/"))
	if err != nil {
		t.Fatal(err)
	}
	reading := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(in.Body)
		reading <- err
	}()
	time.Sleep(10 * time.Millisecond)
	_ = in.Body.Close()
	await(t, "the end of the call at the backend", gone)
	if await(t, "the end of the read", reading) == nil {
		t.Error("a read of a closed body ended without an error")
	}
}

func refused(t *testing.T, e Engine) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	b := &backend{t: t, addr: addr}
	tr := transport(t, e, wire.TransportConfig{})
	_ = fails(t, tr, b.get("/"), wire.KindConnect)
	_ = fails(t, tr, b.post("/", "x"), wire.KindConnect)
}

func connectTimeout(t *testing.T, e Engine) {
	tr := transport(t, e, wire.TransportConfig{ConnectTimeout: short, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	b := &backend{t: t, addr: "127.0.0.1:1"}
	_ = fails(t, tr, b.get("/"), wire.KindConnect)
	mute := play(t, func(p *peer, _ int) { _, _ = p.rest() }) // accepts, and never shakes hands
	out := mute.get("/")
	out.Scheme = "https"
	_ = fails(t, transport(t, e, wire.TransportConfig{ConnectTimeout: short}), out, wire.KindConnect)
}

func diallerErrors(t *testing.T, e Engine) {
	denied := &wire.Error{Kind: wire.KindDenied, Op: "dial", Err: errors.New("not allowed")}
	for _, tc := range []struct {
		err  error
		kind wire.ErrorKind
	}{{denied, wire.KindDenied}, {fmt.Errorf("wrapped: %w", denied), wire.KindDenied}, {errors.New("no such name"), wire.KindConnect}} {
		tr := transport(t, e, wire.TransportConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, tc.err }})
		if err := fails(t, tr, (&backend{t: t, addr: "127.0.0.1:1"}).get("/"), tc.kind); !errors.Is(err, tc.err) {
			t.Errorf("%v does not hold %v", err, tc.err)
		}
	}
}

// Targets hold keys of callers (?subscription-key=…), headers those of
// backends; what a transport says of a failure ends up in logs.
func quietErrors(t *testing.T, e Engine) {
	b := play(t, func(p *peer, n int) {
		if _, ok := p.next(); ok && n == 1 {
			p.trySend("bad answer\r\n\r\n")
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	for _, target := range []string{"/x?key=hush-hush", "/x?key=hush-hush", "/x y?key=hush-hush"} {
		out := b.get(target)
		out.Header = wire.Header{{Name: "Api-Key", Value: "hush-hush"}}
		r := call(context.Background(), tr, out)
		if r.err == nil || strings.Contains(r.err.Error(), "hush-hush") {
			t.Errorf("%v", r.err)
		}
	}
}

func headTimeoutStalled(t *testing.T, e Engine) {
	gone := make(chan struct{}, 1)
	b := play(t, func(p *peer, _ int) {
		_, _ = p.rest()
		gone <- struct{}{}
	})
	r, _ := io.Pipe() // never gives anything
	out := b.stream("/", r, 100)
	out.HeadTimeout = short
	done := make(chan result, 1)
	tr := transport(t, e, wire.TransportConfig{})
	go func() { done <- call(context.Background(), tr, out) }()
	if res := await(t, "the result", done); wire.KindOf(res.err) != wire.KindTimeout {
		t.Errorf("%v (kind %d)", res.err, wire.KindOf(res.err))
	}
	await(t, "the end of the call at the backend", gone)
}
