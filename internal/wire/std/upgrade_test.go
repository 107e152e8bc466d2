package std

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

const switchRequest = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

func upgrade(t testing.TB, w wire.Responder, h ...wire.Field) wire.Stream {
	s, err := w.(wire.Upgrader).Upgrade(append(h, wire.Field{Name: "Upgrade", Value: "echo"}))
	if err != nil {
		t.Errorf("upgrade: %v", err)
		panic(http.ErrAbortHandler)
	}
	return s
}

// echoes answers each stream with what comes on it, until its end.
func echoes(t testing.TB) wire.HandlerFunc {
	return func(_ context.Context, r *wire.Request, w wire.Responder) {
		if !wire.EqualName(r.Header.Get("Connection"), "Upgrade") || r.Header.Get("Upgrade") != "echo" {
			wire.Reply(w, 426, "", []byte("ask for echo"))
			return
		}
		s := upgrade(t, w, wire.Field{Name: "Sec-WebSocket-Accept", Value: "yes"}, wire.Field{Name: "Keep-Alive", Value: "1"})
		_, _ = io.Copy(s, s)
		_ = s.CloseWrite()
	}
}

func TestUpgradeOnTheWire(t *testing.T) {
	addr, s := start(t, wire.ServerConfig{WriteTimeout: 30 * time.Millisecond, ReadHeaderTimeout: 30 * time.Millisecond}, echoes(t))
	br, c := raw(t, addr, switchRequest+"early")
	const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: yes\r\nUpgrade: echo\r\n\r\n"
	got := make([]byte, len(head+"early"))
	if _, err := io.ReadFull(br, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(head+"early", string(got)); diff != "" {
		t.Error(diff)
	}
	if n := s.ActiveRequests(); n != 1 {
		t.Errorf("%d requests active", n)
	}
	time.Sleep(60 * time.Millisecond) // no deadline of HTTP is left
	_, _ = io.WriteString(c, "later")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(br); string(b) != "later" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUpgradeRefused(t *testing.T) {
	try := make(chan error, 1)
	h := wire.Header{{Name: "Upgrade", Value: "echo"}}
	addr, _ := start(t, wire.ServerConfig{H2C: true}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		with := h
		switch r.Target {
		case "/late":
			_ = w.WriteHead(200, "", nil, 0)
		case "/none":
			with = nil
		case "/split":
			with = wire.Header{{Name: "Upgrade", Value: "echo\r\nX: y"}}
		}
		_, err := w.(wire.Upgrader).Upgrade(with)
		try <- err
	})
	for _, tc := range []struct {
		name, send string
		want       error
	}{
		{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", errors.ErrUnsupported},
		{"after the head", "GET /late HTTP/1.1\r\nHost: h\r\n\r\n", errHeadTwice},
		{"to nothing", "GET /none HTTP/1.1\r\nHost: h\r\n\r\n", errNoProtocol},
		{"value with a line", "GET /split HTTP/1.1\r\nHost: h\r\n\r\n", errHeadField},
		{"unread body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", errBodyUnread},
	} {
		raw(t, addr, tc.send)
		if err := <-try; !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	out := get(addr, "/")
	out.Version = wire.HTTP2
	fetch(t, transport(t, wire.TransportConfig{}), out)
	if err := <-try; !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("HTTP/2: %v", err)
	}
}

func TestStreamEndsWithItsHandler(t *testing.T) {
	addr, s := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		st := upgrade(t, w)
		_, _ = st.Write([]byte(r.Target))
		if r.Target == "/panic" {
			panic("boom")
		}
	})
	for _, target := range []string{"/left", "/panic"} {
		br, _ := raw(t, addr, strings.Replace(switchRequest, "/ws", target, 1))
		if b, err := io.ReadAll(br); !strings.HasSuffix(string(b), "\r\n\r\n"+target) || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownWaitsForStreams(t *testing.T) {
	entered := make(chan struct{})
	addr, s := start(t, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		st := upgrade(t, w)
		close(entered)
		b, err := io.ReadAll(st)
		if err != nil || ctx.Err() != nil {
			t.Errorf("read %q, %v, context %v", b, err, ctx.Err())
		}
		_, _ = st.Write(b)
	})
	br, c := raw(t, addr, switchRequest)
	<-entered
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	for { // until the listener is closed
		extra, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = extra.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown left a stream: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_, _ = io.WriteString(c, "said in the drain")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(br); !strings.HasSuffix(string(b), "said in the drain") || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	entered := make(chan struct{}, 2)
	addr, s := start(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		st := upgrade(t, w)
		entered <- struct{}{}
		if r.Target == "/deaf" {
			_, _ = io.Copy(io.Discard, st) // ends when the server closes the connection
			return
		}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, wire.ErrDraining) {
			t.Errorf("cause %v", cause)
		}
		_, _ = st.Write([]byte("last words"))
	})
	polite, _ := raw(t, addr, switchRequest)
	deaf, _ := raw(t, addr, strings.Replace(switchRequest, "/ws", "/deaf", 1))
	<-entered
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if b, _ := io.ReadAll(polite); !strings.HasSuffix(string(b), "last words") {
		t.Errorf("got %q", b)
	}
	if b, _ := io.ReadAll(deaf); !strings.HasSuffix(string(b), "\r\n\r\n") {
		t.Errorf("got %q", b)
	}
}

