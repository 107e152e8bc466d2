//go:build linux

package h1

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// eventually waits until ok; only a hang makes it fail.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// within fails instead of hanging.
func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("never: " + what)
	}
}

func transport(t testing.TB, cfg wire.TransportConfig) *Transport {
	t.Helper()
	tr := NewTransport(cfg)
	t.Cleanup(tr.CloseIdle)
	return tr
}

func get(addr, target string) *wire.Outgoing {
	return &wire.Outgoing{Method: "GET", Scheme: "http", Authority: addr, Target: target}
}

// fetch does a round trip and reads the answer.
func fetch(t *testing.T, tr *Transport, out *wire.Outgoing) (*wire.Incoming, string) {
	t.Helper()
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	b, err := io.ReadAll(in.Body)
	if err != nil {
		t.Fatal(err)
	}
	return in, string(b)
}

// script is a backend that does what f says with each connection.
func script(t *testing.T, f func(n int, c *net.TCPConn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				f(n, c.(*net.TCPConn), bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// readHeadOf reads lines until the blank one; "" when the other side has ended.
func readHeadOf(r *bufio.Reader) (head string) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return ""
		}
		if head += line; line == "\r\n" {
			return head
		}
	}
}

func openPlaces(tr *Transport, addr string) int {
	h := tr.host(hostKey{false, addr})
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// dialTo connects a client to a server under test.
func dialTo(t *testing.T, addr, text string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), bufio.NewReader(c)
}

// hooked is a connection that calls hooks in the middle of things. The engine
// takes it for one that changes bytes, as TLS does.
type hooked struct {
	net.Conn
	afterRead    func(n int)
	beforeFuture func()                          // a read deadline that is not past
	write        func([]byte) (int, bool, error) // false: not taken
}

func (h *hooked) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if h.afterRead != nil && n > 0 {
		h.afterRead(n)
	}
	return n, err
}

func (h *hooked) Write(p []byte) (int, error) {
	if h.write != nil {
		if n, ok, err := h.write(p); ok {
			return n, err
		}
	}
	return h.Conn.Write(p)
}

func (h *hooked) SetReadDeadline(d time.Time) error {
	if f := h.beforeFuture; f != nil && d.After(time.Now()) {
		h.beforeFuture = nil
		f()
	}
	return h.Conn.SetReadDeadline(d)
}
