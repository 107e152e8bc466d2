package conform

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// replyChecks are about answers that are as they should be.
func replyChecks() []check {
	return []check{
		{name: "whole answers", run: wholeAnswers},
		{name: "answers without a body have none, whatever they say", run: bodilessAnswers},
		{name: "interim answers are skipped", run: interimAnswers},
		{name: "answer trailers", run: answerTrailers},
		{name: "answer headers keep order and spelling", run: replySpelling},
		{name: "hop-by-hop headers of answers are dropped", run: replyHopByHop},
		{name: "answers at any split", run: replySplit},
		{name: "bodies that show their chunks", run: replyChunks},
		{name: "an early answer while the body streams", run: earlyAnswer},
		{name: "an early answer and a closed connection", run: earlyAnswerClose},
		{name: "answer and body at the same time", run: duplexCall},
		{name: "switching protocols", run: switchCall},
		{name: "a refused switch is a plain answer", run: switchRefused},
	}
}

func wholeAnswers(t *testing.T, e Engine) {
	for _, tc := range []struct {
		answer, body string
		status       int
		reason       string
		length       int64
		proto        string
	}{
		{okAnswer, "ok", 200, "OK", 2, "HTTP/1.1"},
		{"HTTP/1.1 404 Not There at all\r\nContent-Length: 0\r\n\r\n", "", 404, "Not There at all", 0, "HTTP/1.1"},
		{"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", "x", 200, "", 1, "HTTP/1.1"},
		{"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", "x", 200, "", 1, "HTTP/1.1"},
		{"HTTP/1.1 799 Odd\r\nContent-Length: 1\r\n\r\nx", "x", 799, "Odd", 1, "HTTP/1.1"},
		{"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", 200, "OK", -1, "HTTP/1.0"},
		{"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 200, "OK", -1, "HTTP/1.1"},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "", 200, "OK", -1, "HTTP/1.1"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0002\r\nde\r\n0\r\n\r\n", "abcde", 200, "OK", -1, "HTTP/1.1"},
		{"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", "0123456789", 200, "OK", -1, "HTTP/1.1"},
	} {
		b := play(t, once(tc.answer))
		r := must(t, transport(t, e, wire.TransportConfig{}), b.get("/"))
		if r.Status != tc.status || r.body != tc.body || r.Reason != tc.reason || r.ContentLength != tc.length || r.Proto != tc.proto {
			t.Errorf("%q: %d %q %q length %d proto %s", tc.answer, r.Status, r.Reason, r.body, r.ContentLength, r.Proto)
		}
	}
}

func bodilessAnswers(t *testing.T, e Engine) {
	for _, tc := range []struct{ method, answer string }{
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n"},
	} {
		b, tr := play(t, each(tc.answer)), transport(t, e, wire.TransportConfig{})
		for range 2 {
			out := b.get("/")
			out.Method = tc.method
			if r := must(t, tr, out); r.body != "" {
				t.Errorf("%s %q: body %q", tc.method, tc.answer, r.body)
			}
		}
		if n := b.conns.Load(); n != 1 {
			t.Errorf("%s %q: %d connections", tc.method, tc.answer, n)
		}
	}
}

func interimAnswers(t *testing.T, e Engine) {
	for _, interim := range []string{
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
		"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n",
		"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
	} {
		b, tr := play(t, each(interim+okAnswer)), transport(t, e, wire.TransportConfig{})
		for _, out := range []*wire.Outgoing{b.get("/"), b.post("/", "body")} {
			if r := must(t, tr, out); r.Status != 200 || r.body != "ok" || r.Header.Has("X") || r.Header.Has("Link") {
				t.Errorf("%q: %d %q %q", interim, r.Status, r.body, r.Header)
			}
		}
	}
}

func answerTrailers(t *testing.T, e Engine) {
	b := play(t, each("HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-Other\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Late: 2\r\n\r\n"))
	tr := transport(t, e, wire.TransportConfig{})
	for range 2 {
		r := must(t, tr, b.get("/"))
		if r.Trailer == nil {
			t.Fatal("no trailers")
		}
		if h := r.Trailer(); r.body != "abc" || h.Get("X-Sum") != "1" || h.Get("X-Late") != "2" || r.Header.Has("X-Sum") {
			t.Errorf("%q, trailers %q", r.body, h)
		}
		names := strings.Join(r.TrailerNames, " ")
		if !strings.Contains(strings.ToLower(names), "x-sum") || !strings.Contains(strings.ToLower(names), "x-other") {
			t.Errorf("names %q", r.TrailerNames)
		}
	}
}

