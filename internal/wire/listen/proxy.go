package listen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// A peer has proxyTime for its header, and at most maxPending peers may be at
// it; whoever comes beyond is closed, so that they cannot pile up.
const (
	proxyTime  = 5 * time.Second
	maxPending = 1024
)

// errProxy is a header that is none.
var errProxy = errors.New("no valid PROXY header")

// proxyHeader is what a PROXY header says. The zero value says nothing: the
// addresses of the socket count (a health check of the proxy itself, or a
// client that the proxy does not know).
type proxyHeader struct {
	source, target netip.AddrPort
}

func (h proxyHeader) known() bool { return h.source.IsValid() }

// pump accepts connections and passes on those that are ready.
func (l *Listener) pump() {
	for {
		c, err := l.next()
		if err != nil {
			return
		}
		k := c.(*conn)
		if !l.trusts(k.Conn.RemoteAddr()) {
			l.deliver(k)
			continue
		}
		select {
		case l.pending <- struct{}{}:
			go func() {
				defer func() { <-l.pending }()
				l.greet(k)
			}()
		default:
			l.badProxy.Add(1)
			_ = k.Close()
		}
	}
}

func (l *Listener) deliver(c *conn) {
	select {
	case l.ready <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// greet reads the header of a trusted peer.
func (l *Listener) greet(c *conn) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(proxyTime))
	h, err := readProxy(c.Conn)
	if err != nil {
		l.badProxy.Add(1)
		l.cfg.Log.Debug("connection closed", slog.String("peer", c.Conn.RemoteAddr().String()), slog.String("error", err.Error()))
		_ = c.Close()
		return
	}
	_ = c.Conn.SetReadDeadline(time.Time{})
	if h.known() {
		c.remote, c.local = net.TCPAddrFromAddrPort(h.source), net.TCPAddrFromAddrPort(h.target)
	}
	l.deliver(c)
}

func (l *Listener) trusts(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range l.cfg.Trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// shortest is the length of the shortest header of either version.
const shortest = len("PROXY UNKNOWN\r\n")

// readProxy reads a header and not one byte more, so that the connection needs
// no buffer in front of it afterwards.
func readProxy(r io.Reader) (proxyHeader, error) {
	var buf [v1Max]byte
	if _, err := io.ReadFull(r, buf[:shortest]); err != nil {
		return proxyHeader{}, fmt.Errorf("read PROXY header: %w", err)
	}
	if bytes.HasPrefix(buf[:shortest], []byte(v2Signature)) {
		return readV2(r, buf[:shortest])
	}
	if bytes.HasPrefix(buf[:shortest], []byte(v1Prefix)) {
		return readV1(r, &buf)
	}
	return proxyHeader{}, errProxy
}
