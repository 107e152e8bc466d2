package conform

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// callChecks are about what a transport sends.
func callChecks() []check {
	return []check{
		{name: "the request line and Host", run: requestLine},
		{name: "headers keep order and spelling", run: sentSpelling},
		{name: "hop-by-hop headers are not sent", run: sentHopByHop},
		{name: "header values cannot split a request", run: sentSplitting},
		{name: "targets and methods cannot split a request", run: targetSplitting},
		{name: "the name of a protocol cannot split a request", run: upgradeSplitting},
		{name: "an expectation is not sent on", run: noExpectation},
		{name: "the length is counted anew", run: sentLength},
		{name: "bodies of unknown length are chunked", run: sentChunked},
		{name: "a body shorter than declared", run: bodyTooShort},
		{name: "a body longer than declared", run: bodyTooLong},
		{name: "a body that fails", run: bodyFails},
		{name: "the body is closed once", run: bodyClosedOnce},
		{name: "nothing of a call is kept", run: nothingKept},
	}
}

// sent returns the request that a backend got.
func sent(t *testing.T, e Engine, out *wire.Outgoing) *message {
	t.Helper()
	requests := make(chan *message, 1)
	b := play(t, func(p *peer, _ int) {
		if m, ok := p.next(); ok {
			requests <- m
			p.trySend(okAnswer)
		}
	})
	out.Authority, out.Scheme = b.addr, "http"
	must(t, transport(t, e, wire.TransportConfig{}), out)
	return await(t, "the request", requests)
}

func requestLine(t *testing.T, e Engine) {
	for _, target := range []string{"/", "/a%2Fb//c;rev=2?x=%20y&z", "//evil.example/x", "/p|q", "/?", "/a?b?c"} {
		m := sent(t, e, &wire.Outgoing{Method: "GET", Target: target, Host: "api.example:8443"})
		if m.Start != "GET "+target+" HTTP/1.1" || m.Header.Joined("Host") != "api.example:8443" {
			t.Errorf("%s: %s, Host %q", target, m.Start, m.Header.Values("Host"))
		}
	}
	out := &wire.Outgoing{Method: "PROPFIND", Target: "/x"}
	if m := sent(t, e, out); m.Start != "PROPFIND /x HTTP/1.1" || m.Header.Joined("Host") != out.Authority {
		t.Errorf("%s, Host %q", m.Start, m.Header.Values("Host"))
	}
}

func sentSpelling(t *testing.T, e Engine) {
	h := wire.Header{{Name: "x-b", Value: "1"}, {Name: "api-key", Value: "k"}, {Name: "X_A", Value: "2"}, {Name: "x-b", Value: "3"},
		{Name: "content-type", Value: "a/b"}, {Name: "user-agent", Value: "u"}, {Name: "A", Value: ""}}
	m := sent(t, e, &wire.Outgoing{Method: "GET", Target: "/", Header: h})
	m.Header.Del("Host")
	if diff := cmp.Diff(h, m.Header); diff != "" {
		t.Error(diff)
	}
}

func sentHopByHop(t *testing.T, e Engine) {
	m := sent(t, e, &wire.Outgoing{Method: "POST", Target: "/", Bytes: []byte("abc"), ContentLength: 3, Header: wire.Header{
		{Name: "connection", Value: "close"}, {Name: "Keep-Alive", Value: "5"}, {Name: "TE", Value: "trailers"}, {Name: "Trailer", Value: "X"},
		{Name: "transfer-encoding", Value: "chunked"}, {Name: "Upgrade", Value: "h2c"}, {Name: "Proxy-Connection", Value: "x"},
		{Name: "Proxy-Authorization", Value: "x"}, {Name: "host", Value: "evil.example"}, {Name: "content-length", Value: "99"},
		{Name: "X-Kept", Value: "1"}}})
	for _, f := range m.Header {
		if wire.HopByHop(f.Name) {
			t.Errorf("%s: %s was sent", f.Name, f.Value)
		}
	}
	if m.Body != "abc" || m.Header.Joined("Content-Length") != "3" || m.Header.Count("Host") != 1 || m.Header.Get("X-Kept") != "1" ||
		m.Header.Get("Host") == "evil.example" {
		t.Errorf("%+v", m)
	}
}

