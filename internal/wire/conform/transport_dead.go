package conform

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// deadChecks are about kept connections that the backend ends, and about what
// may be sent a second time.
func deadChecks() []check {
	return []check{
		{name: "a connection closed while idle costs no call", run: closedWhileIdle},
		{name: "a connection closed as the request arrives: safe calls are repeated", run: repeatedSafe},
		{name: "a connection closed as the request arrives: a POST is not repeated", run: notRepeated},
		{name: "a first connection that ends is not tried again", run: firstNotRepeated},
		{name: "a request is repeated once", run: repeatedOnce},
		{name: "an answer that began is not repeated", run: begunNotRepeated},
		{name: "bytes on an idle connection are nobody's answer", run: poisonedIdle},
		{name: "bytes on an idle TLS connection are nobody's answer", run: poisonedTLS},
		{name: "a TLS connection closed while idle costs no call", run: closedTLS},
		{name: "an answer sent twice is used once", run: answeredTwice},
		{name: "bytes behind an answer are nobody's answer", run: poisonedBehind},
	}
}

func closedWhileIdle(t *testing.T, e Engine) {
	for _, end := range []func(p *peer){func(p *peer) { _ = p.Close() }, (*peer).reset} {
		closed := make(chan struct{}, 8)
		b := play(t, func(p *peer, _ int) {
			if _, ok := p.next(); ok {
				p.send(okAnswer)
				end(p)
				closed <- struct{}{}
			}
		})
		tr := transport(t, e, wire.TransportConfig{})
		for i := range 6 {
			out := b.get("/")
			switch i % 3 {
			case 1:
				out = b.post("/", "body")
			case 2:
				out = b.stream("/", io.MultiReader(strings.NewReader("body")), -1)
			}
			must(t, tr, out)
			await(t, "the end of the connection", closed)
			time.Sleep(20 * time.Millisecond) // for the news to arrive
		}
	}
}

// closesOnSecond answers the first request of the first connection, and closes
// it as soon as the second is there.
func closesOnSecond(requests *atomic.Int32) script {
	return func(p *peer, n int) {
		for i := 1; ; i++ {
			if _, ok := p.next(); !ok {
				return
			}
			requests.Add(1)
			if n == 1 && i == 2 {
				return
			}
			p.send(okAnswer)
		}
	}
}

func repeatedSafe(t *testing.T, e Engine) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		var requests atomic.Int32
		b := play(t, closesOnSecond(&requests))
		tr := transport(t, e, wire.TransportConfig{})
		must(t, tr, b.get("/"))
		out := b.get("/")
		out.Method = method
		if method == "PUT" {
			out.Bytes, out.ContentLength = []byte("body"), 4
		}
		if method == "HEAD" { // whose answer has no body
			out.Method = "GET"
		}
		if r := must(t, tr, out); r.body != "ok" || requests.Load() != 3 {
			t.Errorf("%s: %q after %d requests", method, r.body, requests.Load())
		}
	}
}

func notRepeated(t *testing.T, e Engine) {
	for _, kind := range []string{"POST in memory", "PATCH in memory", "POST as a stream"} {
		var requests atomic.Int32
		b := play(t, closesOnSecond(&requests))
		tr := transport(t, e, wire.TransportConfig{})
		must(t, tr, b.get("/"))
		out := b.post("/", "body")
		out.Method, _, _ = strings.Cut(kind, " ")
		if strings.HasSuffix(kind, "stream") {
			out = b.stream("/", strings.NewReader("body"), 4)
		}
		_ = fails(t, tr, out, wire.KindAborted)
		if n := requests.Load(); n != 2 {
			t.Errorf("%s: the backend saw %d requests, want 2", kind, n)
		}
	}
}

