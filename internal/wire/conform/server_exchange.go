package conform

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// exchangeChecks are about the order of requests and answers on a connection.
func exchangeChecks() []check {
	return []check{
		{name: "requests follow each other on a connection", run: keepAlive},
		{name: "requests sent together are answered in order", run: pipelined},
		{name: "one request is handled at a time on a connection", run: oneAtATime},
		{name: "requests are read at any split", run: anySplit},
		{name: "the client closes", run: clientCloses},
		{name: "HTTP/1.0 closes", run: oldCloses},
		{name: "HTTP/1.0 keep-alive", run: oldKeeps},
		{name: "HTTP/1.0 answer of unknown length ends with the connection", run: oldUnknownLength},
		{name: "a blank line in front of a request is skipped", run: blankLineBefore},
		{name: "bytes left over at the end are no request", run: halfRequest},
	}
}

// echo answers with what it saw.
func echo(_ context.Context, r *wire.Request, w wire.Responder) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s %s\n", r.Method, r.Scheme, r.Host, r.Target, r.Proto)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if r.Body != nil {
		p, err := io.ReadAll(r.Body)
		fmt.Fprintf(&b, "\n%s|%v|%d", p, err, r.ContentLength)
	}
	wire.Reply(w, 200, "text/plain", []byte(b.String()))
}

// target answers with the target, after reading the body.
func target(_ context.Context, r *wire.Request, w wire.Responder) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	wire.Reply(w, 200, "", []byte(r.Target))
}

func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n" }

func post(target, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
}

func chunkedPost(target string, chunks ...string) string {
	var b strings.Builder
	b.WriteString("POST " + target + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String() + "0\r\n\r\n"
}

func keepAlive(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	for i := range 3 {
		p.send(get(fmt.Sprintf("/%d", i)))
		m := p.answer("GET")
		if m.Start != "HTTP/1.1 200 OK" || m.Body != fmt.Sprintf("/%d", i) || m.closes() || m.Framing != byLength {
			t.Errorf("answer %d: %+v", i, m)
		}
		if n := m.Header.Count("Date"); n != 1 {
			t.Errorf("%d Date lines", n)
		}
		if _, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", m.Header.Get("Date")); err != nil {
			t.Error(err)
		}
	}
}

func pipelined(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	p.send(get("/0") + post("/1", "some body") + get("/2") + chunkedPost("/3", "a", "bc") + post("/4", "") + get("/5"))
	for i := range 6 {
		if m := p.answer("GET"); m.Body != fmt.Sprintf("/%d", i) {
			t.Fatalf("answer %d: %+v", i, m)
		}
	}
}

func oneAtATime(t *testing.T, e Engine) {
	entered, release := make(chan string, 2), make(chan struct{})
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		entered <- r.Target
		<-release
		wire.Reply(w, 200, "", []byte(r.Target))
	})
	p := s.dial()
	p.send(get("/a") + get("/b"))
	await(t, "the first request", entered)
	other := s.dial() // a second connection proves that the server had time for the second request
	other.send(get("/c"))
	if got := await(t, "the request of the other connection", entered); got != "/c" {
		t.Errorf("%s was handled while /a was running", got)
	}
	close(release)
	if a, b := p.answer("GET").Body, p.answer("GET").Body; a != "/a" || b != "/b" {
		t.Errorf("answers %s, %s", a, b)
	}
}

func anySplit(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, echo)
	text := "POST /a%2Fb?c HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5;ext=\"v\"\r\nhello\r\n0001\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n" + post("/second", "body")
	ask := func(send func(p *peer)) []string {
		p := s.dial()
		send(p)
		return []string{p.answer("POST").Body, p.answer("POST").Body}
	}
	want := ask(func(p *peer) { p.send(text) })
	if !strings.Contains(want[0], "hello!|<nil>") || !strings.Contains(want[1], "body|<nil>") {
		t.Fatalf("answers %q", want)
	}
	for _, n := range []int{1, 2, 3, 7} {
		if diff := cmp.Diff(want, ask(func(p *peer) { p.drip(text, n) })); diff != "" {
			t.Errorf("in pieces of %d: %s", n, diff)
		}
	}
	for i := 1; i < len(text); i++ {
		got := ask(func(p *peer) {
			p.send(text[:i])
			time.Sleep(200 * time.Microsecond) // so that the pieces are read apart
			p.send(text[i:])
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("split at %d: %s", i, diff)
		}
	}
}

func clientCloses(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, target)
	for _, value := range []string{"close", "Close", "keep-alive, close", "x, CLOSE ,y"} {
		p := s.dial()
		p.send("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: " + value + "\r\n\r\n")
		if m := p.answer("GET"); !m.closes() || m.Body != "/1" {
			t.Errorf("%s: %+v", value, m)
		}
		p.endedCleanly()
	}
}

func oldCloses(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	p.send("GET /1 HTTP/1.0\r\nHost: h\r\n\r\n")
	m := p.answer("GET")
	if m.Body != "/1" || wire.HasToken(m.Header.Joined("Connection"), "keep-alive") || m.Header.Has("Transfer-Encoding") {
		t.Errorf("%+v", m)
	}
	p.endedCleanly()
}

func oldKeeps(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	for i := range 2 {
		p.send(fmt.Sprintf("GET /%d HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", i))
		m := p.answer("GET")
		if m.Body != fmt.Sprintf("/%d", i) || !wire.HasToken(m.Header.Joined("Connection"), "keep-alive") {
			t.Fatalf("%+v", m)
		}
	}
}

func oldUnknownLength(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		for range 3 {
			_, _ = w.Write([]byte("part "))
			_ = w.Flush()
		}
	})
	for _, conn := range []string{"", "Connection: keep-alive\r\n"} {
		p := s.dial()
		p.send("GET / HTTP/1.0\r\nHost: h\r\n" + conn + "\r\n")
		m := p.answer("GET")
		if m.Framing != untilDone || m.Body != "part part part " || wire.HasToken(m.Header.Joined("Connection"), "keep-alive") {
			t.Errorf("%q: %+v", conn, m)
		}
	}
}

// Clients of old sent a line end too many behind a body; RFC 9112 §2.2 wants
// at least one skipped.
func blankLineBefore(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, target).dial()
	p.send("\r\n" + get("/1"))
	if m := p.answer("GET"); m.Body != "/1" {
		t.Errorf("%+v", m)
	}
	p.send(post("/2", "x") + "\r\n" + get("/3"))
	if a, b := p.answer("POST").Body, p.answer("GET").Body; a != "/2" || b != "/3" {
		t.Errorf("answers %q, %q", a, b)
	}
}

func halfRequest(t *testing.T, e Engine) {
	seen := make(chan string, 2)
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		seen <- r.Target
		wire.Reply(w, 200, "", nil)
	}).dial()
	p.send(get("/1") + "GET /half HTTP/1.1\r\nHost: h\r\n")
	if m := p.answer("GET"); m.status() != 200 {
		t.Errorf("%+v", m)
	}
	p.closeWrite()
	_, _ = p.rest() // a 400 or nothing, but an end
	if n := len(seen); n != 1 {
		t.Errorf("%d requests were handled", n)
	}
}
