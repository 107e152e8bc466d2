//go:build linux

package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// waiter is a handler that waits until its context ends.
type waiter struct{ here, ended chan struct{} }

func newWaiter(n int) *waiter { return &waiter{make(chan struct{}, n), make(chan struct{}, n)} }

func (h *waiter) serve(ctx context.Context, _ *wire.Request, _ wire.Responder) {
	h.here <- struct{}{}
	select {
	case <-ctx.Done():
		h.ended <- struct{}{}
	case <-time.After(20 * time.Second):
	}
}

func TestAClientThatLeavesIsNoticed(t *testing.T) {
	const hello = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	secure, roots := certificate(t)
	for name, c := range map[string]struct {
		tls   *tls.Config
		text  string
		leave func(*net.TCPConn)
	}{
		"close":      {text: hello, leave: func(c *net.TCPConn) { _ = c.Close() }},
		"half close": {text: hello, leave: func(c *net.TCPConn) { _ = c.CloseWrite() }},
		"reset":      {text: hello, leave: reset},
		// Nobody reads the body: only the watcher can tell.
		"reset within the body": {text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", leave: reset},
		"TLS":                   {tls: secure, text: hello, leave: func(c *net.TCPConn) { _ = c.Close() }},
	} {
		h := newWaiter(1)
		addr := serve(t, wire.ServerConfig{TLS: c.tls}, h.serve)
		raw, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn := raw
		if c.tls != nil {
			conn = tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
		}
		_, _ = fmt.Fprint(conn, c.text)
		within(t, name+": the handler runs", h.here)
		c.leave(raw.(*net.TCPConn))
		within(t, name+": the handler is told", h.ended)
		_ = raw.Close()
	}
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// Hundreds wait at the same time; those that leave are noticed, the others stay.
func TestManyWaitingClients(t *testing.T) {
	const n = 300
	h := newWaiter(n)
	addr := serve(t, wire.ServerConfig{}, h.serve)
	conns := make([]*net.TCPConn, n)
	for i := range conns {
		conns[i], _ = dialTo(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	for range n {
		within(t, "the handlers run", h.here)
	}
	for i := range n / 2 {
		_ = conns[2*i].Close()
	}
	for range n / 2 {
		within(t, "the handlers are told", h.ended)
	}
	if len(h.ended) > 0 {
		t.Error("a client that waits has been taken for one that left")
	}
}

// The descriptor of a stream that was closed goes to the next connection while
// the handler of the first one is still running. Its end must not stop the
// watch over the second.
func TestTheDescriptorOfAStreamIsUsedAgain(t *testing.T) {
	h, streamClosed, goOn := newWaiter(1), make(chan struct{}), make(chan struct{})
	var once sync.Once
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(wire.ServerConfig{}, wire.HandlerFunc(func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Target != "/up" {
			h.serve(ctx, r, w)
			return
		}
		st, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "x"}})
		if err != nil {
			t.Error(err)
		} else {
			_ = st.Close()
		}
		once.Do(func() { close(streamClosed) })
		<-goOn
	}))
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Close() }()
	first, _ := dialTo(t, l.Addr().String(), "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	within(t, "the stream is closed", streamClosed)
	_ = first.Close() // so that the next client has its own descriptor again
	second, _ := dialTo(t, l.Addr().String(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	within(t, "the second request runs", h.here)
	close(goOn)
	eventually(t, "the first connection is forgotten", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 1
	})
	_ = second.Close()
	within(t, "the end of the second client is noticed", h.ended)
}

func openFiles(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

// A server that has ended keeps no descriptor, whether it ever served or not.
func TestTheWatcherEndsWithTheServer(t *testing.T) {
	before := openFiles(t)
	for i := range 20 {
		s := NewServer(wire.ServerConfig{}, wire.HandlerFunc(echo))
		if i%2 == 0 {
			_ = s.Close()
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = s.Serve(l); close(done) }()
		c, r := dialTo(t, l.Addr().String(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		readHeadOf(r)
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		within(t, "Serve returns", done)
		_ = c.Close()
	}
	eventually(t, "all descriptors are closed", func() bool { return openFiles(t) <= before })
}

// The server may be closed while a handshake is going on.
func TestCloseWithinHandshakes(t *testing.T) {
	secure, roots := certificate(t)
	for i := range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(wire.ServerConfig{TLS: secure}, wire.HandlerFunc(echo))
		done := make(chan struct{})
		go func() { _ = s.Serve(l); close(done) }()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				readHeadOf(bufio.NewReader(c))
			})
		}
		if i%2 == 0 {
			time.Sleep(time.Duration(i) * 200 * time.Microsecond)
		}
		if i%4 < 2 {
			_ = s.Shutdown(context.Background())
		} else {
			_ = s.Close()
		}
		within(t, "Serve returns", done)
		wg.Wait()
	}
}