func replySpelling(t *testing.T, e Engine) {
	b := play(t, once("HTTP/1.1 200 OK\r\nx-b: 1\r\nSet-Cookie: a\r\nX_A:u\r\nx-B: \t 2 \t\r\nset-cookie: b\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"))
	r := must(t, transport(t, e, wire.TransportConfig{}), b.get("/"))
	r.Header.Del("Content-Length")
	want := wire.Header{{Name: "x-b", Value: "1"}, {Name: "Set-Cookie", Value: "a"}, {Name: "X_A", Value: "u"}, {Name: "x-B", Value: "2"},
		{Name: "set-cookie", Value: "b"}, {Name: "X-Empty", Value: ""}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
}

func replyHopByHop(t *testing.T, e Engine) {
	b := play(t, once("HTTP/1.1 200 OK\r\nConnection: x-drop, keep-alive\r\nX-Drop: 1\r\nX-Keep: 2\r\nKeep-Alive: timeout=5\r\n"+
		"Upgrade: h2c\r\nProxy-Authenticate: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	r := must(t, transport(t, e, wire.TransportConfig{}), b.get("/"))
	if diff := cmp.Diff(wire.Header{{Name: "X-Keep", Value: "2"}}, r.Header); diff != "" {
		t.Error(diff)
	}
}

func replySplit(t *testing.T, e Engine) {
	text := "HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5;ext=1\r\nhello\r\n01\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"
	for _, n := range []int{1, 2, 3, 7, 1000} {
		b := play(t, func(p *peer, _ int) {
			for {
				if _, ok := p.next(); !ok {
					return
				}
				p.drip(text, n)
			}
		})
		tr := transport(t, e, wire.TransportConfig{})
		for range 3 {
			if r := must(t, tr, b.get("/")); r.body != "hello!" || r.Header.Get("X-One") != "1" {
				t.Errorf("in pieces of %d: %+v", n, r)
			}
		}
		if c := b.conns.Load(); c != 1 {
			t.Errorf("in pieces of %d: %d connections", n, c)
		}
	}
}

func replyChunks(t *testing.T, e Engine) {
	text := strings.Repeat("0123456789abcdef", 5000)
	b := play(t, each("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n"+text[:16]+"\r\n1386f\r\n"+text[16:79999]+"\r\n1\r\n"+text[79999:]+"\r\n0\r\n\r\n"))
	tr := transport(t, e, wire.TransportConfig{})
	for range 3 {
		in, err := tr.RoundTrip(context.Background(), b.get("/"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readMixed(in.Body)
		_ = in.Body.Close()
		if err != nil || string(got) != text {
			t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
		}
	}
	if n := b.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func earlyAnswer(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		head, err := readHead(p.br)
		if err != nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
		if err := head.readBody(p.br, noBody); err != nil {
			t.Errorf("the backend reads the body: %v", err)
		}
		p.send("4\r\nlate\r\n0\r\n\r\n")
	})
	r, w := io.Pipe()
	in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), b.stream("/", r, -1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Body.Close() }()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(in.Body, buf); err != nil || string(buf) != "early" {
		t.Fatalf("%q, %v", buf, err)
	}
	_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
	_ = w.Close()
	if got, err := io.ReadAll(in.Body); string(got) != "late" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A backend that refuses at once (413, 429) answers and closes while the body
// is still coming; the answer must reach the caller.
func earlyAnswerClose(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, err := readHead(p.br); err != nil {
			return
		}
		p.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
		p.closeWrite()
		_, _ = io.CopyN(io.Discard, p.br, 1<<20)
	})
	tr := transport(t, e, wire.TransportConfig{})
	for range 3 {
		if r := must(t, tr, b.stream("/", strings.NewReader(strings.Repeat("x", 8<<20)), 8<<20)); r.Status != 413 || r.body != "big" {
			t.Errorf("%d %q", r.Status, r.body)
		}
	}
}

func duplexCall(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, err := readHead(p.br); err != nil {
			return
		}
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			size, err := line(p.br)
			if err != nil || size == "0" {
				break
			}
			piece, _ := line(p.br)
			p.send(size + "\r\n" + strings.ToUpper(piece) + "\r\n")
		}
		p.send("0\r\n\r\n")
	})
	r, w := io.Pipe()
	in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), b.stream("/", r, -1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Body.Close() }()
	for range 5 {
		_, _ = io.WriteString(w, "ping")
		buf := make([]byte, 4)
		if _, err := io.ReadFull(in.Body, buf); err != nil || string(buf) != "PING" {
			t.Fatalf("%q, %v", buf, err)
		}
	}
	_ = w.Close()
	if got, err := io.ReadAll(in.Body); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func switchCall(t *testing.T, e Engine) {
	heads := make(chan *message, 1)
	b := play(t, func(p *peer, _ int) {
		m, err := readHead(p.br)
		if err != nil {
			return
		}
		heads <- m
		p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Key: 1\r\n\r\nat once")
		_, _ = io.Copy(p, p.br)
	})
	out := b.get("/ws")
	out.Upgrade = "websocket"
	in, err := transport(t, e, wire.TransportConfig{}).RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	m := await(t, "the request", heads)
	if !wire.EqualName(m.Header.Joined("Connection"), "upgrade") || m.Header.Joined("Upgrade") != "websocket" {
		t.Errorf("%+v", m)
	}
	if in.Status != 101 || in.Stream == nil || in.Header.Get("X-Key") != "1" {
		t.Fatalf("%+v", in)
	}
	p := newPeer(t, streamConn{in.Stream})
	p.until("at once")
	p.send("frame")
	p.until("frame")
	_ = in.Stream.CloseWrite()
	p.endedCleanly()
	_ = in.Stream.Close()
}

func switchRefused(t *testing.T, e Engine) {
	b, tr := play(t, each("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")), transport(t, e, wire.TransportConfig{})
	for range 2 {
		out := b.get("/ws")
		out.Upgrade = "websocket"
		if r := must(t, tr, out); r.Status != 403 || r.body != "no" || r.Stream != nil {
			t.Errorf("%+v", r)
		}
	}
}

// streamConn gives a stream the addresses that a net.Conn has.
type streamConn struct{ wire.Stream }

func (streamConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (streamConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }
