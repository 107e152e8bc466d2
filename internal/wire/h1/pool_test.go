//go:build linux

package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// numbered answers every request with the number of its connection.
func numbered(t *testing.T, made *atomic.Int64) string {
	return script(t, func(n int, c *net.TCPConn, r *bufio.Reader) {
		made.Add(1)
		for readHeadOf(r) != "" {
			text := fmt.Sprint(n)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})
}

// hold begins n calls whose bodies are not read yet, so that each has a
// connection of its own.
func hold(t *testing.T, tr *Transport, addr string, n int) (bodies []io.ReadCloser) {
	t.Helper()
	for range n {
		in, err := tr.RoundTrip(context.Background(), get(addr, "/"))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, in.Body)
	}
	return bodies
}

func finish(t *testing.T, body io.ReadCloser) string {
	t.Helper()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	return string(b)
}

func TestTheConnectionUsedLastGoesFirst(t *testing.T) {
	var made atomic.Int64
	addr := numbered(t, &made)
	tr := transport(t, wire.TransportConfig{})
	bodies := hold(t, tr, addr, 3)
	_ = finish(t, bodies[0])
	last := finish(t, bodies[2])
	if _, got := fetch(t, tr, get(addr, "/")); got != last || made.Load() != 3 {
		t.Errorf("connection %s of %d, want %s of 3", got, made.Load(), last)
	}
	_ = finish(t, bodies[1])
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	var made atomic.Int64
	addr := numbered(t, &made)
	tr := transport(t, wire.TransportConfig{MaxIdlePerHost: 2})
	for _, b := range hold(t, tr, addr, 5) {
		finish(t, b)
	}
	if n := openPlaces(tr, addr); n != 2 {
		t.Errorf("%d connections are kept, want 2", n)
	}
}

// Calls beyond the limit wait, are served in order, and one that gives up
// leaves the queue without harm.
func TestCallsWaitTheirTurn(t *testing.T) {
	var made atomic.Int64
	addr := numbered(t, &made)
	tr := transport(t, wire.TransportConfig{MaxConnsPerHost: 1})
	h := tr.host(hostKey{false, addr})
	first := hold(t, tr, addr, 1)[0]
	waiting := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " calls wait"), func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.wait) == n
		})
	}
	order := make(chan int, 3)
	ctx, cancel := context.WithCancelCause(context.Background())
	gaveUp := make(chan error, 1)
	start := func(i int, ctx context.Context) {
		go func() {
			in, err := tr.RoundTrip(ctx, get(addr, "/"))
			if err != nil {
				gaveUp <- err
				return
			}
			order <- i
			_, _ = io.ReadAll(in.Body)
			_ = in.Body.Close()
		}()
		waiting(i)
	}
	start(1, context.Background())
	start(2, ctx)
	start(3, context.Background())
	cancel(wire.ErrClientGone)
	if err := <-gaveUp; wire.KindOf(err) != wire.KindCanceled || !errors.Is(err, wire.ErrClientGone) {
		t.Error(err)
	}
	waiting(2)
	finish(t, first)
	if a, b := <-order, <-order; a != 1 || b != 3 {
		t.Errorf("served %d, then %d", a, b)
	}
	eventually(t, "the place is free", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.open == 1 && len(h.idle) == 1 && len(h.wait) == 0
	})
	if made.Load() != 1 {
		t.Errorf("%d connections in place of 1", made.Load())
	}
}

// A place whose connection could not be made goes to whoever waits.
func TestAFailedDialGivesItsPlaceOn(t *testing.T) {
	refused := errors.New("refused")
	goOn := make(chan struct{})
	tr := transport(t, wire.TransportConfig{MaxConnsPerHost: 1, Dial: func(context.Context, string, string) (net.Conn, error) {
		<-goOn
		return nil, refused
	}})
	errs := make(chan error, 5)
	for range 5 {
		go func() {
			_, err := tr.RoundTrip(context.Background(), get("b.example", "/"))
			errs <- err
		}()
	}
	close(goOn)
	for range 5 {
		if err := <-errs; wire.KindOf(err) != wire.KindConnect || !errors.Is(err, refused) {
			t.Error(err)
		}
	}
	if n := openPlaces(tr, "b.example"); n != 0 {
		t.Errorf("%d places are lost", n)
	}
}

