package conform

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// timeChecks are about clients that take their time. The limits are short, and
// what must stay within one has many times its length.
func timeChecks() []check {
	return []check{
		{name: "a connection without a request is closed", run: silentClient},
		{name: "an idle connection is closed", run: idleClient},
		{name: "a head that does not end is cut off", run: slowHead},
		{name: "a head that does not end is answered 408", run: slowHead408},
		{name: "the second head has its time too", run: slowSecondHead},
		{name: "a body that stops is cut off", run: stuckBody},
		{name: "a body that trickles passes", run: tricklingBody},
		{name: "a reader that stops is cut off", run: stuckReader},
		{name: "the write timeout is for each write", run: writeTimeoutEach},
		{name: "a stream may pause for longer than every timeout", run: longPause},
	}
}

const short = 150 * time.Millisecond

func silentClient(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{ReadHeaderTimeout: short, IdleTimeout: short}, target)
	s.dial().endedCleanly()
}

func idleClient(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{IdleTimeout: short}, target).dial()
	p.send(get("/1"))
	p.answer("GET")
	p.endedCleanly()
}

func slowHead(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{ReadHeaderTimeout: short}, func(_ context.Context, r *wire.Request, _ wire.Responder) {
		t.Errorf("the handler saw %s", r.Target)
	})
	for _, text := range []string{"G", "GET / HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r"} {
		p := s.dial()
		p.send(text)
		if got, err := p.rest(); err != nil || got != "" && !strings.HasPrefix(got, "HTTP/1.1 40") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	p := s.dial() // the clock does not start again with each byte
	go func() {
		for range 1000 {
			if _, err := io.WriteString(p, "GET / HTTP/1.1\r\nHost: h\r\n"[:1]); err != nil {
				return
			}
			time.Sleep(short / 10)
		}
	}()
	_, _ = p.rest()
}

func slowHead408(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{ReadHeaderTimeout: short}, target).dial()
	p.send("GET / HTTP/1.1\r\nHost: h\r\n")
	if m := p.answer("GET"); m.status() != 408 || !m.closes() {
		t.Errorf("%+v", m)
	}
	p.endedCleanly()
}

func slowSecondHead(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{ReadHeaderTimeout: short}, target).dial()
	p.send(get("/1"))
	p.answer("GET")
	time.Sleep(2 * short) // idle time is not reading time
	p.send(get("/2"))
	if m := p.answer("GET"); m.Body != "/2" {
		t.Errorf("%+v", m)
	}
	p.send("GET /3 HTTP/1.1\r\n")
	if got, err := p.rest(); err != nil || got != "" && !strings.HasPrefix(got, "HTTP/1.1 40") {
		t.Errorf("%q, %v", got, err)
	}
}

func stuckBody(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{ReadBodyTimeout: short}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_, err := io.ReadAll(r.Body)
		errs <- err
		wire.Reply(w, 408, "", nil)
	})
	for _, text := range []string{
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
	} {
		p := s.dial()
		p.send(text)
		if err := await(t, "the error", errs); wire.KindOf(err) != wire.KindTimeout {
			t.Errorf("%q: read ended with %v (kind %d)", text, err, wire.KindOf(err))
		}
		if m := p.answer("POST"); m.status() != 408 {
			t.Errorf("%+v", m)
		}
		p.ended()
	}
}

func tricklingBody(t *testing.T, e Engine) {
	const pieces = 12
	p := serve(t, e, wire.ServerConfig{ReadBodyTimeout: time.Second, ReadHeaderTimeout: time.Second}, echo).dial()
	p.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", pieces))
	for range pieces { // together they take longer than each may
		time.Sleep(100 * time.Millisecond)
		p.send("x")
	}
	if m := p.answer("POST"); !strings.Contains(m.Body, strings.Repeat("x", pieces)+"|<nil>") {
		t.Errorf("%+v", m)
	}
	p.send(get("/next"))
	if m := p.answer("GET"); m.status() != 200 {
		t.Errorf("%+v", m)
	}
}

func stuckReader(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{WriteTimeout: short}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/other" {
			wire.Reply(w, 200, "", []byte("fine"))
			return
		}
		_ = w.WriteHead(200, "", nil, -1)
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 1<<16))
		}
		errs <- err
	})
	stuck, other := s.dial(), s.dial()
	stuck.send(get("/"))
	if err := await(t, "the error", errs); wire.KindOf(err) != wire.KindTimeout {
		t.Errorf("write to a client that does not read: %v (kind %d)", err, wire.KindOf(err))
	}
	other.send(get("/other"))
	if m := other.answer("GET"); m.Body != "fine" {
		t.Errorf("another connection: %+v", m)
	}
	if got, _ := stuck.rest(); strings.HasSuffix(got, "\r\n0\r\n\r\n") {
		t.Error("the answer that was cut off looks whole")
	}
}

func writeTimeoutEach(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{WriteTimeout: 400 * time.Millisecond}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		for range 6 { // longer than the timeout in sum
			time.Sleep(100 * time.Millisecond)
			_, _ = w.Write([]byte("x"))
			_ = w.Flush()
		}
	})
	if m := s.ask(get("/")); m.Body != "xxxxxx" {
		t.Errorf("%+v", m)
	}
}

func longPause(t *testing.T, e Engine) {
	cfg := wire.ServerConfig{ReadHeaderTimeout: short, ReadBodyTimeout: short, IdleTimeout: short, WriteTimeout: short}
	p := serve(t, e, cfg, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		select {
		case <-ctx.Done():
			t.Error("the context ended during the pause")
		case <-time.After(4 * short):
		}
		_, _ = w.Write([]byte("end"))
	}).dial()
	for _, text := range []string{get("/"), post("/", "body")} {
		p.send(text)
		if m := p.answer("GET"); m.Body != "end" {
			t.Errorf("%+v", m)
		}
	}
}
