// Package listen is what stands between the network and an engine: listeners
// that outlive a process, the PROXY protocol, the limits on connections and on
// requests at work, and the ceiling on memory.
// It must not know which engine serves, nor APIs, policies or settings; it
// decides who gets in, never what is answered.
// Start at Wrap for connections and at Admission for requests.
package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config of a Listener.
type Config struct {
	// Limit bounds the connections of all listeners that share it; nil = none.
	Limit *Limit
	// Plain lets a client over the limit read why; under TLS it only sees the
	// connection close.
	Plain bool
	// Trusted are the peers that must begin every connection with a PROXY
	// header. Others are served as they are, whatever they send.
	Trusted []netip.Prefix
	Log     *slog.Logger
}

// Listener hands an engine the connections that may come in. Accept returns an
// error only once the listener is closed: running out of descriptors is a
// reason to wait, not to end a server.
type Listener struct {
	inner net.Listener
	cfg   Config

	stopped   atomic.Bool
	closed    chan struct{}
	closeOnce sync.Once
	open      atomic.Int64
	failures  atomic.Uint64

	// With the PROXY protocol a goroutine accepts, so that a peer that is slow
	// with its header holds up nobody else.
	pumpOnce sync.Once
	ready    chan net.Conn
	pending  chan struct{}
	badProxy atomic.Uint64
}

// Wrap puts a Listener around inner.
func Wrap(inner net.Listener, c Config) *Listener {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &Listener{inner: inner, cfg: c, closed: make(chan struct{})}
	if len(c.Trusted) > 0 {
		l.ready, l.pending = make(chan net.Conn), make(chan struct{}, maxPending)
	}
	return l
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	if len(l.cfg.Trusted) > 0 {
		l.pumpOnce.Do(func() { go l.pump() })
		select {
		case c := <-l.ready:
			return c, nil
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	return l.next()
}

// next returns the next connection within the limit.
func (l *Listener) next() (net.Conn, error) {
	for {
		c, err := l.accept()
		if err != nil {
			return nil, err
		}
		if l.cfg.Limit.enter() {
			l.open.Add(1)
			return &conn{Conn: c, from: l}, nil
		}
		l.cfg.Limit.refuse(c, l.cfg.Plain)
	}
}

// accept waits as long as it takes for a connection. After Stop it waits for
// Close, so that the engine keeps the connections it has.
func (l *Listener) accept() (net.Conn, error) {
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		c, err := l.inner.Accept()
		if err == nil {
			return c, nil
		}
		if errors.Is(err, net.ErrClosed) {
			if l.stopped.Load() {
				<-l.closed
			}
			return nil, net.ErrClosed
		}
		l.failures.Add(1)
		if wait == minPause {
			l.cfg.Log.Warn("connections cannot be accepted for now", slog.String("address", l.Addr().String()), slog.String("error", err.Error()))
		}
		select {
		case <-time.After(wait):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// Pauses after an accept that failed.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Stop closes this process's end of the socket and leaves its connections and
// the engine alone. A process that was handed the same socket goes on with it,
// including the connections that wait in it.
func (l *Listener) Stop() error {
	l.stopped.Store(true)
	return l.inner.Close()
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	err := l.inner.Close()
	l.closeOnce.Do(func() { close(l.closed) })
	if l.stopped.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Open is the number of connections that are open.
func (l *Listener) Open() int64 { return l.open.Load() }

// AcceptErrors counts the times that the system gave no connection.
func (l *Listener) AcceptErrors() uint64 { return l.failures.Load() }

// ProxyErrors counts connections closed for want of a valid PROXY header.
func (l *Listener) ProxyErrors() uint64 { return l.badProxy.Load() }

// conn is a connection that is counted, with the addresses of its PROXY header
// when it had one. No byte is ever held back here: whoever needs the socket
// itself may take it from NetConn.
type conn struct {
	net.Conn
	from          *Listener
	remote, local net.Addr // nil = those of the socket
	gone          atomic.Bool
}

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr {
	if c.local != nil {
		return c.local
	}
	return c.Conn.LocalAddr()
}

// NetConn returns the connection that is wrapped.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Transparent says that what is read here is what the socket has, byte for
// byte, so that an engine may read from the socket itself.
func (c *conn) Transparent() bool { return true }

// CloseWrite ends the writing half. Engines need it after an answer that comes
// before the end of the request: closing at once would reset the connection
// and take the answer with it.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if !c.gone.Swap(true) {
		c.from.open.Add(-1)
		c.from.cfg.Limit.leave()
	}
	return c.Conn.Close()
}
