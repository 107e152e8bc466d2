package conform

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// answerChecks are about what a handler sends.
func answerChecks() []check {
	return []check{
		{name: "answers without a body", run: bodiless},
		{name: "answers of unknown length are chunked", run: unknownLength},
		{name: "the handler returns without an answer", run: noAnswer},
		{name: "Date is sent once", run: oneDate},
		{name: "answer headers keep order and spelling", run: answerSpelling},
		{name: "hop-by-hop headers are not sent", run: answerHopByHop},
		{name: "header values cannot split an answer", run: answerSplitting},
		{name: "reason phrase of the handler", run: reasonPhrase},
		{name: "status outside the registry", run: oddStatus},
		{name: "trailers", run: trailers},
		{name: "flush sends what was written", run: flushSends},
		{name: "finish ends the answer before the handler", run: finishEnds},
		{name: "the declared length is kept", run: lengthKept},
		{name: "large and small writes", run: writes},
		{name: "abort cuts the answer visibly", run: abortCuts},
	}
}

func reply(status int, length int64, h ...wire.Field) wire.HandlerFunc {
	return func(_ context.Context, _ *wire.Request, w wire.Responder) { _ = w.WriteHead(status, "", h, length) }
}

func bodiless(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		switch r.Target {
		case "/204":
			_ = w.WriteHead(204, "", nil, 0)
			_, _ = w.Write([]byte("must not be sent"))
		case "/204-unknown":
			_ = w.WriteHead(204, "", nil, -1)
		case "/304":
			_ = w.WriteHead(304, "", wire.Header{{Name: "ETag", Value: "1"}}, -1)
			_, _ = w.Write([]byte("must not be sent"))
		case "/unknown":
			_ = w.WriteHead(200, "", nil, -1)
			_, _ = w.Write([]byte("body"))
		default:
			wire.Reply(w, 200, "", []byte("body"))
		}
	})
	p := s.dial()
	for _, tc := range []struct{ method, target, length string }{
		{"GET", "/204", ""}, {"GET", "/204-unknown", ""}, {"GET", "/304", ""}, {"HEAD", "/sized", "4"}, {"HEAD", "/unknown", ""}, {"HEAD", "/304", ""},
	} {
		p.send(tc.method + " " + tc.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
		m := p.answer(tc.method)
		if m.closes() || m.Header.Get("Content-Length") != tc.length || m.Header.Has("Transfer-Encoding") && tc.method != "HEAD" {
			t.Errorf("%s %s: %+v", tc.method, tc.target, m)
		}
	}
	p.send(get("/sized"))
	if m := p.answer("GET"); m.Body != "body" {
		t.Errorf("the next answer: %+v", m)
	}
}

func unknownLength(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		if r.Target == "/empty" {
			return
		}
		_ = w.Flush()
		_, _ = w.Write([]byte("one"))
		_, _ = w.Write(nil) // an empty write must not end the chunks
		_ = w.Flush()
		_, _ = w.Write([]byte("two"))
	}).dial()
	for range 2 {
		p.send(get("/"))
		if m := p.answer("GET"); m.Framing != byChunks || m.Body != "onetwo" || m.Header.Has("Content-Length") {
			t.Errorf("%+v", m)
		}
	}
	p.send(get("/empty"))
	if m := p.answer("GET"); m.Body != "" || m.closes() {
		t.Errorf("%+v", m)
	}
}

func noAnswer(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, func(context.Context, *wire.Request, wire.Responder) {}).dial()
	p.send(get("/"))
	if m := p.answer("GET"); m.Start != "HTTP/1.1 500 Internal Server Error" || m.Body != "" {
		t.Errorf("%+v", m)
	}
}

func oneDate(t *testing.T, e Engine) {
	for _, name := range []string{"Date", "date", "DATE"} {
		m := serve(t, e, wire.ServerConfig{}, reply(200, 0, wire.Field{Name: name, Value: "then"})).ask(get("/"))
		if m.Header.Count("Date") != 1 || m.Header.Get("Date") != "then" {
			t.Errorf("%s: %q", name, m.Header.Values("Date"))
		}
	}
}

func answerSpelling(t *testing.T, e Engine) {
	h := wire.Header{{Name: "x-b", Value: "1"}, {Name: "eTag", Value: `"a"`}, {Name: "X_A", Value: "2"}, {Name: "x-b", Value: "3"},
		{Name: "content-type", Value: "a/b"}, {Name: "A", Value: ""}}
	m := serve(t, e, wire.ServerConfig{}, reply(200, 0, h...)).ask(get("/"))
	m.Header.Del("Date")
	m.Header.Del("Content-Length")
	if diff := cmp.Diff(h, m.Header); diff != "" {
		t.Error(diff)
	}
}

