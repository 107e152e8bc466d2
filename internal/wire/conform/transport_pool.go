package conform

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// poolChecks are about connections that are kept.
func poolChecks() []check {
	return []check{
		{name: "a connection is used again", run: reuse},
		{name: "a connection is used again after any whole answer", run: reuseAfter},
		{name: "a connection is not used again when the backend closes it", run: noReuse},
		{name: "connections to one host are limited, more calls wait", run: waitForConn},
		{name: "a waiting call can be cancelled", run: waitCanceled},
		{name: "a body left unread does not go to the next call", run: unreadAnswer},
		{name: "idle connections are closed in time", run: idleClosed},
		{name: "connections have an age", run: agedClosed},
		{name: "idle connections kept for one host are limited", run: idleLimit},
		{name: "connections to several hosts are kept apart", run: hostsApart},
		{name: "the time to connect is told", run: connectTold},
		{name: "many calls at once", run: manyCalls},
	}
}

// counting answers each request with the number of the connection and of the
// request on it.
func counting(p *peer, n int) {
	for i := 1; ; i++ {
		m, ok := p.next()
		if !ok {
			return
		}
		_, rest, _ := strings.Cut(m.Start, " ")
		target, _, _ := strings.Cut(rest, " ")
		body := fmt.Sprintf("%d.%d %s", n, i, target)
		p.trySend(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
}

func reuse(t *testing.T, e Engine) {
	b, tr := play(t, counting), transport(t, e, wire.TransportConfig{})
	for i := range 5 {
		if r := must(t, tr, b.post("/x", "body")); r.body != fmt.Sprintf("1.%d /x", i+1) {
			t.Errorf("call %d: %s", i+1, r.body)
		}
	}
}

func reuseAfter(t *testing.T, e Engine) {
	for _, answer := range []string{
		okAnswer, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + okAnswer, "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
	} {
		b, tr := play(t, each(answer)), transport(t, e, wire.TransportConfig{})
		for range 3 {
			must(t, tr, b.get("/"))
		}
		if n := b.conns.Load(); n != 1 {
			t.Errorf("%q: %d connections", answer, n)
		}
	}
}

func noReuse(t *testing.T, e Engine) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok",
	} {
		b, tr := play(t, each(answer)), transport(t, e, wire.TransportConfig{})
		for range 3 {
			if r := must(t, tr, b.get("/")); r.body != "ok" {
				t.Errorf("%q", r.body)
			}
		}
		if n := b.conns.Load(); n != 3 {
			t.Errorf("%q: %d connections, want 3", answer, n)
		}
	}
}

// heldAnswers answers each request when release lets it.
func heldAnswers(arrived chan<- string, release <-chan struct{}) script {
	return func(p *peer, _ int) {
		for {
			m, ok := p.next()
			if !ok {
				return
			}
			arrived <- m.Start
			<-release
			p.trySend(okAnswer)
		}
	}
}

func waitForConn(t *testing.T, e Engine) {
	arrived, release := make(chan string, 8), make(chan struct{})
	b := play(t, heldAnswers(arrived, release))
	tr := transport(t, e, wire.TransportConfig{MaxConnsPerHost: 2})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if r := call(context.Background(), tr, b.get(fmt.Sprintf("/%d", i))); r.err != nil || r.body != "ok" {
				t.Errorf("%q, %v", r.body, r.err)
			}
		})
	}
	for range 6 {
		await(t, "a request", arrived)
		release <- struct{}{}
	}
	wg.Wait()
	if n := b.conns.Load(); n > 2 {
		t.Errorf("%d connections, at most 2", n)
	}
}

func waitCanceled(t *testing.T, e Engine) {
	arrived, release := make(chan string, 8), make(chan struct{})
	b := play(t, heldAnswers(arrived, release))
	tr := transport(t, e, wire.TransportConfig{MaxConnsPerHost: 1})
	first := make(chan result, 1)
	go func() { first <- call(context.Background(), tr, b.get("/first")) }()
	await(t, "the first request", arrived)
	ctx, cancel := context.WithCancel(context.Background())
	second := make(chan result, 1)
	go func() { second <- call(ctx, tr, b.get("/second")) }()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if r := await(t, "the second result", second); wire.KindOf(r.err) != wire.KindCanceled {
		t.Errorf("a cancelled wait: %v (kind %d)", r.err, wire.KindOf(r.err))
	}
	release <- struct{}{}
	if r := await(t, "the first result", first); r.body != "ok" {
		t.Errorf("%v", r.err)
	}
	go func() { release <- struct{}{} }()
	if r := must(t, tr, b.get("/third")); r.body != "ok" {
		t.Errorf("the place of a cancelled wait is lost: %q", r.body)
	}
}

