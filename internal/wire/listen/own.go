package listen

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Own remembers the connections that this process has made to its own
// listeners, so that they are recognised where they come in. A call whose
// chain passes the gateway twice must not be refused half-way: what it has
// cost so far would be lost.
// The zero value is ready; a nil *Own knows no connection.
type Own struct {
	mu    sync.Mutex
	ports map[uint16]bool // of the listeners
	conns map[netip.AddrPort]net.Conn
	sweep int // size at which closed connections are forgotten
}

// minSweep is the least number of connections worth looking through.
const minSweep = 64

// Listens tells the address of one of the listeners.
func (o *Own) Listens(a net.Addr) {
	if t, ok := a.(*net.TCPAddr); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.ports == nil {
			o.ports = map[uint16]bool{}
		}
		o.ports[t.AddrPort().Port()] = true
	}
}

// Made takes note of an outgoing connection. Only the port of its other end is
// compared: an address more than needed does no harm.
func (o *Own) Made(c net.Conn) {
	to, ok1 := c.RemoteAddr().(*net.TCPAddr)
	from, ok2 := c.LocalAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ports[to.AddrPort().Port()] {
		return
	}
	if o.conns == nil {
		o.conns, o.sweep = map[netip.AddrPort]net.Conn{}, minSweep
	}
	if len(o.conns) >= o.sweep {
		o.forgetClosedLocked()
	}
	o.conns[plain(from.AddrPort())] = c
}

func (o *Own) forgetClosedLocked() {
	for a, c := range o.conns {
		if isClosed(c) {
			delete(o.conns, a)
		}
	}
	o.sweep = max(minSweep, 2*len(o.conns))
}

// Has reports whether remote is this process's own end of a connection.
func (o *Own) Has(remote netip.AddrPort) bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c, ok := o.conns[plain(remote)]
	return ok && !isClosed(c)
}

func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// isClosed reports whether this process has closed c.
func isClosed(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}