func answerHopByHop(t *testing.T, e Engine) {
	m := serve(t, e, wire.ServerConfig{}, reply(200, 2,
		wire.Field{Name: "keep-alive", Value: "9"}, wire.Field{Name: "Transfer-Encoding", Value: "gzip"}, wire.Field{Name: "content-length", Value: "7"},
		wire.Field{Name: "Upgrade", Value: "h2c"}, wire.Field{Name: "Connection", Value: "close"}, wire.Field{Name: "Trailer", Value: "X"},
		wire.Field{Name: "TE", Value: "x"}, wire.Field{Name: "Proxy-Authenticate", Value: "x"}, wire.Field{Name: "Proxy-Connection", Value: "x"})).
		dialAndHead(get("/"))
	m.Header.Del("Date")
	if diff := cmp.Diff(wire.Header{{Name: "Content-Length", Value: "2"}}, m.Header); diff != "" {
		t.Error(diff)
	}
}

func (s *host) dialAndHead(text string) *message {
	s.t.Helper()
	p := s.dial()
	p.send(text)
	return p.head()
}

// A value with a line end would begin a header, or an answer, of its choice.
// Policies refuse such values; the engine is the last to look.
func answerSplitting(t *testing.T, e Engine) {
	for _, f := range []wire.Field{
		{Name: "X", Value: "a\r\nSet-Cookie: evil=1"}, {Name: "X", Value: "a\nSet-Cookie: evil=1"}, {Name: "X", Value: "a\rSet-Cookie: evil=1"},
		{Name: "X", Value: "a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, {Name: "X\r\nSet-Cookie", Value: "evil=1"},
		{Name: "X: a\r\nSet-Cookie", Value: "evil=1"}, {Name: "Set-Cookie: evil=1\r\nX", Value: ""}, {Name: "X", Value: "\x00"}, {Name: "", Value: "x"},
	} {
		p := serve(t, e, wire.ServerConfig{}, reply(200, 0, f, wire.Field{Name: "After", Value: "1"})).dial()
		p.send(get("/") + "GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		for range 2 {
			m, err := readAnswer(p.br, "GET")
			if err != nil {
				break // cutting the connection is an answer too
			}
			if m.Header.Has("Set-Cookie") {
				t.Errorf("%q: %q", f, m.Header)
			}
		}
		p.ended()
	}
}

func reasonPhrase(t *testing.T, e Engine) {
	for reason, want := range map[string]string{"Quota used up": "Quota used up", "": "Too Many Requests", "a\r\nX: y": "Too Many Requests"} {
		s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
			_ = w.WriteHead(429, reason, nil, 0)
		})
		if m := s.ask(get("/")); m.status() != 429 || m.reason() != want || m.Header.Has("X") {
			t.Errorf("reason %q: %q", reason, m.Start)
		}
	}
}

func oddStatus(t *testing.T, e Engine) {
	for _, status := range []int{299, 499, 599, 799} {
		if m := serve(t, e, wire.ServerConfig{}, reply(status, 0)).ask(get("/")); m.status() != status {
			t.Errorf("%d: %s", status, m.Start)
		}
	}
	errs := make(chan error, 4)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		for _, status := range []int{0, 99, 100, 1000} {
			errs <- w.WriteHead(status, "", nil, 0)
		}
		wire.Reply(w, 200, "", nil)
	})
	if m := s.ask(get("/")); m.status() != 200 || len(m.Interim) > 0 {
		t.Errorf("%+v", m)
	}
	for range 4 {
		if await(t, "the error", errs) == nil {
			t.Error("a status that is not final was accepted")
		}
	}
}

func trailers(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		tw := w.(wire.TrailerWriter)
		tw.AnnounceTrailers([]string{"X-Sum"})
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write([]byte("one"))
		tw.SetTrailers(wire.Header{{Name: "X-Sum", Value: "1"}, {Name: "X-Late", Value: "2"}, {Name: "Connection", Value: "close"}, {Name: "X-Bad", Value: "a\r\nb: c"}})
	})
	p := s.dial()
	p.send(get("/"))
	m := p.answer("GET")
	if m.Body != "one" || m.Trailer.Get("X-Sum") != "1" || m.Trailer.Get("X-Late") != "2" || !wire.HasToken(m.Header.Get("Trailer"), "X-Sum") {
		t.Errorf("%+v", m)
	}
	if m.Trailer.Has("Connection") || m.Trailer.Has("b") {
		t.Errorf("trailers %q", m.Trailer)
	}
	p.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n")
	if m := p.answer("GET"); m.Body != "one" {
		t.Errorf("to HTTP/1.0: %+v", m)
	}
}

