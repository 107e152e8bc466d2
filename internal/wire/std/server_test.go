package std

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

func TestRequestAsItArrived(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, echo)
	for _, tc := range []struct{ name, send, want string }{
		{"origin form, byte for byte", "GET /a%2Fb//c;rev=2?x=%20y&z HTTP/1.1\r\nHost: h:1\r\n\r\n",
			"GET http h:1 /a%2Fb//c;rev=2?x=%20y&z HTTP/1.1\n"},
		{"two slashes", "GET //evil.example/x HTTP/1.1\r\nHost: h\r\n\r\n", "GET http h //evil.example/x HTTP/1.1\n"},
		{"absolute form", "GET http://real.example/a%2Fb?q HTTP/1.1\r\nHost: other\r\n\r\n",
			"GET http real.example /a%2Fb?q HTTP/1.1\n"},
		{"absolute form without path", "GET http://real.example?q HTTP/1.1\r\nHost: other\r\n\r\n",
			"GET http real.example /?q HTTP/1.1\n"},
		{"header order and underscore", "GET / HTTP/1.1\r\nX-B: 1\r\nHost: h\r\nX_A: u\r\nX-B: 2\r\nX-A: 3\r\n\r\n",
			"GET http h / HTTP/1.1\nX-A: 3\nX-B: 1\nX-B: 2\nX_a: u\n"},
		{"named by Connection", "GET / HTTP/1.1\r\nHost: h\r\nConnection: x-drop, keep-alive\r\nX-Drop: 1\r\nX-Keep: 2\r\n\r\n",
			"GET http h / HTTP/1.1\nConnection: x-drop, keep-alive\nX-Keep: 2\n"},
		{"forwarded headers cannot be taken away", "GET / HTTP/1.1\r\nHost: h\r\nConnection: x-forwarded-for\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n",
			"GET http h / HTTP/1.1\nConnection: x-forwarded-for\nX-Forwarded-For: 9.9.9.9\n"},
		{"sized body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
			"POST http h / HTTP/1.1\nContent-Length: 5\n\nhello|<nil>|5"},
		{"chunked body", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"POST http h / HTTP/1.1\n\nhello|<nil>|-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, body := rawReply(t, addr, tc.send)
			if diff := cmp.Diff(tc.want, body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedBeforeTheHandler(t *testing.T) {
	var called atomic.Bool
	addr, _ := start(t, wire.ServerConfig{MaxHeaderBytes: 2000, MaxTarget: 1000}, func(context.Context, *wire.Request, wire.Responder) {
		called.Store(true)
	})
	for _, tc := range []struct {
		name, send string
		status     int
	}{
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"no host, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 400},
		{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"host list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
		{"host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
		{"host with bad port", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400},
		{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405},
		{"target", "GET /" + strings.Repeat("a", 1000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"headers", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 2000) + "\r\n\r\n", 431},
		{"huge headers", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 9000) + "\r\n\r\n", 431},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
		{"name with a space", "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if res, _ := rawReply(t, addr, tc.send); res.StatusCode != tc.status {
				t.Errorf("status %d, want %d", res.StatusCode, tc.status)
			}
		})
	}
	if called.Load() {
		t.Error("the handler saw a refused request")
	}
}

func TestAnswerOnTheWire(t *testing.T) {
	head := func(status int, n int64, h ...wire.Field) wire.HandlerFunc {
		return func(_ context.Context, _ *wire.Request, w wire.Responder) {
			if err := w.WriteHead(status, "Ignored", h, n); err != nil {
				t.Errorf("WriteHead: %v", err)
			}
		}
	}
	for _, tc := range []struct {
		name, method string
		h            wire.HandlerFunc
		want         string // without the Date line
	}{
		{"no guess of a type", "GET", func(_ context.Context, _ *wire.Request, w wire.Responder) {
			wire.Reply(w, 200, "", []byte("<html>"))
		}, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"},
		{"spelling kept, hop by hop dropped", "GET", head(200, 0, wire.Field{Name: "eTag", Value: "1"},
			wire.Field{Name: "keep-alive", Value: "9"}, wire.Field{Name: "content-length", Value: "7"},
			wire.Field{Name: "content-type", Value: "x/y"}, wire.Field{Name: "bad name", Value: "x"},
			wire.Field{Name: "x", Value: "1\r\ny: 2"}, wire.Field{Name: "nul", Value: "\x00"}),
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: x/y\r\neTag: 1\r\n\r\n"},
		{"several lines", "GET", head(200, 0, wire.Field{Name: "Set-Cookie", Value: "a"}, wire.Field{Name: "Set-Cookie", Value: "b"}),
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"},
		{"204", "GET", head(204, 0), "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304", "GET", head(304, 0), "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"HEAD keeps the length", "HEAD", func(_ context.Context, _ *wire.Request, w wire.Responder) {
			wire.Reply(w, 200, "a/b", []byte("hello"))
		}, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\n"},
		{"nothing written", "GET", func(context.Context, *wire.Request, wire.Responder) {},
			"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"},
		{"unknown length", "GET", func(_ context.Context, _ *wire.Request, w wire.Responder) {
			_ = w.WriteHead(200, "", nil, -1)
			_ = w.Flush()
			_, _ = w.Write([]byte("one"))
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"},
		{"trailers", "GET", func(_ context.Context, _ *wire.Request, w wire.Responder) {
			tw := w.(wire.TrailerWriter)
			tw.AnnounceTrailers([]string{"x-sum"})
			_ = w.WriteHead(200, "", nil, -1)
			_, _ = w.Write([]byte("one"))
			tw.SetTrailers(wire.Header{{Name: "X-Sum", Value: "1"}, {Name: "X-Late", Value: "2"}})
		}, "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nX-Late: 2\r\nX-Sum: 1\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr, s := start(t, wire.ServerConfig{}, tc.h)
			br, _ := raw(t, addr, tc.method+" / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			b, err := io.ReadAll(br)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Replace(string(b), "Connection: close\r\n", "", 1)
			before, rest, found := strings.Cut(got, "Date: ")
			if !found {
				t.Fatalf("no Date in %q", got)
			}
			_, after, _ := strings.Cut(rest, "\r\n")
			if diff := cmp.Diff(tc.want, before+after); diff != "" {
				t.Error(diff)
			}
			if n := s.ActiveRequests(); n != 0 {
				t.Errorf("%d requests active", n)
			}
		})
	}
}

func TestHandlerPanicClosesTheConnection(t *testing.T) {
	seen := make(chan any, 2)
	cfg := wire.ServerConfig{OnPanic: func(v any, stack []byte) {
		if !strings.Contains(string(stack), "TestHandlerPanic") {
			t.Errorf("stack without the handler:\n%s", stack)
		}
		seen <- v
	}}
	addr, s := start(t, cfg, func(context.Context, *wire.Request, wire.Responder) { panic("boom") })
	br, _ := raw(t, addr, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
	if v := <-seen; v != "boom" {
		t.Errorf("OnPanic got %v", v)
	}
	if n := s.ActiveRequests(); n != 0 {
		t.Errorf("%d requests active", n)
	}
}

func TestAbortIsVisible(t *testing.T) {
	h := func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write([]byte("half"))
		_ = w.Flush()
		w.(wire.Aborter).Abort()
	}
	tlsConf, pool := certificate(t, "127.0.0.1")
	plain, _ := start(t, wire.ServerConfig{}, h)
	secure, _ := start(t, wire.ServerConfig{TLS: tlsConf}, h)
	tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
	for _, out := range []*wire.Outgoing{
		{Method: "GET", Scheme: "http", Authority: plain, Target: "/"},
		{Method: "GET", Scheme: "https", Authority: secure, Target: "/", Version: wire.HTTP2},
	} {
		in, err := tr.RoundTrip(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in.Body)
		if string(b) != "half" || wire.KindOf(err) != wire.KindAborted {
			t.Errorf("%s: read %q, %v (kind %d), want an abort", in.Proto, b, err, wire.KindOf(err))
		}
	}
}

func TestClientGoneCancelsTheHandler(t *testing.T) {
	gone := make(chan error, 1)
	addr, _ := start(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		_, _ = io.ReadAll(r.Body)
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		<-ctx.Done()
		gone <- ctx.Err()
	})
	br, c := raw(t, addr, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWriteTimeoutIsPerWrite(t *testing.T) {
	result := make(chan error, 1)
	addr, _ := start(t, wire.ServerConfig{WriteTimeout: 100 * time.Millisecond}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		if r.Target == "/slow" {
			for range 4 { // longer than the timeout in sum
				time.Sleep(50 * time.Millisecond)
				_, _ = w.Write([]byte("x"))
				_ = w.Flush()
			}
			return
		}
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 1<<16))
		}
		result <- err
	})
	if _, body := rawReply(t, addr, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"); body != "xxxx" {
		t.Errorf("slow stream came as %q", body)
	}
	raw(t, addr, "GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n") // never reads
	if err := <-result; wire.KindOf(err) != wire.KindTimeout {
		t.Errorf("write to a stuck client: %v", err)
	}
}

func TestShutdownLetsStreamsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	addr, s := start(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		close(entered)
		<-release
		_, _ = w.Write([]byte("end"))
	})
	br, _ := raw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	idle, err := net.Dial("tcp", addr) // no request ever: must not hold the shutdown up
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	<-entered
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	if _, err := io.ReadAll(idle); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("idle connection: %v", err)
	}
	if n := s.ActiveRequests(); n != 1 {
		t.Errorf("%d requests active during the drain", n)
	}
	close(release)
	if _, body := reply(t, br, "GET"); body != "end" {
		t.Errorf("body %q", body)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	entered, left := make(chan struct{}), make(chan error, 1)
	addr, s := start(t, wire.ServerConfig{}, func(ctx context.Context, _ *wire.Request, _ wire.Responder) {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
	})
	raw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-left; err == nil {
		t.Error("the handler was not cancelled")
	}
}

func TestHTTP2(t *testing.T) {
	tlsConf, pool := certificate(t, "127.0.0.1")
	secure, _ := start(t, wire.ServerConfig{TLS: tlsConf}, echo)
	clear, _ := start(t, wire.ServerConfig{H2C: true}, echo)
	tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
	for _, tc := range []struct {
		addr, scheme string
		v            wire.HTTPVersion
		proto        string
	}{
		{secure, "https", wire.HTTP1, "HTTP/1.1"},
		{secure, "https", wire.HTTP2, "HTTP/2.0"},
		{secure, "https", wire.HTTP2or1, "HTTP/2.0"},
		{clear, "http", wire.HTTP2, "HTTP/2.0"},
		{clear, "http", wire.HTTP2or1, "HTTP/1.1"},
	} {
		for _, target := range []string{"/a%2Fb//c;rev=2?x=%20y&z", "//x/y?", "/p|q"} {
			in, body := fetch(t, tr, &wire.Outgoing{Method: "POST", Scheme: tc.scheme, Authority: tc.addr, Host: "api.example",
				Target: target, Version: tc.v, Body: strings.NewReader("hi"), ContentLength: 2})
			want := "POST " + tc.scheme + " api.example " + target + " " + tc.proto + "\nContent-Length: 2\n\nhi|<nil>|2"
			if diff := cmp.Diff(want, body); diff != "" || in.Proto != tc.proto {
				t.Errorf("%s %d: %s %s", tc.scheme, tc.v, in.Proto, diff)
			}
		}
	}
}

func TestPeerAddresses(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Remote.Addr().String() != "127.0.0.1" || r.Remote.Port() == 0 || r.TLSVersion != "" {
			t.Errorf("remote %v tls %q", r.Remote, r.TLSVersion)
		}
		wire.Reply(w, 200, "", []byte(r.Local.String()))
	})
	if _, body := rawReply(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); body != addr {
		t.Errorf("local %s, want %s", body, addr)
	}
}

func TestHeadTwiceAndBadStatus(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("write before the head was accepted")
		}
		if err := w.WriteHead(http.StatusContinue, "", nil, 0); err == nil {
			t.Error("an interim status was accepted")
		}
		if err := w.WriteHead(200, "", nil, 1); err != nil {
			t.Error(err)
		}
		if err := w.WriteHead(200, "", nil, 1); err == nil {
			t.Error("a second head was accepted")
		}
		if _, err := w.Write([]byte("xy")); !errors.Is(err, errBodyTooLong) {
			t.Errorf("write over the length: %v", err)
		}
	})
	br, _ := raw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	_, _ = io.ReadAll(br)
}
