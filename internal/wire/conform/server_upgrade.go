package conform

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// upgradeChecks are about switching protocols.
func upgradeChecks() []check {
	return []check{
		{name: "upgrade hands the connection over", run: upgrades},
		{name: "upgrade keeps what was read ahead", run: upgradeLeftover},
		{name: "upgraded streams can be closed from either end", run: upgradeCloses},
		{name: "upgraded streams have deadlines", run: upgradeDeadlines},
		{name: "upgrade after the head is refused", run: upgradeTwice},
		{name: "upgrade does not survive shutdown for ever", run: upgradeShutdown},
		{name: "an upgrade that is not taken is a plain request", run: upgradeIgnored},
	}
}

const handshake = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"

func switched(t *testing.T, e Engine, use func(s wire.Stream)) *host {
	return serve(t, e, wire.ServerConfig{ReadHeaderTimeout: short, IdleTimeout: short, WriteTimeout: short}, switching(t, use))
}

func switching(t *testing.T, use func(s wire.Stream)) wire.HandlerFunc {
	return func(_ context.Context, _ *wire.Request, w wire.Responder) {
		u, ok := w.(wire.Upgrader)
		if !ok {
			t.Error("the responder is no wire.Upgrader")
			return
		}
		s, err := u.Upgrade(wire.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "X-Key", Value: "1"}})
		if err != nil {
			t.Errorf("Upgrade: %v", err)
			return
		}
		use(s)
	}
}

func echoStream(s wire.Stream) {
	_, _ = io.Copy(s, s)
	_ = s.Close()
}

func upgrades(t *testing.T, e Engine) {
	p := switched(t, e, echoStream).dial()
	p.send(handshake)
	m := p.head()
	if m.Start != "HTTP/1.1 101 Switching Protocols" || m.Header.Get("Upgrade") != "websocket" || m.Header.Get("X-Key") != "1" ||
		!wire.EqualName(m.Header.Joined("Connection"), "upgrade") || m.Header.Has("Content-Length") || m.Header.Has("Transfer-Encoding") {
		t.Fatalf("%+v", m)
	}
	time.Sleep(2 * short) // no timeout of HTTP holds any more
	for range 3 {
		p.send("\x00frame\r\n")
		p.until("\x00frame\r\n")
	}
	p.closeWrite()
	p.endedCleanly()
}

func upgradeLeftover(t *testing.T, e Engine) {
	p := switched(t, e, echoStream).dial()
	p.send(handshake + "sent at once")
	p.until("\r\n\r\nsent at once")
	p.send(" and later")
	p.until(" and later")
}

func upgradeCloses(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	p := switched(t, e, func(s wire.Stream) {
		go func() {
			_, err := s.Read(make([]byte, 10))
			errs <- err
		}()
		time.Sleep(20 * time.Millisecond)
		_ = s.Close()
	}).dial()
	p.send(handshake)
	p.head()
	if err := await(t, "the end of the read", errs); err == nil {
		t.Error("a read on a closed stream succeeded")
	}
	p.endedCleanly()

	p = switched(t, e, func(s wire.Stream) {
		_, _ = s.Write([]byte("last"))
		_ = s.CloseWrite()
		b, err := io.ReadAll(s)
		if string(b) != "heard" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		_ = s.Close()
		errs <- err
	}).dial()
	p.send(handshake)
	p.head()
	p.until("last")
	if got, err := p.rest(); got != "" || err != nil {
		t.Errorf("after CloseWrite: %q, %v", got, err)
	}
	p.send("heard")
	p.closeWrite()
	_ = await(t, "the end of the stream", errs)
}

func upgradeDeadlines(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	p := switched(t, e, func(s wire.Stream) {
		_ = s.SetReadDeadline(time.Now().Add(short))
		_, err := s.Read(make([]byte, 10))
		errs <- err
		_ = s.SetDeadline(time.Time{})
		echoStream(s)
	}).dial()
	p.send(handshake)
	p.head()
	if err := await(t, "the error", errs); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past the deadline: %v", err)
	}
	p.send("after")
	p.until("after")
}

func upgradeTwice(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "", []byte("plain"))
		_, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "websocket"}})
		errs <- err
	})
	if m := s.ask(handshake); m.Body != "plain" {
		t.Errorf("%+v", m)
	}
	if await(t, "the error", errs) == nil {
		t.Error("an upgrade after the head was accepted")
	}
}

func upgradeShutdown(t *testing.T, e Engine) {
	left := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		s, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "websocket"}})
		if err != nil {
			t.Error(err)
			return
		}
		<-ctx.Done()
		_, _ = s.Write([]byte("bye"))
		_ = s.Close()
		left <- context.Cause(ctx)
	})
	p := s.dial()
	p.send(handshake)
	p.head()
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	done := s.shutdown(ctx)
	if err := await(t, "the end of the context", left); !errors.Is(err, wire.ErrDraining) {
		t.Errorf("the cause is %v, want %v", err, wire.ErrDraining)
	}
	if got, _ := p.rest(); got != "bye" {
		t.Errorf("last words %q", got)
	}
	_ = await(t, "the end of Shutdown", done)
}

func upgradeIgnored(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	for _, text := range []string{handshake,
		"GET /h2c HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"} {
		p.send(text)
		if m := p.answer("GET"); m.status() != 200 || m.closes() {
			t.Errorf("%+v", m)
		}
	}
}