func TestTransportUpgrade(t *testing.T) {
	tlsConf, pool := certificate(t, "127.0.0.1")
	plain, _ := start(t, wire.ServerConfig{}, echoes(t))
	secure, _ := start(t, wire.ServerConfig{TLS: tlsConf}, echoes(t))
	tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
	for scheme, addr := range map[string]string{"http": plain, "https": secure} {
		out := &wire.Outgoing{Method: "GET", Scheme: scheme, Authority: addr, Target: "/ws", Upgrade: "echo", Version: wire.HTTP2or1, HeadTimeout: time.Minute,
			Header: wire.Header{{Name: "Connection", Value: "close"}, {Name: "Upgrade", Value: "other"}}}
		in, err := tr.RoundTrip(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		want := wire.Header{{Name: "Sec-Websocket-Accept", Value: "yes"}, {Name: "Upgrade", Value: "echo"}}
		if diff := cmp.Diff(want, in.Header); in.Status != 101 || in.Stream == nil || in.Connect <= 0 || diff != "" {
			t.Fatalf("%s: %d %v", scheme, in.Status, diff)
		}
		if b, err := io.ReadAll(in.Body); len(b) > 0 || err != nil {
			t.Errorf("body %q, %v", b, err)
		}
		_ = in.Body.Close() // says nothing of the stream
		_ = in.Stream.SetDeadline(time.Now().Add(20 * time.Second))
		for _, text := range []string{"one", "two"} {
			got := make([]byte, len(text))
			if _, err := io.WriteString(in.Stream, text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(in.Stream, got); string(got) != text || err != nil {
				t.Errorf("%s: %q, %v", scheme, got, err)
			}
		}
		_ = in.Stream.SetReadDeadline(time.Now())
		if _, err := in.Stream.Read(make([]byte, 1)); wire.KindOf(err) != wire.KindTimeout {
			t.Errorf("%s: past the deadline: %v", scheme, err)
		}
		_ = in.Stream.SetReadDeadline(time.Time{})
		if err := in.Stream.CloseWrite(); err != nil {
			t.Error(err)
		}
		if b, err := io.ReadAll(in.Stream); len(b) > 0 || err != nil {
			t.Errorf("%s: the end: %q, %v", scheme, b, err)
		}
		_ = in.Stream.Close()
		if _, err := in.Stream.Write([]byte("x")); wire.KindOf(err) != wire.KindAborted {
			t.Errorf("%s: after Close: %v", scheme, err)
		}
	}
}

func TestTransportUpgradeAnswers(t *testing.T) {
	serve := func(answer string) string { addr, _ := recorder(t, answer); return addr }
	const echo = "Connection: keep-alive, upgrade\r\nUpgrade: Echo\r\n\r\n"
	for _, tc := range []struct {
		name, answer, ask, early string
		status                   int
		kind                     wire.ErrorKind
	}{
		{"with early bytes", "HTTP/1.1 101 Go\r\n" + echo + "early", "echo", "early", 101, 0},
		{"refused", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "echo", "", 403, 0},
		{"not asked", "HTTP/1.1 101 Go\r\n" + echo, "", "", 0, wire.KindProtocol},
		{"another protocol", "HTTP/1.1 101 Go\r\n" + echo, "websocket", "", 0, wire.KindProtocol},
		{"no Upgrade", "HTTP/1.1 101 Go\r\n\r\n", "echo", "", 0, wire.KindProtocol},
		{"no Connection", "HTTP/1.1 101 Go\r\nUpgrade: echo\r\n\r\n", "echo", "", 0, wire.KindProtocol},
	} {
		out := get(serve(tc.answer), "/")
		out.Upgrade = tc.ask
		in, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), out)
		if tc.status == 0 {
			if wire.KindOf(err) != tc.kind || err == nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil || in.Status != tc.status || (in.Stream != nil) != (tc.status == 101) {
			t.Errorf("%s: %+v, %v", tc.name, in, err)
			continue
		}
		if in.Stream != nil {
			if b, err := io.ReadAll(in.Stream); string(b) != tc.early || err != nil {
				t.Errorf("%s: %q, %v", tc.name, b, err)
			}
			_ = in.Stream.Close()
		}
		_ = in.Body.Close()
	}
}

func TestRequestOfAnUpgrade(t *testing.T) {
	addr, got := recorder(t, emptyOK)
	out := get(addr, "/ws")
	out.Upgrade = "websocket"
	out.Header = wire.Header{{Name: "Sec-WebSocket-Key", Value: "k"}, {Name: "Connection", Value: "close"}}
	fetch(t, transport(t, wire.TransportConfig{}), out)
	want := "GET /ws HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nSec-WebSocket-Key: k\r\nUpgrade: websocket\r\n\r\n"
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
}

func TestCancelEndsAStream(t *testing.T) {
	ended := make(chan struct{})
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_, _ = io.Copy(io.Discard, upgrade(t, w))
		close(ended)
	})
	ctx, cancel := context.WithCancel(context.Background())
	out := get(addr, "/")
	out.Upgrade = "echo"
	in, err := transport(t, wire.TransportConfig{}).RoundTrip(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := in.Stream.Read(make([]byte, 1))
		read <- err
	}()
	cancel()
	if err := <-read; err == nil || err == io.EOF {
		t.Errorf("read after the cancel: %v", err)
	}
	<-ended
	_ = in.Stream.Close()
}

