package conform

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// endChecks are about the end of a server, and of handlers that panic.
func endChecks() []check {
	return []check{
		{name: "shutdown closes idle connections at once", run: shutdownIdle},
		{name: "shutdown lets requests finish", run: shutdownFinish},
		{name: "shutdown announces the end of connections", run: shutdownAnnounces},
		{name: "shutdown cancels what is late", run: shutdownLate},
		{name: "shutdown leaves a moment for last words", run: lastWords},
		{name: "close ends everything", run: closeAll},
		{name: "several listeners", run: severalListeners},
		{name: "no goroutines are left behind", run: nothingLeft, alone: true},
		{name: "a panic closes the connection", run: panicCloses},
		{name: "a panic in the middle cuts the answer", run: panicCuts},
	}
}

// shutdown runs Shutdown in the background.
func (s *host) shutdown(ctx context.Context) chan error {
	done := make(chan error, 1)
	go func() { done <- s.srv.Shutdown(ctx) }()
	return done
}

func shutdownIdle(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, target)
	fresh, used := s.dial(), s.dial()
	used.send(get("/"))
	used.answer("GET")
	done := s.shutdown(context.Background())
	fresh.ended()
	used.endedCleanly()
	if err := await(t, "the end of Shutdown", done); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.addr); err == nil {
		_ = c.Close()
		t.Error("the listener still accepts")
	}
}

// held serves a handler that waits for release between head and end of /late,
// and before the head of any other target.
func held(t *testing.T, e Engine) (s *host, entered, release chan struct{}) {
	entered, release = make(chan struct{}, 4), make(chan struct{})
	s = serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/late" {
			_ = w.WriteHead(200, "", nil, -1)
			_ = w.Flush()
		}
		entered <- struct{}{}
		<-release
		if r.Target != "/late" {
			_ = w.WriteHead(200, "", nil, -1)
		}
		_, _ = w.Write([]byte("end"))
	})
	return s, entered, release
}

func shutdownFinish(t *testing.T, e Engine) {
	s, entered, release := held(t, e)
	p := s.dial()
	p.send(get("/late"))
	await(t, "the request", entered)
	idle := s.dial()
	done := s.shutdown(context.Background())
	idle.ended()
	select {
	case err := <-done:
		t.Errorf("Shutdown returned %v with a request running", err)
	default:
	}
	close(release)
	if m := p.answer("GET"); m.Body != "end" {
		t.Errorf("%+v", m)
	}
	p.endedCleanly()
	if err := await(t, "the end of Shutdown", done); err != nil {
		t.Error(err)
	}
}

func shutdownAnnounces(t *testing.T, e Engine) {
	s, entered, release := held(t, e)
	p := s.dial()
	p.send(get("/"))
	await(t, "the request", entered)
	idle := s.dial()
	done := s.shutdown(context.Background())
	idle.ended()
	close(release)
	if m := p.answer("GET"); m.Body != "end" || !m.closes() {
		t.Errorf("%+v", m)
	}
	p.endedCleanly()
	_ = await(t, "the end of Shutdown", done)
}

func shutdownLate(t *testing.T, e Engine) {
	entered, cause := make(chan struct{}), make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, _ wire.Responder) {
		close(entered)
		<-ctx.Done()
		cause <- context.Cause(ctx)
	})
	p := s.dial()
	p.send(get("/"))
	await(t, "the request", entered)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	done := s.shutdown(ctx)
	if err := await(t, "the end of the context", cause); !errors.Is(err, wire.ErrDraining) {
		t.Errorf("the cause is %v, want %v", err, wire.ErrDraining)
	}
	if err := await(t, "the end of Shutdown", done); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	_, _ = p.rest()
}

// A stream that has to end says so in its own language: an error event.
func lastWords(t *testing.T, e Engine) {
	entered := make(chan struct{})
	s := serve(t, e, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		close(entered)
		<-ctx.Done()
		_, _ = w.Write([]byte("event: error\n\n"))
		_ = w.Flush()
	})
	p := s.dial()
	p.send(get("/"))
	await(t, "the request", entered)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	done := s.shutdown(ctx)
	m, err := readAnswer(p.br, "GET")
	if m.Body != "event: error\n\n" || err != nil {
		t.Errorf("%v, %+v", err, m)
	}
	_ = await(t, "the end of Shutdown", done)
}

func closeAll(t *testing.T, e Engine) {
	s, entered, left := waiting(t, e, wire.ServerConfig{})
	running, idle := s.dial(), s.dial()
	running.send(get("/streams"))
	await(t, "the request", entered)
	idle.send(get("/nothing")[:10])
	_ = s.srv.Close()
	_ = await(t, "the end of the context", left)
	_, _ = running.rest()
	idle.ended()
}

func severalListeners(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, target)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.srv.Serve(l) }()
	for _, addr := range []string{s.addr, l.Addr().String()} {
		if m := (&host{t: t, addr: addr}).ask(get("/x")); m.Body != "/x" {
			t.Errorf("%s: %+v", addr, m)
		}
	}
	if err := await(t, "the end of Shutdown", s.shutdown(context.Background())); err != nil {
		t.Error(err)
	}
	if err := await(t, "the end of the second Serve", done); err != nil {
		t.Error(err)
	}
}

func panicking(t *testing.T, e Engine, h wire.HandlerFunc) (*host, chan any) {
	values := make(chan any, 2)
	cfg := wire.ServerConfig{OnPanic: func(v any, stack []byte) {
		if !strings.Contains(string(stack), "panic") {
			t.Errorf("no stack:\n%s", stack)
		}
		values <- v
	}}
	return serve(t, e, cfg, h), values
}

func panicCloses(t *testing.T, e Engine) {
	s, values := panicking(t, e, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/fine" {
			wire.Reply(w, 200, "", nil)
			return
		}
		panic("boom")
	})
	for _, text := range []string{get("/"), post("/", "body"), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"} {
		p := s.dial()
		p.send(text)
		p.trySend(get("/next"))
		p.ended()
		if v := await(t, "the panic", values); v != "boom" {
			t.Errorf("OnPanic got %v", v)
		}
	}
	if m := s.ask(get("/fine")); m.status() != 200 {
		t.Errorf("after the panic: %+v", m)
	}
}

func panicCuts(t *testing.T, e Engine) {
	s, values := panicking(t, e, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write([]byte("half"))
		_ = w.Flush()
		time.Sleep(time.Millisecond)
		panic("boom")
	})
	p := s.dial()
	p.send(get("/"))
	if m, err := readAnswer(p.br, "GET"); err == nil || m.Body != "half" {
		t.Errorf("%v, %+v", err, m)
	}
	await(t, "the panic", values)
}

func nothingLeft(t *testing.T, e Engine) {
	before := runtime.NumGoroutine()
	t.Run("clients", func(t *testing.T) {
		s := serve(t, e, wire.ServerConfig{}, echo)
		b := play(t, counting)
		tr := transport(t, e, wire.TransportConfig{})
		for range 20 {
			s.dial()
			s.dial().send(get("/")[:10])
			s.dial().send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
			if m := s.ask(post("/", "body")); m.status() != 200 {
				t.Errorf("%+v", m)
			}
			must(t, tr, b.post("/", "body"))
			in, err := tr.RoundTrip(context.Background(), b.stream("/", strings.NewReader("body"), 4))
			if err != nil {
				t.Fatal(err)
			}
			_ = in.Body.Close()
		}
	})
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, before there were %d\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}