func unreadAnswer(t *testing.T, e Engine) {
	big := strings.Repeat("x", 1<<20)
	b := play(t, func(p *peer, _ int) {
		for {
			m, ok := p.next()
			if !ok {
				return
			}
			body := "small"
			if strings.HasPrefix(m.Start, "GET /big") {
				body = big
			}
			p.trySend(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	for range 3 {
		for _, target := range []string{"/big", "/little"} {
			in, err := tr.RoundTrip(context.Background(), b.get(target))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = in.Body.Read(make([]byte, 2))
			_ = in.Body.Close()
			if n, err := in.Body.Read(make([]byte, 2)); n > 0 || err == nil {
				t.Errorf("read %d, %v after Close", n, err)
			}
		}
		if r := must(t, tr, b.get("/")); r.body != "small" {
			t.Errorf("%.20q", r.body)
		}
	}
}

// goneAfter expects the engine to close a kept connection by itself.
func goneAfter(t *testing.T, e Engine, cfg wire.TransportConfig) {
	gone := make(chan struct{}, 4)
	b := play(t, func(p *peer, n int) {
		counting(p, n)
		gone <- struct{}{}
	})
	tr := transport(t, e, cfg)
	must(t, tr, b.get("/"))
	await(t, "the end of the idle connection", gone)
	if r := must(t, tr, b.get("/")); r.body != "2.1 /" {
		t.Errorf("%s", r.body)
	}
}

func idleClosed(t *testing.T, e Engine) { goneAfter(t, e, wire.TransportConfig{IdleTimeout: short}) }

func agedClosed(t *testing.T, e Engine) {
	b := play(t, counting)
	tr := transport(t, e, wire.TransportConfig{MaxAge: short})
	must(t, tr, b.get("/"))
	time.Sleep(2 * short)
	if r := must(t, tr, b.get("/")); r.body != "2.1 /" {
		t.Errorf("a connection past its age was used: %s", r.body)
	}
}

func idleLimit(t *testing.T, e Engine) {
	arrived, release := make(chan string, 8), make(chan struct{})
	gone := make(chan struct{}, 8)
	b := play(t, func(p *peer, n int) {
		heldAnswers(arrived, release)(p, n)
		gone <- struct{}{}
	})
	tr := transport(t, e, wire.TransportConfig{MaxIdlePerHost: 2})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { must(t, tr, b.get("/")) })
	}
	for range 5 {
		await(t, "a request", arrived)
	}
	close(release)
	wg.Wait()
	for range 3 {
		await(t, "the end of a connection over the limit", gone)
	}
}

func hostsApart(t *testing.T, e Engine) {
	one, two := play(t, counting), play(t, counting)
	tr := transport(t, e, wire.TransportConfig{})
	for i := range 3 {
		for _, b := range []*backend{one, two} {
			if r := must(t, tr, b.get("/")); r.body != fmt.Sprintf("1.%d /", i+1) {
				t.Errorf("%s", r.body)
			}
		}
	}
}

func connectTold(t *testing.T, e Engine) {
	b, tr := play(t, counting), transport(t, e, wire.TransportConfig{})
	if r := must(t, tr, b.get("/")); r.Connect <= 0 {
		t.Errorf("on a new connection: %v", r.Connect)
	}
	if r := must(t, tr, b.get("/")); r.Connect != 0 {
		t.Errorf("on a kept connection: %v", r.Connect)
	}
}

func manyCalls(t *testing.T, e Engine) {
	var open, most atomic.Int32
	b := play(t, func(p *peer, n int) {
		for now, m := open.Add(1), most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		counting(p, n)
		open.Add(-1)
	})
	tr := transport(t, e, wire.TransportConfig{MaxConnsPerHost: 16})
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 50 {
				target := fmt.Sprintf("/%d/%d", w, i)
				out := b.get(target)
				if i%3 == 0 {
					out = b.stream(target, io.MultiReader(strings.NewReader(target)), -1)
				}
				if r := call(context.Background(), tr, out); r.err != nil || !strings.HasSuffix(r.body, " "+target) {
					t.Errorf("%s: %q, %v", target, r.body, r.err)
					return
				}
			}
		})
	}
	wg.Wait()
	// One that the engine has closed may still be open here for a moment.
	if n := most.Load(); n > 16+4 {
		t.Errorf("%d connections at once, at most 16", n)
	}
}
