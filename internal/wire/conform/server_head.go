package conform

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// headChecks are about what a handler learns of a request.
func headChecks() []check {
	return []check{
		{name: "targets arrive byte for byte", run: targets},
		{name: "absolute form names the host", run: absoluteForm},
		{name: "OPTIONS * does not reach the handler", run: asterisk},
		{name: "no tunnels", run: noTunnels},
		{name: "headers named by Connection are dropped", run: namedByConnection},
		{name: "header lines keep order and spelling", run: spelling},
		{name: "header lines of one name keep their order", run: sameName},
		{name: "addresses of both ends", run: addresses},
		{name: "the time of arrival", run: received},
		{name: "limits of the head", run: headLimits},
	}
}

// recorder hands over copies of the requests that its handler sees.
func recorder() (wire.HandlerFunc, chan wire.Request) {
	requests := make(chan wire.Request, 4)
	return func(_ context.Context, r *wire.Request, w wire.Responder) {
		q := *r
		q.Header, q.Body = r.Header.Clone(), nil
		requests <- q
		wire.Reply(w, 200, "", nil)
	}, requests
}

// seen serves the text and returns the one request the handler saw.
func seen(t *testing.T, e Engine, text string) wire.Request {
	t.Helper()
	h, requests := recorder()
	serve(t, e, wire.ServerConfig{}, h).dial().send(text)
	return await(t, "the request", requests)
}

func targets(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, target)
	for _, want := range []string{"/", "/a%2Fb//c;rev=2?x=%20y&z", "//evil.example/x", "/../a/./b", "/p|q", "/?", "/a?b?c", "/%E2%82%AC", "/~a:b@c!$&'()*+,;=", "/a?x=\"<>\\^`{}"} {
		if m := s.ask(get(want)); m.Body != want || m.status() != 200 {
			t.Errorf("%s arrived as %d %s", want, m.status(), m.Body)
		}
	}
}

func absoluteForm(t *testing.T, e Engine) {
	for _, tc := range []struct{ target, host, want string }{
		{"http://real.example/a%2Fb?q", "real.example", "/a%2Fb?q"},
		{"http://real.example:81/", "real.example:81", "/"},
		{"http://real.example", "real.example", "/"},
		{"http://real.example?q", "real.example", "/?q"},
		{"HTTP://real.example/x", "real.example", "/x"},
	} {
		q := seen(t, e, "GET "+tc.target+" HTTP/1.1\r\nHost: "+tc.host+"\r\n\r\n")
		if q.Host != tc.host || q.Target != tc.want || q.Scheme != "http" {
			t.Errorf("%s: host %s target %s scheme %s", tc.target, q.Host, q.Target, q.Scheme)
		}
	}
}

// OPTIONS * asks about the server as a whole (RFC 9110 §9.3.7); there is no
// API behind it, so an engine answers it itself or refuses it.
func asterisk(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		t.Errorf("the handler saw %s %s", r.Method, r.Target)
		wire.Reply(w, 299, "", nil)
	})
	if m := s.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"); m.status() != 200 && m.status() != 204 && m.status() != 400 {
		t.Errorf("%+v", m)
	}
	if m := s.ask("GET * HTTP/1.1\r\nHost: h\r\n\r\n"); m.status() != 400 || !m.closes() {
		t.Errorf("%+v", m)
	}
}

func noTunnels(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, _ wire.Responder) {
		t.Errorf("the handler saw %s %s", r.Method, r.Target)
	})
	for _, target := range []string{"a.example:443", "/x", "http://a.example/"} {
		p := s.dial()
		p.send("CONNECT " + target + " HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
		if m := p.answer("GET"); m.status() != 405 && m.status() != 501 && m.status() != 400 || !m.closes() {
			t.Errorf("%s: %+v", target, m)
		}
		p.ended()
	}
}

func namedByConnection(t *testing.T, e Engine) {
	q := seen(t, e, "GET / HTTP/1.1\r\nHost: h\r\nConnection: x-drop, keep-alive , X-Other,x-forwarded-for\r\n"+
		"X-Drop: 1\r\nX-Keep: 2\r\nx-other: 3\r\nX-Forwarded-For: 9.9.9.9\r\nX-DROP: 4\r\n\r\n")
	for name, want := range map[string]int{"X-Drop": 0, "X-Other": 0, "X-Keep": 1, "X-Forwarded-For": 1} {
		if n := q.Header.Count(name); n != want {
			t.Errorf("%d lines of %s, want %d", n, name, want)
		}
	}
}

