package listen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 30 * time.Second

func wrapped(t *testing.T, c Config) *Listener {
	t.Helper()
	inner, err := Bind("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	l := Wrap(inner, c)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// accepted collects what a listener hands out.
func accepted(t *testing.T, l *Listener) chan net.Conn {
	t.Helper()
	conns := make(chan net.Conn, 64)
	go func() {
		defer close(conns)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	return conns
}

func dial(t *testing.T, l *Listener, from, say string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, say); err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, conns <-chan net.Conn) net.Conn {
	t.Helper()
	select {
	case c := <-conns:
		if c == nil {
			t.Fatal("the listener has ended")
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	case <-time.After(patience):
		t.Fatal("no connection came in")
		return nil
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

const trusted, stranger = "127.0.0.9", "127.0.0.8"

func proxied(t *testing.T) (*Listener, chan net.Conn) {
	l := wrapped(t, Config{Trusted: []netip.Prefix{netip.MustParsePrefix(trusted + "/32")}})
	return l, accepted(t, l)
}

func TestHeaderOfATrustedPeerGivesTheAddresses(t *testing.T) {
	l, conns := proxied(t)
	for name, header := range map[string]string{
		"v1": "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "v2": string(v2(v2Proxy, v2TCP4, addresses4()...)),
	} {
		dial(t, l, trusted, header+"behind")
		c := next(t, conns)
		if c.RemoteAddr().String() != from4 || c.LocalAddr().String() != to4 {
			t.Errorf("%s: %v to %v", name, c.RemoteAddr(), c.LocalAddr())
		}
		under := c.(interface{ NetConn() net.Conn }).NetConn()
		if _, ok := under.(*net.TCPConn); !ok || !strings.HasPrefix(under.RemoteAddr().String(), trusted) {
			t.Errorf("%s: under it is %T %v", name, under, under.RemoteAddr())
		}
		// The engine may read from the socket itself.
		rest := make([]byte, 6)
		if _, err := io.ReadFull(under, rest); err != nil || string(rest) != "behind" {
			t.Errorf("%s: %q %v", name, rest, err)
		}
	}
}

func TestConnectionsThatTheProxyMakesItselfKeepItsAddress(t *testing.T) {
	l, conns := proxied(t)
	dial(t, l, trusted, string(v2(v2Local, v2Unspec)))
	if c := next(t, conns); !strings.HasPrefix(c.RemoteAddr().String(), trusted+":") {
		t.Errorf("%v", c.RemoteAddr())
	}
}

// What a stranger sends is never taken for a header.
func TestHeaderOfAStrangerIsNotRead(t *testing.T) {
	l, conns := proxied(t)
	const line = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
	dial(t, l, stranger, line)
	c := next(t, conns)
	b := make([]byte, len(line))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != line || !strings.HasPrefix(c.RemoteAddr().String(), stranger+":") {
		t.Errorf("%q %v from %v", b, err, c.RemoteAddr())
	}
}

func TestTrustedPeerWithoutHeaderIsClosed(t *testing.T) {
	l, _ := proxied(t)
	c := dial(t, l, trusted, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if n, err := io.Copy(io.Discard, c); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if l.ProxyErrors() != 1 || l.Open() != 0 {
		t.Errorf("%d errors counted, %d open", l.ProxyErrors(), l.Open())
	}
}

// Peers that say nothing are waited for aside, and only so many of them.
func TestSlowHeadersHoldUpNobody(t *testing.T) {
	l, conns := proxied(t)
	for range 20 {
		dial(t, l, trusted, "PROXY TC")
	}
	dial(t, l, stranger, "x")
	next(t, conns)
	dial(t, l, trusted, "PROXY UNKNOWN\r\n")
	next(t, conns)
	eventually(t, "the pending ones are not counted", func() bool { return len(l.pending) == 20 })
	for range maxPending - 20 {
		l.pending <- struct{}{}
	}
	c := dial(t, l, trusted, "PROXY UNKNOWN\r\n")
	if n, err := io.Copy(io.Discard, c); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one too many: %d bytes, %v", n, err)
	}
}

func TestLimitTellsPlainClients(t *testing.T) {
	limit := NewLimit(1)
	l := wrapped(t, Config{Limit: limit, Plain: true})
	conns := accepted(t, l)
	dial(t, l, stranger, "x")
	first := next(t, conns)
	second := dial(t, l, stranger, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	answer, err := io.ReadAll(second)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 Service Unavailable\r\n") || !strings.Contains(string(answer), "\r\nRetry-After: 1\r\n") ||
		!strings.Contains(string(answer), "\r\nConnection: close\r\n") {
		t.Errorf("%q %v", answer, err)
	}
	if limit.Refused() != 1 || limit.Max() != 1 || l.Open() != 1 {
		t.Errorf("%d refused, %d open", limit.Refused(), l.Open())
	}
	_ = first.Close()
	_ = first.Close() // twice counts once
	if l.Open() != 0 {
		t.Errorf("%d open", l.Open())
	}
	dial(t, l, stranger, "x")
	next(t, conns)
}

func TestLimitClosesOthers(t *testing.T) {
	l := wrapped(t, Config{Limit: NewLimit(1)})
	conns := accepted(t, l)
	dial(t, l, stranger, "")
	next(t, conns)
	c := dial(t, l, stranger, "")
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q %v", b, err)
	}
}

func TestNoLimitIsNone(t *testing.T) {
	if l := NewLimit(0); l != nil || !l.enter() || l.Max() != 0 || l.Refused() != 0 {
		t.Error("a limit of 0 limits")
	}
	if n := DefaultConnections(); n < 0 {
		t.Errorf("%d", n)
	}
}

// failing is a listener whose first accepts fail.
type failing struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	left := f.left
	f.left--
	f.mu.Unlock()
	if left > 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	inner, err := Bind("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	l := Wrap(&failing{Listener: inner, left: 3}, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer l.Close()
	conns := accepted(t, l)
	dial(t, l, stranger, "x")
	next(t, conns)
	if l.AcceptErrors() != 3 || strings.Count(log.String(), "cannot be accepted for now") != 1 {
		t.Errorf("%d errors, log %s", l.AcceptErrors(), log.String())
	}
}

// After Stop a connection that is open goes on, Accept waits, and only Close
// ends it: engines take an error of Accept for their end.
func TestStopLeavesConnectionsAlone(t *testing.T) {
	l := wrapped(t, Config{})
	conns := accepted(t, l)
	out := dial(t, l, stranger, "")
	in := next(t, conns)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.DialTimeout("tcp", l.Addr().String(), patience); err == nil {
		t.Error("the socket still listens")
	}
	select {
	case <-conns:
		t.Error("Accept has returned")
	default:
	}
	fmt.Fprintln(out, "still there")
	if line, err := bufio.NewReader(in).ReadString('\n'); err != nil || line != "still there\n" {
		t.Errorf("%q %v", line, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, more := <-conns; more {
		t.Error("a connection after the end")
	}
}

func TestHalfClose(t *testing.T) {
	l := wrapped(t, Config{})
	conns := accepted(t, l)
	out := dial(t, l, stranger, "")
	in := next(t, conns).(*conn)
	if err := in.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(out); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
	fmt.Fprintln(out, "the other way")
	if line, err := bufio.NewReader(in).ReadString('\n'); err != nil || line != "the other way\n" {
		t.Errorf("%q %v", line, err)
	}
	if !in.Transparent() {
		t.Error("not transparent")
	}
}

func TestOwnConnectionsAreRecognised(t *testing.T) {
	l := wrapped(t, Config{})
	conns := accepted(t, l)
	var own Own
	own.Listens(l.Addr())
	elsewhere := wrapped(t, Config{})
	accepted(t, elsewhere)
	for range 3 * minSweep {
		c := dial(t, l, stranger, "")
		own.Made(c)
		in := next(t, conns)
		at := netip.MustParseAddrPort(in.RemoteAddr().String())
		mapped := netip.AddrPortFrom(netip.AddrFrom16(at.Addr().As16()), at.Port())
		if !own.Has(at) || !own.Has(mapped) {
			t.Fatal("not recognised")
		}
		_ = c.Close()
		if own.Has(at) {
			t.Fatal("recognised after its end")
		}
	}
	if n := len(own.conns); n > minSweep+1 {
		t.Errorf("%d connections remembered, all are closed", n)
	}
	c := dial(t, elsewhere, stranger, "")
	own.Made(c)
	if own.Has(netip.MustParseAddrPort(c.LocalAddr().String())) {
		t.Error("a connection to somebody else is remembered")
	}
	var none *Own
	if none.Has(netip.AddrPort{}) || own.Has(netip.AddrPort{}) {
		t.Error("nobody is recognised")
	}
}