func firstNotRepeated(t *testing.T, e Engine) {
	var requests atomic.Int32
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); ok {
			requests.Add(1)
		}
	})
	_ = fails(t, transport(t, e, wire.TransportConfig{}), b.get("/"), wire.KindAborted)
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func repeatedOnce(t *testing.T, e Engine) {
	var requests atomic.Int32
	release := make(chan struct{})
	b := play(t, func(p *peer, n int) {
		if _, ok := p.next(); !ok {
			return
		}
		<-release // so that four connections are made
		p.send(okAnswer)
		if _, ok := p.next(); ok {
			requests.Add(1)
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	done := make(chan result, 4)
	for range 4 {
		go func() { done <- call(context.Background(), tr, b.get("/")) }()
	}
	for b.conns.Load() < 4 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	for range 4 {
		await(t, "a result", done)
	}
	_ = fails(t, tr, b.get("/"), wire.KindAborted)
	if n := requests.Load(); n > 2 {
		t.Errorf("one call was sent %d times", n)
	}
}

func begunNotRepeated(t *testing.T, e Engine) {
	var requests atomic.Int32
	b := play(t, func(p *peer, _ int) {
		for i := 1; ; i++ {
			if _, ok := p.next(); !ok {
				return
			}
			requests.Add(1)
			if i == 2 {
				p.send("HTTP/1.1 200 O")
				return
			}
			p.send(okAnswer)
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	must(t, tr, b.get("/"))
	_ = fails(t, tr, b.get("/"), wire.KindAborted)
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

const evilAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

// A backend, or whoever broke into the connection, sends an answer ahead: it
// must not become the answer to the next request of somebody else.
func poisonedIdle(t *testing.T, e Engine) {
	for _, extra := range []string{evilAnswer, "x", "\r\n", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"} {
		poisoned := make(chan struct{}, 8)
		b := play(t, func(p *peer, _ int) {
			for {
				if _, ok := p.next(); !ok {
					return
				}
				p.trySend(okAnswer)
				time.Sleep(10 * time.Millisecond)
				p.trySend(extra)
				poisoned <- struct{}{}
			}
		})
		tr := transport(t, e, wire.TransportConfig{})
		for i := range 4 {
			out := b.get("/")
			if i%2 == 1 {
				out = b.post("/", "body")
			}
			if r := must(t, tr, out); r.body != "ok" || r.Status != 200 {
				t.Errorf("%q: answer %d %q", extra, r.Status, r.body)
			}
			await(t, "the extra bytes", poisoned)
			time.Sleep(20 * time.Millisecond) // for them to arrive
		}
	}
}

func answeredTwice(t *testing.T, e Engine) {
	b := play(t, func(p *peer, n int) {
		for i := 1; ; i++ {
			if _, ok := p.next(); !ok {
				return
			}
			one := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%d.%d", n, i)
			p.trySend(one + one)
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	for i := range 4 {
		if r := must(t, tr, b.get("/")); r.body != fmt.Sprintf("%d.1", i+1) {
			t.Errorf("call %d: %q", i+1, r.body)
		}
	}
}

func poisonedBehind(t *testing.T, e Engine) {
	for _, answer := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		b := play(t, func(p *peer, _ int) {
			for {
				if _, ok := p.next(); !ok {
					return
				}
				p.trySend(answer + evilAnswer)
			}
		})
		tr := transport(t, e, wire.TransportConfig{})
		for range 3 {
			if r := must(t, tr, b.get("/")); r.body == "evil" {
				t.Errorf("%q: what stood behind the answer was taken for the next", answer)
			}
		}
	}
}

func poisonedTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	// Together with the answer, in one record; in a record of its own; later.
	for _, how := range []string{"joined", "behind", "later"} {
		poisoned := make(chan struct{}, 8)
		b := playTLS(t, id, func(p *peer, _ int) {
			for {
				if _, ok := p.next(); !ok {
					return
				}
				switch how {
				case "joined":
					p.trySend(okAnswer + evilAnswer)
				case "behind":
					p.trySend(okAnswer)
					p.trySend(evilAnswer)
				default:
					p.trySend(okAnswer)
					time.Sleep(10 * time.Millisecond)
					p.trySend(evilAnswer)
				}
				poisoned <- struct{}{}
			}
		})
		tr := transport(t, e, wire.TransportConfig{TLS: id.client()})
		for range 4 {
			if r := must(t, tr, b.secure("/")); r.body != "ok" {
				t.Errorf("%s: answer %q", how, r.body)
			}
			await(t, "the extra bytes", poisoned)
			time.Sleep(20 * time.Millisecond) // for them to arrive
		}
	}
}

func closedTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	closed := make(chan struct{}, 8)
	b := playTLS(t, id, func(p *peer, _ int) {
		if _, ok := p.next(); ok {
			p.send(okAnswer)
			_ = p.Close()
			closed <- struct{}{}
		}
	})
	tr := transport(t, e, wire.TransportConfig{TLS: id.client()})
	for i := range 6 {
		out := b.secure("/")
		if i%2 == 1 {
			out = b.stream("/", io.MultiReader(strings.NewReader("body")), -1)
			out.Scheme = "https"
		}
		must(t, tr, out)
		await(t, "the end of the connection", closed)
		time.Sleep(20 * time.Millisecond)
	}
}