// refusesToSend requires an error, and that the backend gets no byte.
func refusesToSend(t *testing.T, tr wire.Transport, b *backend, out *wire.Outgoing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out.Authority, out.Scheme = b.addr, "http"
	if r := call(ctx, tr, out); r.err == nil {
		t.Errorf("%q %q %q: answered %d", out.Method, out.Target, out.Header, r.Status)
	} else if k := wire.KindOf(r.err); k != wire.KindProtocol && k != wire.KindOther {
		t.Errorf("%q %q %q: %v has kind %d", out.Method, out.Target, out.Header, r.err, k)
	}
}

// silent is a backend that must not be sent a byte.
func silent(t *testing.T) *backend {
	return play(t, func(p *peer, _ int) {
		if b, err := p.br.ReadByte(); err == nil {
			t.Errorf("%q… was sent", b)
		}
	})
}

func sentSplitting(t *testing.T, e Engine) {
	b, tr := silent(t), transport(t, e, wire.TransportConfig{})
	for _, f := range []wire.Field{
		{Name: "X", Value: "a\r\nEvil: 1"}, {Name: "X", Value: "a\nEvil: 1"}, {Name: "X", Value: "a\rEvil: 1"}, {Name: "X", Value: "\x00"},
		{Name: "X\r\nEvil", Value: "1"}, {Name: "X: a\r\nEvil", Value: "1"}, {Name: "X ", Value: "1"}, {Name: "", Value: "1"}, {Name: "X", Value: "\x7f"},
	} {
		refusesToSend(t, tr, b, &wire.Outgoing{Method: "GET", Target: "/", Header: wire.Header{f}})
	}
	refusesToSend(t, tr, b, &wire.Outgoing{Method: "GET", Target: "/", Host: "a\r\nEvil: 1"})
}

func targetSplitting(t *testing.T, e Engine) {
	b, tr := silent(t), transport(t, e, wire.TransportConfig{})
	for _, target := range []string{"/a b", "/a HTTP/1.1\r\nHost: evil\r\n\r\n", "/\n", "/\r", "/\t", "/\x00", "/\x7f", "", "a", "/ HTTP/1.1"} {
		refusesToSend(t, tr, b, &wire.Outgoing{Method: "GET", Target: target})
	}
	for _, method := range []string{"G T", "GET /evil HTTP/1.1\r\nX:", "GET\r\n", "G\x00T"} {
		refusesToSend(t, tr, b, &wire.Outgoing{Method: method, Target: "/"})
	}
}

func sentLength(t *testing.T, e Engine) {
	for _, tc := range []struct {
		out  *wire.Outgoing
		body string
		want string
	}{
		{&wire.Outgoing{Method: "GET"}, "", ""},
		{&wire.Outgoing{Method: "POST"}, "", "0"}, // or servers of old wait for one
		{&wire.Outgoing{Method: "PUT", Bytes: []byte{}}, "", "0"},
		{&wire.Outgoing{Method: "POST", Bytes: []byte("abc"), ContentLength: 3}, "abc", "3"},
		{&wire.Outgoing{Method: "POST", Body: strings.NewReader("abcd"), ContentLength: 4}, "abcd", "4"},
		{&wire.Outgoing{Method: "GET", Body: strings.NewReader("abcd"), ContentLength: 4}, "abcd", "4"},
		{&wire.Outgoing{Method: "DELETE", Bytes: []byte("abc"), ContentLength: 3}, "abc", "3"},
	} {
		tc.out.Target = "/"
		if m := sent(t, e, tc.out); m.Header.Joined("Content-Length") != tc.want || m.Body != tc.body {
			t.Errorf("%s: length %q, body %q", tc.out.Method, m.Header.Values("Content-Length"), m.Body)
		}
	}
}

func sentChunked(t *testing.T, e Engine) {
	text := strings.Repeat("0123456789abcdef", 10_000)
	for _, body := range []string{text, "x", ""} {
		m := sent(t, e, &wire.Outgoing{Method: "POST", Target: "/", Body: io.MultiReader(strings.NewReader(body)), ContentLength: -1})
		if m.Body != body || m.Framing != byChunks && body != "" {
			t.Errorf("%d bytes of %d, %s", len(m.Body), len(body), m.Framing)
		}
	}
}

