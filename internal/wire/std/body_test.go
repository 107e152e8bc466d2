package std

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"sallyport/internal/wire"
)

// TestUnreadBodyIsNoRequest: what the handler leaves of a body must never be
// taken for the next request, and must not break the connection's own reader.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tc := range []struct{ name, send string }{
		{"sized, all here", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\n" + smuggled},
		{"sized, half here", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n" + smuggled},
		{"sized, very long", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n" + smuggled},
		{"chunked, all here", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n26\r\n" + smuggled + "\r\n0\r\n\r\n"},
		{"chunked, half here", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + smuggled},
		{"chunked, broken", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled},
		{"expecting 100", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 38\r\n\r\n" + smuggled},
	} {
		for _, how := range []string{"untouched", "one byte", "reader left running"} {
			t.Run(tc.name+", "+how, func(t *testing.T) {
				var calls atomic.Int32
				addr, _ := start(t, wire.ServerConfig{OnPanic: func(v any, _ []byte) { t.Errorf("panic: %v", v) }},
					func(_ context.Context, r *wire.Request, w wire.Responder) {
						calls.Add(1)
						switch how {
						case "one byte":
							_, _ = r.Body.Read(make([]byte, 1))
						case "reader left running":
							body := r.Body
							began := make(chan struct{})
							go func() {
								close(began)
								_, _ = io.Copy(io.Discard, body)
							}()
							<-began
						}
						wire.Reply(w, 200, "", []byte("early"))
					})
				br, _ := raw(t, addr, tc.send)
				if res, body := reply(t, br, "POST"); res.StatusCode != 200 || body != "early" {
					// 100 Continue may come first when the body was read
					if res.StatusCode != 100 {
						t.Errorf("answer %d %q", res.StatusCode, body)
					} else if res, body = reply(t, br, "POST"); body != "early" {
						t.Errorf("answer %d %q", res.StatusCode, body)
					}
				}
				if strings.HasSuffix(tc.name, "all here") && how != "reader left running" {
					return // the connection may live on
				}
				_, _ = io.ReadAll(br)
				if n := calls.Load(); n != 1 {
					t.Errorf("handler called %d times", n)
				}
			})
		}
	}
}

func TestConnectionLivesOnAfterASmallUnreadBody(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "", []byte(r.Target))
	})
	br, c := raw(t, addr, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
	for i := range 50 {
		if _, body := reply(t, br, "POST"); !strings.HasPrefix(body, "/") {
			t.Fatalf("answer %d: %q", i, body)
		}
		_, _ = io.WriteString(c, "POST /n HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
	}
}

// touchy fails the test when it is read after its end.
type touchy struct {
	t    *testing.T
	r    io.Reader
	done bool
}

func (r *touchy) Read(p []byte) (int, error) {
	if r.done {
		r.t.Error("read after the declared end")
	}
	n, err := r.r.Read(p)
	return n, err
}
func (r *touchy) Close() error { return nil }

func TestInboundEndsAtItsLength(t *testing.T) {
	src := &touchy{t: t, r: iotest.OneByteReader(strings.NewReader("hello+next request"))}
	b := &inbound{src: src, left: 5}
	p := make([]byte, 100)
	var got string
	for {
		n, err := b.Read(p)
		got += string(p[:n])
		if got == "hello" {
			if err != io.EOF {
				t.Errorf("last byte came with %v, want EOF together with it", err)
			}
			src.done = true
			break
		}
	}
	for range 3 {
		if n, err := b.Read(p); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d, %v", n, err)
		}
	}
}

func TestInboundErrors(t *testing.T) {
	short := &inbound{src: io.NopCloser(strings.NewReader("abc")), left: 5}
	if _, err := io.ReadAll(short); !errors.Is(err, io.ErrUnexpectedEOF) || wire.KindOf(err) != wire.KindAborted {
		t.Errorf("short body: %v", err)
	}
	if _, err := short.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after a failure: %v", err)
	}
	closed := &inbound{src: io.NopCloser(strings.NewReader("abc")), left: 3}
	_ = closed.Close()
	if _, err := closed.Read(make([]byte, 1)); wire.KindOf(err) != wire.KindCanceled {
		t.Errorf("closed body: %v", err)
	}
}

func TestUploadBrokenOffIsAborted(t *testing.T) {
	got := make(chan error, 1)
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, _ wire.Responder) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	_, c := raw(t, addr, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	_ = c.(*net.TCPConn).CloseWrite()
	if err := <-got; wire.KindOf(err) != wire.KindAborted {
		t.Errorf("%v", err)
	}
}

// The end of the client, or of the time to drain, in the middle of a body ends
// the context of its request.
func TestContextEndsInTheBody(t *testing.T) {
	reading, ended := make(chan struct{}), make(chan error, 1)
	addr, s := start(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, _ wire.Responder) {
		_, _ = r.Body.Read(make([]byte, 3))
		go func() { _, _ = io.Copy(io.Discard, r.Body) }()
		reading <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
	})
	const send = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"
	_, c := raw(t, addr, send)
	<-reading
	_ = c.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("client gone: %v", err)
	}
	raw(t, addr, send)
	<-reading
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-ended; !errors.Is(err, wire.ErrDraining) {
		t.Errorf("drained: %v", err)
	}
}
