package conform

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// goneChecks are about clients that leave.
func goneChecks() []check {
	return []check{
		{name: "a client that leaves while the handler waits", run: goneWaiting},
		{name: "a client that leaves while an answer streams", run: goneStreaming},
		{name: "a client that leaves with a reset", run: goneReset},
		{name: "a client that leaves on TLS", run: goneTLS},
		{name: "a client that closes its sending side still gets its answer", run: halfClosed},
		{name: "the next request after one that waited", run: afterWaiting},
	}
}

// waiting serves a handler that reads the body and waits for its context.
func waiting(t *testing.T, e Engine, cfg wire.ServerConfig) (s *host, entered chan struct{}, left chan error) {
	entered, left = make(chan struct{}, 4), make(chan error, 4)
	s = serve(t, e, cfg, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if r.Target == "/streams" {
			_ = w.WriteHead(200, "", nil, -1)
			_ = w.Flush()
		}
		entered <- struct{}{}
		<-ctx.Done()
		left <- ctx.Err()
	})
	return s, entered, left
}

func goneWaiting(t *testing.T, e Engine) {
	s, entered, left := waiting(t, e, wire.ServerConfig{})
	for _, text := range []string{get("/"), post("/", "body"), chunkedPost("/", "body"), get("/streams"), post("/streams", "body")} {
		p := s.dial()
		p.send(text)
		await(t, "the request", entered)
		_ = p.Close()
		if err := await(t, "the end of the context", left); !errors.Is(err, context.Canceled) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func goneStreaming(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		var err error
		for err == nil && ctx.Err() == nil {
			if _, err = w.Write(make([]byte, 1000)); err == nil {
				err = w.Flush()
			}
		}
		<-ctx.Done()
		errs <- err
	})
	p := s.dial()
	p.send(get("/"))
	p.until("\r\n\r\n")
	_ = p.Close()
	if err := await(t, "the end of the context", errs); err != nil && wire.KindOf(err) != wire.KindAborted {
		t.Errorf("writing to a client that left: %v (kind %d)", err, wire.KindOf(err))
	}
}

func goneReset(t *testing.T, e Engine) {
	s, entered, left := waiting(t, e, wire.ServerConfig{})
	for _, target := range []string{"/", "/streams"} {
		p := s.dial()
		p.send(get(target))
		await(t, "the request", entered)
		p.reset()
		_ = await(t, "the end of the context", left)
	}
}

func goneTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s, entered, left := waiting(t, e, wire.ServerConfig{TLS: id.server()})
	c, err := tls.Dial("tcp", s.addr, id.client("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, c)
	p.send(get("/"))
	await(t, "the request", entered)
	_ = p.Close()
	_ = await(t, "the end of the context", left)
}

// Watching for the client to leave must not swallow bytes of its next request.
func afterWaiting(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		select {
		case <-ctx.Done():
			t.Error("the context ended with the client present")
		case <-time.After(30 * time.Millisecond):
		}
		wire.Reply(w, 200, "", []byte(r.Target))
	}).dial()
	for _, next := range []string{"/1", "/2", "/3"} {
		p.send(get(next))
		if m := p.answer("GET"); m.Body != next {
			t.Errorf("%+v", m)
		}
	}
	p.send(get("/4"))
	time.Sleep(10 * time.Millisecond)
	p.send(get("/5")) // while /4 is being handled
	if a, b := p.answer("GET").Body, p.answer("GET").Body; a != "/4" || b != "/5" {
		t.Errorf("answers %s, %s", a, b)
	}
}

func halfClosed(t *testing.T, e Engine) {
	text := strings.Repeat("answer ", 50_000)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		wire.Reply(w, 200, "", []byte(text))
	})
	for _, request := range []string{get("/"), post("/", "body"), chunkedPost("/", "body")} {
		p := s.dial()
		p.send(request)
		p.closeWrite()
		if m := p.answer("GET"); m.Body != text {
			t.Errorf("%.10q: %d bytes of %d", request, len(m.Body), len(text))
		}
		p.endedCleanly()
	}
}
