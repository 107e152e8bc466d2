package conform

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sallyport/internal/wire"
)

// backend is a scripted server: each connection runs the script, which reads
// and writes bytes as they shall be.
type backend struct {
	t     testing.TB
	addr  string
	conns atomic.Int32 // accepted so far
}

// script plays the other side of one connection; n counts them from 1. The
// connection is closed when it returns.
type script func(p *peer, n int)

// play starts a backend on loopback and waits for its scripts when the test ends.
func play(t testing.TB, s script) *backend {
	t.Helper()
	return playOn(t, s, func(c net.Conn) net.Conn { return c })
}

func playOn(t testing.TB, s script, wrap func(net.Conn) net.Conn) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, addr: l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(b.conns.Add(1))
			p := newPeer(t, wrap(c))
			p.scripted = true
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { p.perform(s, n) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return b
}

func (p *peer) perform(s script, n int) {
	defer func() { _ = p.Close() }()
	defer func() {
		if v := recover(); v != nil && v != any(errPeer) {
			panic(v)
		}
	}()
	s(p, n)
}

// next reads a request; ok is false when the engine closed instead.
func (p *peer) next() (m *message, ok bool) {
	if _, err := p.br.Peek(1); err != nil {
		return nil, false
	}
	return p.request(), true
}

// each answers every request of a connection with the text.
func each(answer string) script {
	return func(p *peer, _ int) {
		for {
			if _, ok := p.next(); !ok {
				return
			}
			p.trySend(answer)
		}
	}
}

// once answers one request and closes.
func once(answer string) script {
	return func(p *peer, _ int) {
		if _, ok := p.next(); ok {
			p.trySend(answer)
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func (b *backend) get(target string) *wire.Outgoing {
	return &wire.Outgoing{Method: "GET", Scheme: "http", Authority: b.addr, Target: target}
}

func (b *backend) post(target, body string) *wire.Outgoing {
	return &wire.Outgoing{Method: "POST", Scheme: "http", Authority: b.addr, Target: target,
		Bytes: []byte(body), ContentLength: int64(len(body))}
}

func (b *backend) stream(target string, body io.Reader, length int64) *wire.Outgoing {
	return &wire.Outgoing{Method: "POST", Scheme: "http", Authority: b.addr, Target: target, Body: body, ContentLength: length}
}

// result is an answer that was read to its end.
type result struct {
	*wire.Incoming
	body string
	err  error // of the head or of the body
}

// call does a round trip and reads the answer.
func call(ctx context.Context, tr wire.Transport, out *wire.Outgoing) result {
	in, err := tr.RoundTrip(ctx, out)
	if err != nil {
		return result{err: err}
	}
	defer func() { _ = in.Body.Close() }()
	var b strings.Builder
	_, err = io.Copy(&b, in.Body)
	return result{Incoming: in, body: b.String(), err: err}
}

// must calls and requires a whole answer.
func must(t testing.TB, tr wire.Transport, out *wire.Outgoing) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := call(ctx, tr, out)
	if r.err != nil {
		t.Fatalf("%s %s: %v", out.Method, out.Target, r.err)
	}
	return r
}

// fails calls and requires an error of the kind, in the head or in the body.
func fails(t testing.TB, tr wire.Transport, out *wire.Outgoing, want wire.ErrorKind) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := call(ctx, tr, out)
	if r.err == nil {
		t.Errorf("%s %s: answered %d %q, want an error of kind %d", out.Method, out.Target, r.Status, r.body, want)
	} else if got := wire.KindOf(r.err); got != want {
		t.Errorf("%s %s: %v has kind %d, want %d", out.Method, out.Target, r.err, got, want)
	}
	return r.err
}