// A chain of two: what a gateway does with a stream.
func TestStreamThroughAProxy(t *testing.T) {
	backend, _ := start(t, wire.ServerConfig{}, echoes(t))
	tr := transport(t, wire.TransportConfig{})
	proxy, _ := start(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		in, err := tr.RoundTrip(ctx, &wire.Outgoing{Method: "GET", Scheme: "http", Authority: backend, Target: r.Target, Header: r.Header, Upgrade: "echo"})
		if err != nil {
			t.Error(err)
			return
		}
		up := in.Stream
		down, err := w.(wire.Upgrader).Upgrade(in.Header)
		if err != nil {
			t.Error(err)
			return
		}
		done := make(chan struct{})
		go func() { _, _ = io.Copy(up, down); _ = up.CloseWrite(); close(done) }()
		_, _ = io.Copy(down, up)
		_ = down.CloseWrite()
		<-done
		_ = up.Close()
	})
	br, c := raw(t, proxy, switchRequest)
	if res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(br, 1<<16)), nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	data := strings.Repeat("0123456789", 100_000)
	br, c = raw(t, proxy, switchRequest)
	go func() { _, _ = io.WriteString(c, data); _ = c.(*net.TCPConn).CloseWrite() }()
	b, err := io.ReadAll(br)
	if _, body, _ := strings.Cut(string(b), "\r\n\r\n"); body != data || err != nil {
		t.Errorf("%d of %d bytes, %v", len(body), len(data), err)
	}
}