// A kept connection that the backend has closed, or on which it said something
// unasked, carries no request.
func TestIdleConnectionsThatEndedAreDropped(t *testing.T) {
	for name, bye := range map[string]string{"closed": "", "forged": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"} {
		sent, goOn := make(chan struct{}), make(chan struct{})
		addr := script(t, func(n int, c *net.TCPConn, r *bufio.Reader) {
			for readHeadOf(r) != "" {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
				if n == 0 {
					<-goOn
					_, _ = io.WriteString(c, bye)
					_ = c.CloseWrite()
					close(sent)
				}
			}
		})
		tr := transport(t, wire.TransportConfig{})
		fetch(t, tr, get(addr, "/"))
		close(goOn)
		within(t, name, sent)
		h := tr.host(hostKey{false, addr})
		eventually(t, name+" is seen", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.idle[0].readable()
		})
		out := get(addr, "/")
		out.Method = "POST" // which must not be sent twice
		if in, got := fetch(t, tr, out); got != "1" || in.Connect == 0 {
			t.Errorf("%s: connection %s", name, got)
		}
		if n := openPlaces(tr, addr); n != 1 {
			t.Errorf("%s: %d places are taken", name, n)
		}
	}
}

func TestOldConnectionsAreNotUsed(t *testing.T) {
	for name, cfg := range map[string]wire.TransportConfig{"age": {MaxAge: time.Nanosecond}, "idle": {IdleTimeout: time.Nanosecond}} {
		var made atomic.Int64
		tr := transport(t, cfg)
		addr := numbered(t, &made)
		for range 3 {
			fetch(t, tr, get(addr, "/"))
		}
		if made.Load() != 3 {
			t.Errorf("%s: %d connections for 3 calls", name, made.Load())
		}
	}
}

// The sweeper closes what is idle for too long, forgets hosts, those too that
// never answered, and stops.
func TestTheSweeperStops(t *testing.T) {
	var made atomic.Int64
	addr := numbered(t, &made)
	refused := errors.New("refused")
	tr := transport(t, wire.TransportConfig{IdleTimeout: 20 * time.Millisecond, Dial: func(ctx context.Context, network, a string) (net.Conn, error) {
		if a != addr {
			return nil, refused
		}
		return new(net.Dialer).DialContext(ctx, network, a)
	}})
	fetch(t, tr, get(addr, "/"))
	for i := range 10 {
		if _, err := tr.RoundTrip(context.Background(), get(fmt.Sprintf("h%d.example", i), "/")); !errors.Is(err, refused) {
			t.Error(err)
		}
	}
	eventually(t, "hosts are forgotten and the sweeper stops", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.hosts) == 0 && tr.sweep == nil
	})
	fetch(t, tr, get(addr, "/"))
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.sweep == nil {
		t.Error("the sweeper does not start again")
	}
}

// A call that has looked its host up just before it was forgotten takes the new
// one: connections of the old one would never be swept.
func TestAForgottenHostIsAskedForAgain(t *testing.T) {
	var made atomic.Int64
	addr := numbered(t, &made)
	tr := transport(t, wire.TransportConfig{})
	key := hostKey{false, addr}
	h := tr.host(key)
	if !h.forget(time.Now(), 0) {
		t.Fatal("the host is in use")
	}
	if _, err := h.get(context.Background()); err != errForgotten {
		t.Fatalf("a forgotten host gives a connection, %v", err)
	}
	time.AfterFunc(time.Millisecond, func() {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		delete(tr.hosts, key)
	})
	fetch(t, tr, get(addr, "/"))
	if tr.host(key) == h || openPlaces(tr, addr) != 1 {
		t.Error("the connection hangs on the forgotten host")
	}
}

// Which calls are sent again when a kept connection turns out to be dead.
func TestWhatIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		method string
		header wire.Header
		stream bool
		again  bool
	}{
		{method: "GET", again: true}, {method: "PUT", again: true}, {method: "DELETE", again: true}, {method: "POST"}, {method: "PATCH"},
		{method: "POST", header: wire.Header{{Name: "idempotency-key", Value: "1"}}, again: true}, {method: "PUT", stream: true},
	} {
		addr := script(t, func(n int, conn *net.TCPConn, r *bufio.Reader) {
			for i := 0; readHeadOf(r) != ""; i++ {
				if n == 0 && i == 1 {
					return // the request has arrived, and no answer comes
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		tr := transport(t, wire.TransportConfig{})
		fetch(t, tr, get(addr, "/"))
		out := get(addr, "/")
		out.Method, out.Header = c.method, c.header
		if c.stream {
			out.Body, out.ContentLength = &shown{piece: []byte("x")}, 1
		}
		in, err := tr.RoundTrip(context.Background(), out)
		if (err == nil) != c.again || err != nil && wire.KindOf(err) != wire.KindAborted {
			t.Errorf("%s %v, stream %v: %v", c.method, c.header, c.stream, err)
		}
		if err == nil {
			_ = in.Body.Close()
		}
	}
	dead := &deadError{err: io.EOF}
	if !dead.again(&wire.Outgoing{Method: "POST", Body: &shown{}}) {
		t.Error("a request of which nothing was sent may always be sent again")
	}
}