func bodyTooShort(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if m, err := readRequest(p.br); err == nil {
			t.Errorf("the backend took %q for whole", m.Body)
			p.trySend(okAnswer)
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	r := call(context.Background(), tr, b.stream("/", strings.NewReader("abc"), 10))
	if r.err == nil {
		t.Errorf("answered %d", r.Status)
	}
}

func bodyTooLong(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		for {
			m, ok := p.next()
			if !ok {
				return
			}
			if m.Body != "abc" && m.Body != "" || m.Start != "POST / HTTP/1.1" && m.Start != "GET /next HTTP/1.1" {
				t.Errorf("the backend read %+v", m)
			}
			p.trySend(okAnswer)
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	_ = call(context.Background(), tr, b.stream("/", strings.NewReader("abcGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"), 3))
	must(t, tr, b.get("/next"))
}

var errSender = errors.New("the sender broke off")

func bodyFails(t *testing.T, e Engine) {
	for _, length := range []int64{-1, 10} {
		b := play(t, func(p *peer, _ int) {
			if m, err := readRequest(p.br); err == nil {
				t.Errorf("the backend took %q for whole", m.Body)
			}
		})
		r := call(context.Background(), transport(t, e, wire.TransportConfig{}),
			b.stream("/", io.MultiReader(strings.NewReader("abc"), failing{errSender}), length))
		if !errors.Is(r.err, errSender) {
			t.Errorf("length %d: %v, want %v", length, r.err, errSender)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// onceCloser counts how often it is closed, and whether it is read afterwards.
type onceCloser struct {
	io.Reader
	t      testing.TB
	closed chan struct{}
}

func (c *onceCloser) Close() error {
	select {
	case <-c.closed:
		c.t.Error("closed twice")
	default:
		close(c.closed)
	}
	return nil
}

func bodyClosedOnce(t *testing.T, e Engine) {
	for _, length := range []int64{-1, 3} {
		body := &onceCloser{Reader: strings.NewReader("abc"), t: t, closed: make(chan struct{})}
		b := play(t, each(okAnswer))
		must(t, transport(t, e, wire.TransportConfig{}), b.stream("/", body, length))
	}
}

// The caller uses the memory of a call again as soon as RoundTrip is back.
func nothingKept(t *testing.T, e Engine) {
	requests := make(chan *message, 4)
	b := play(t, func(p *peer, _ int) {
		head, err := readHead(p.br)
		if err != nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
		if err := head.readBody(p.br, noBody); err != nil {
			t.Errorf("the backend reads the body: %v", err)
		}
		requests <- head
		p.send("0\r\n\r\n")
	})
	r, w := io.Pipe()
	name, value := []byte("X-Name"), []byte("value")
	out := b.stream("/", r, -1)
	out.Header = wire.Header{{Name: string(name), Value: string(value)}}
	in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	clear(out.Header)
	*out = wire.Outgoing{Method: "EVIL", Target: "/evil"}
	go func() {
		time.Sleep(time.Millisecond)
		_, _ = io.WriteString(w, "body")
		_ = w.Close()
	}()
	if got, err := io.ReadAll(in.Body); string(got) != "early" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_ = in.Body.Close()
	if m := await(t, "the request", requests); m.Body != "body" || m.Header.Get("X-Name") != "value" {
		t.Errorf("%+v", m)
	}
}

func upgradeSplitting(t *testing.T, e Engine) {
	b, tr := silent(t), transport(t, e, wire.TransportConfig{})
	for _, protocol := range []string{"websocket\r\nEvil: 1", "a\x00b", "a\nb"} {
		refusesToSend(t, tr, b, &wire.Outgoing{Method: "GET", Target: "/", Upgrade: protocol})
	}
}

// The server in front has met the expectation of the client already.
func noExpectation(t *testing.T, e Engine) {
	m := sent(t, e, &wire.Outgoing{Method: "POST", Target: "/", Bytes: []byte("abc"), ContentLength: 3,
		Header: wire.Header{{Name: "expect", Value: "100-continue"}}})
	if m.Header.Has("Expect") || m.Body != "abc" {
		t.Errorf("%+v", m)
	}
}