func spelling(t *testing.T, e Engine) {
	q := seen(t, e, "GET / HTTP/1.1\r\nx-b: 1\r\nHost: h\r\nX_A:u\r\nx-B: \t 2 \t\r\naccept:*/*\r\nX-Empty:\r\n\r\n")
	q.Header.Del("Host")
	want := wire.Header{{Name: "x-b", Value: "1"}, {Name: "X_A", Value: "u"}, {Name: "x-B", Value: "2"},
		{Name: "accept", Value: "*/*"}, {Name: "X-Empty", Value: ""}}
	if diff := cmp.Diff(want, q.Header); diff != "" {
		t.Error(diff)
	}
}

func sameName(t *testing.T, e Engine) {
	q := seen(t, e, "GET / HTTP/1.1\r\nX-B: 1\r\nHost: h\r\nX-A: 0\r\nx-b: 2, 3\r\nX-B:\r\n\r\n")
	if diff := cmp.Diff([]string{"1", "2, 3", ""}, q.Header.Values("X-B")); diff != "" {
		t.Error(diff)
	}
}

func addresses(t *testing.T, e Engine) {
	h, requests := recorder()
	s := serve(t, e, wire.ServerConfig{}, h)
	p := s.dial()
	p.send(get("/"))
	q := await(t, "the request", requests)
	if q.Remote.String() != p.LocalAddr().String() || q.Local.String() != s.addr || q.TLSVersion != "" || q.Proto != "HTTP/1.1" {
		t.Errorf("remote %v local %v tls %q proto %s", q.Remote, q.Local, q.TLSVersion, q.Proto)
	}
}

// The clock starts with the first byte of a head, not with the end of the
// request before it, nor with the end of the head.
func received(t *testing.T, e Engine) {
	times := make(chan time.Time, 2)
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		times <- r.Received
		wire.Reply(w, 200, "", nil)
	}).dial()
	between := func(name string, from, to time.Time) {
		got := await(t, "the request", times)
		// A clock that an engine reads once a few milliseconds would do.
		if got.Before(from.Add(-20*time.Millisecond)) || got.After(to) {
			t.Errorf("%s: received %v, want between %v and %v", name, got, from, to)
		}
		p.answer("GET")
	}
	from := time.Now()
	p.send("GET /1 HT")
	time.Sleep(300 * time.Millisecond)
	to := time.Now()
	p.send("TP/1.1\r\nHost: h\r\n\r\n")
	between("in two pieces", from, to)
	time.Sleep(100 * time.Millisecond)
	from = time.Now()
	p.send(get("/2"))
	between("on a kept connection", from, time.Now().Add(patience))
}

func headLimits(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{MaxTarget: 1000, MaxHeaderBytes: 4000, MaxHeaders: 20}, target)
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X-%d: v\r\n", i)
		}
		return b.String()
	}
	for _, tc := range []struct {
		name, target, lines string
		status              int
	}{
		{"longest target", "/" + strings.Repeat("a", 999), "", 200},
		{"target too long", "/" + strings.Repeat("a", 1000), "", 414},
		{"target far too long", "/" + strings.Repeat("a", 100_000), "", 414},
		{"large header", "/", "X: " + strings.Repeat("a", 3900) + "\r\n", 200},
		{"header too large", "/", "X: " + strings.Repeat("a", 4000) + "\r\n", 431},
		{"header far too large", "/", "X: " + strings.Repeat("a", 400_000) + "\r\n", 431},
		{"name too large", "/", strings.Repeat("a", 4000) + ": x\r\n", 431},
		{"many lines", "/", lines(19), 200},
		{"too many lines", "/", lines(21), 431},
		{"far too many lines", "/", lines(400), 431},
	} {
		p := s.dial()
		go p.trySend("GET " + tc.target + " HTTP/1.1\r\nHost: h\r\n" + tc.lines + "\r\n")
		m := p.answer("GET")
		far := len(tc.target) > 50_000 && m.status() == 431 // the whole head is too large then, too
		if m.status() != tc.status && !far || m.closes() != (tc.status != 200) {
			t.Errorf("%s: %s %q", tc.name, m.Start, m.Header)
		}
	}
}
