package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// bodyChecks are about request bodies.
func bodyChecks() []check {
	return []check{
		{name: "bodies end where they should", run: bodiesEnd},
		{name: "no body is nil", run: nilBody},
		{name: "chunks with extensions and trailers", run: chunkedBodies},
		{name: "chunks shown in place", run: shownChunks},
		{name: "100 Continue is sent when the handler reads", run: continueOnRead},
		{name: "100 Continue is not sent when the handler answers at once", run: noContinue},
		{name: "100 Continue is not sent to HTTP/1.0", run: noContinueForOld},
		{name: "unknown expectation", run: unknownExpectation},
		{name: "a small body left unread keeps the connection", run: unreadSmall},
		{name: "a large body left unread does not kill the answer", run: unreadLarge},
		{name: "a large body left unread does not kill the answer on TLS", run: unreadLargeTLS},
		{name: "a body closed early", run: bodyClosed},
		{name: "a body cut off fails", run: bodyCut},
		{name: "answer and body at the same time", run: fullDuplex},
		{name: "100 MB through a body", run: bigBody, alone: true},
	}
}

func bodiesEnd(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, echo).dial()
	p.send(post("/1", "hello") + post("/2", "") + chunkedPost("/3", "ab", "c") + chunkedPost("/4") + get("/5"))
	for i, want := range []string{"hello|<nil>|5", "", "abc|<nil>|-1", "", ""} {
		m := p.answer("POST")
		_, body, _ := strings.Cut(m.Body, "\n\n")
		if body != want && (want != "" || !strings.HasPrefix(body, "|<nil>|")) {
			t.Errorf("body %d: %q, want %q", i+1, body, want)
		}
	}
}

func nilBody(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "", fmt.Appendf(nil, "%v %d", r.Body == nil, r.ContentLength))
	})
	for _, text := range []string{get("/"), "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", post("/", "")} {
		if m := s.ask(text); m.Body != "true 0" {
			t.Errorf("%.10q: %s", text, m.Body)
		}
	}
}

func chunkedBodies(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, echo).dial()
	p.send("POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"5;a=b;c=\"d e\"\r\nhello\r\n00a;x\r\n0123456789\r\nB\r\nhello world\r\n0;last\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n" + get("/2"))
	m := p.answer("POST")
	if !strings.HasSuffix(m.Body, "\n\nhello0123456789hello world|<nil>|-1") || strings.Contains(m.Body, "X-Sum: 1") {
		t.Errorf("%q", m.Body)
	}
	if m := p.answer("GET"); !strings.HasPrefix(m.Body, "GET http h /2") {
		t.Errorf("%q", m.Body)
	}
}

// Bodies that offer Chunks give the same bytes, also when Read comes between.
func shownChunks(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		b, err := readMixed(r.Body)
		wire.Reply(w, 200, "", fmt.Appendf(b, "|%v", err))
	})
	text := strings.Repeat("0123456789abcdef", 5000)
	for _, send := range []string{post("/", text), chunkedPost("/", text[:10], text[10:20_000], text[20_000:])} {
		if m := s.ask(send); m.Body != text+"|<nil>" {
			t.Errorf("%d bytes came back, %.40q…", len(m.Body), m.Body)
		}
	}
}

// readMixed reads by Next and Read in turn where both are there.
func readMixed(r io.Reader) ([]byte, error) {
	c, ok := r.(wire.Chunks)
	if !ok {
		return io.ReadAll(r)
	}
	var all []byte
	small := make([]byte, 7)
	for turn := 0; ; turn++ {
		var p []byte
		var err error
		if turn%2 == 0 {
			p, err = c.Next()
			if len(p) == 0 && err == nil {
				return all, errors.New("nothing came from Next, and no error")
			}
		} else {
			var n int
			n, err = r.Read(small)
			p = small[:n]
		}
		all = append(all, p...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

const expecting = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

func continueOnRead(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, echo).dial()
	for range 2 {
		p.send(expecting)
		if m := p.head(); m.status() != 100 || len(m.Header) > 0 {
			t.Fatalf("interim answer %+v", m)
		}
		p.send("body")
		if m := p.answer("POST"); m.status() != 200 || !strings.Contains(m.Body, "body|<nil>|4") || len(m.Interim) > 0 {
			t.Errorf("%+v", m)
		}
	}
}

func noContinue(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 403, "", []byte("no"))
	}).dial()
	p.send(expecting)
	// The client will not send the body now, or it will: the connection cannot
	// be used again, because the server cannot know.
	if m := p.answer("POST"); m.status() != 403 || len(m.Interim) > 0 || m.Body != "no" {
		t.Errorf("%+v", m)
	}
	p.ended()
}

func noContinueForOld(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, echo).dial()
	p.send("POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
	if m := p.answer("POST"); m.status() != 200 || len(m.Interim) > 0 {
		t.Errorf("%+v", m)
	}
}

func unknownExpectation(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		t.Error("the handler saw it")
		wire.Reply(w, 200, "", nil)
	})
	p := s.dial()
	p.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: a-pony\r\nContent-Length: 4\r\n\r\n")
	if m := p.answer("POST"); m.status() != 417 || !m.closes() {
		t.Errorf("%+v", m)
	}
	p.ended()
}