func flushSends(t *testing.T, e Engine) {
	steps := make(chan struct{})
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		length := int64(-1)
		if r.Target == "/sized" {
			length = 8
		}
		_ = w.WriteHead(200, "", nil, length)
		_ = w.Flush()
		<-steps
		_, _ = w.Write([]byte("one "))
		_ = w.Flush()
		<-steps
		_, _ = w.Write([]byte("two "))
		_ = w.Flush()
		<-steps
	}).dial()
	for _, target := range []string{"/sized", "/unknown"} {
		p.send(get(target))
		for _, text := range []string{"\r\n\r\n", "one ", "two "} {
			p.until(text)
			steps <- struct{}{}
		}
		if target == "/unknown" {
			p.until("0\r\n\r\n")
		}
	}
}

func finishEnds(t *testing.T, e Engine) {
	release, errs := make(chan struct{}), make(chan error, 1)
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		length := int64(-1)
		if r.Target == "/sized" {
			length = 4
		}
		_ = w.WriteHead(200, "", nil, length)
		_, _ = w.Write([]byte("body"))
		f, ok := w.(wire.Finisher)
		if !ok {
			t.Error("the responder is no wire.Finisher")
			return
		}
		errs <- f.Finish()
		<-release
	}).dial()
	for _, target := range []string{"/sized", "/unknown", "/again"} {
		p.send(get(target))
		if m := p.answer("GET"); m.Body != "body" || m.closes() {
			t.Errorf("%s: %+v", target, m)
		}
		if err := await(t, "the end", errs); err != nil {
			t.Error(err)
		}
		release <- struct{}{}
	}
}

func lengthKept(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, 4)
		if r.Target == "/short" {
			_, _ = w.Write([]byte("abc"))
			return
		}
		_, err := w.Write([]byte("abcdHTTP/1.1 200 OK\r\n\r\n"))
		errs <- err
	})
	p := s.dial()
	p.send(get("/short") + get("/short"))
	if got, _ := p.rest(); !strings.HasSuffix(got, "\r\n\r\nabc") {
		t.Errorf("a short answer must end with the connection: %q", got)
	}
	p = s.dial()
	p.send(get("/long"))
	if err := await(t, "the error", errs); err == nil {
		t.Error("a write over the declared length was accepted")
	}
}

func writes(t *testing.T, e Engine) {
	block := strings.Repeat("0123456789abcdef", 40_000)
	sizes := []int{1, 2, 5000, 4096, 16, 100_000, 1, 65536, 1 << 19}
	var want strings.Builder
	for _, n := range sizes {
		want.WriteString(block[:n])
	}
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		length := int64(want.Len())
		if r.Target == "/unknown" {
			length = -1
		}
		_ = w.WriteHead(200, "", nil, length)
		buf := []byte(block)
		for _, n := range sizes {
			if k, err := w.Write(buf[:n]); k != n || err != nil {
				t.Errorf("wrote %d of %d: %v", k, n, err)
			}
		}
		clear(buf) // what was written belongs to the handler again
	})
	p := s.dial()
	for _, target := range []string{"/sized", "/unknown", "/sized"} {
		p.send(get(target))
		if m := p.answer("GET"); m.Body != want.String() {
			t.Errorf("%s: %d bytes, want %d, or others", target, len(m.Body), want.Len())
		}
	}
}

func abortCuts(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		length := int64(-1)
		if r.Target == "/sized" {
			length = 8
		}
		_ = w.WriteHead(200, "", nil, length)
		_, _ = w.Write([]byte("half"))
		_ = w.Flush()
		w.(wire.Aborter).Abort()
	})
	for _, target := range []string{"/sized", "/unknown"} {
		p := s.dial()
		p.send(get(target) + get("/next"))
		if m, err := readAnswer(p.br, "GET"); err == nil || m.Body != "half" {
			t.Errorf("%s: %v, %+v", target, err, m)
		}
		p.ended()
	}
}