func unreadSmall(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "", []byte(r.Target))
	}).dial()
	body := strings.Repeat("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n", 200)
	for i, text := range []string{post("/0", body), chunkedPost("/1", body, "x"), get("/2")} {
		p.send(text)
		if m := p.answer("POST"); m.Body != fmt.Sprintf("/%d", i) || m.closes() {
			t.Fatalf("answer %d: %+v", i, m)
		}
	}
}

// A server that closes while bytes of the client are unread sends a reset,
// which destroys the answer on its way (RFC 9112 §9.6).
func unreadLarge(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 413, "", []byte(refusal()))
	})
	for i := range 4 {
		uploads(t, s.dial(), i%2 == 1)
	}
}

func unreadLargeTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 413, "", []byte(refusal()))
	})
	for i := range 2 {
		uploads(t, s.dialTLS(id, "http/1.1"), i%2 == 1)
	}
}

func refusal() string { return strings.Repeat("answer ", 100_000) }

// uploads sends much more than a server will take and requires the whole
// answer.
func uploads(t *testing.T, p *peer, chunked bool) {
	t.Helper()
	const size = 64 << 20
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size)
	if chunked {
		head = fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size)
	}
	p.send(head)
	go func() {
		block := make([]byte, 64<<10)
		for range size / len(block) {
			if _, err := p.Write(block); err != nil {
				return
			}
		}
	}()
	if m := p.answer("POST"); m.status() != 413 || m.Body != refusal() {
		t.Errorf("%s with %d bytes of %d", m.Start, len(m.Body), len(refusal()))
	}
	p.ended()
}

func bodyClosed(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/closed" {
			_, _ = r.Body.Read(make([]byte, 2))
			_ = r.Body.Close()
			_, err := r.Body.Read(make([]byte, 2))
			errs <- err
		}
		wire.Reply(w, 200, "", []byte(r.Target))
	})
	p := s.dial()
	p.send(post("/closed", "0123456789") + get("/next"))
	if err := await(t, "the error", errs); err == nil || err == io.EOF {
		t.Errorf("reading a closed body: %v", err)
	}
	if a, b := p.answer("POST").Body, p.answer("GET").Body; a != "/closed" || b != "/next" {
		t.Errorf("answers %s, %s", a, b)
	}
}

func bodyCut(t *testing.T, e Engine) {
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, _ wire.Responder) {
		_, err := io.ReadAll(r.Body)
		errs <- err
	})
	for _, text := range []string{
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n",
	} {
		p := s.dial()
		p.send(text)
		p.closeWrite()
		inTrailer := strings.Contains(text, "\r\n0\r\n") // where half a line is no line either
		err, kind := await(t, "the error", errs), wire.KindAborted
		if k := wire.KindOf(err); err == nil || k != kind && !(inTrailer && k == wire.KindProtocol) {
			t.Errorf("%.90q: read ended with %v (kind %d)", text, err, wire.KindOf(err))
		}
		_, _ = p.rest()
	}
}

func fullDuplex(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(buf[:n]))
				_ = w.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	for _, head := range []string{"Transfer-Encoding: chunked", "Content-Length: 30"} {
		p := s.dial()
		p.send("POST / HTTP/1.1\r\nHost: h\r\n" + head + "\r\n\r\n")
		p.until("\r\n\r\n")
		for i := range 10 {
			piece := fmt.Sprintf("a%dz", i)
			if strings.HasPrefix(head, "T") {
				piece = "3\r\n" + piece + "\r\n"
			}
			p.send(piece)
			p.until(fmt.Sprintf("A%dZ", i))
		}
		if strings.HasPrefix(head, "T") {
			p.send("0\r\n\r\n")
		}
		p.until("0\r\n\r\n")
		p.send(post("/", "next"))
		p.until("NEXT")
	}
}

func bigBody(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		n, err := io.Copy(io.Discard, r.Body)
		wire.Reply(w, 200, "", fmt.Appendf(nil, "%d %v", n, err))
	})
	const size = 100 << 20
	before := heapInUse()
	for _, chunked := range []bool{false, true} {
		p := s.dial()
		block := strings.Repeat("x", 1<<20)
		if chunked {
			p.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
		} else {
			p.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size))
		}
		for range size >> 20 {
			if chunked {
				p.send(fmt.Sprintf("%x\r\n", len(block)))
			}
			p.send(block)
			if chunked {
				p.send("\r\n")
			}
		}
		if chunked {
			p.send("0\r\n\r\n")
		}
		if m := p.answer("POST"); m.Body != fmt.Sprintf("%d <nil>", size) {
			t.Errorf("%+v", m)
		}
	}
	if grown := heapInUse() - before; grown > 64<<20 {
		t.Errorf("the heap has grown by %d MB for 100 MB of body", grown>>20)
	}
}

// mirror answers with the body of the request.
func mirror(_ context.Context, r *wire.Request, w wire.Responder) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		wire.Reply(w, 400, "", []byte(err.Error()))
		return
	}
	wire.Reply(w, 200, "", b)
}

// heapInUse is what the heap holds after a collection.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
