//go:build linux

package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// defaultLastWords is how long handlers may still write after they were told
// that the server gives up on them.
const defaultLastWords = 2 * time.Second

// Server serves HTTP/1.1, and HTTP/2 through wire/std.
type Server struct {
	cfg     wire.ServerConfig
	handler wire.Handler
	h2      *std.Server
	pool    buffers
	watch   *watcher
	clock   clock
	words   time.Duration // for the last ones
	active  atomic.Int64
	closing atomic.Bool // answers say Connection: close

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	empty     chan struct{} // closed when the last connection has gone, while waited for
	ended     bool
}

// NewServer returns a server that is not listening yet.
func NewServer(cfg wire.ServerConfig, h wire.Handler) *Server {
	cfg.Fill()
	cfg.TLS = offering(cfg.TLS, "h2", "http/1.1")
	s := &Server{cfg: cfg, handler: h, words: defaultLastWords, listeners: make(map[net.Listener]struct{}), conns: make(map[*conn]struct{})}
	if cfg.TLS != nil || cfg.H2C {
		s.h2 = std.NewServer(cfg, h)
	}
	// Without a watcher a client that hangs up is noticed when it is written
	// to; that is no reason not to serve.
	if w, err := newWatcher(); err == nil {
		s.watch = w
		// A server that was never closed (tests) must not keep its descriptor.
		runtime.AddCleanup(s, func(w *watcher) { w.close() }, w)
	}
	return s
}

// Serve accepts connections of l until Shutdown or Close; it then returns nil.
// It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	wait := time.Duration(0)
	for {
		c, err := l.Accept()
		if err == nil {
			wait = 0
			s.start(c)
			continue
		}
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return nil
		}
		var ne net.Error
		if errors.As(err, &ne) && ne.Temporary() { //nolint:staticcheck // the only way to tell "too many open files" from a dead listener
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			time.Sleep(wait)
			continue
		}
		return err
	}
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go c.serve()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) > 0 {
		return
	}
	if s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
	s.endWatch()
}

// endWatch gives the watcher up when nothing can come any more.
func (s *Server) endWatch() {
	if s.ended && s.watch != nil {
		s.watch.close()
	}
}

// ActiveRequests returns how many requests are being served.
func (s *Server) ActiveRequests() int64 {
	n := s.active.Load()
	if s.h2 != nil {
		n += s.h2.ActiveRequests()
	}
	return n
}

// Shutdown stops accepting, closes idle connections and waits for running
// requests. When ctx ends first it ends their contexts with wire.ErrDraining,
// gives them a moment for their last words, closes their connections and
// returns the reason of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	s.stopListening()
	h2 := make(chan error, 1)
	go func() {
		if s.h2 == nil {
			h2 <- nil
			return
		}
		h2 <- s.h2.Shutdown(ctx)
	}()
	err := s.drain(ctx)
	return errors.Join(err, <-h2)
}

func (s *Server) drain(ctx context.Context) error {
	empty := s.closeIdle()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-empty: // both at once
		return nil
	default:
	}
	s.each(func(c *conn) { c.giveUp(wire.ErrDraining) })
	last := time.NewTimer(s.words)
	defer last.Stop()
	select {
	case <-empty:
	case <-last.C:
		s.each((*conn).kill)
	}
	return context.Cause(ctx)
}

func (s *Server) stopListening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for l := range s.listeners {
		_ = l.Close()
	}
	clear(s.listeners)
	if len(s.conns) == 0 {
		s.endWatch()
	}
}

// closeIdle closes connections without a request and returns what is closed
// when all others have gone too.
func (s *Server) closeIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.conns) == 0 {
			done := s.empty
			close(done)
			s.empty = nil
			return done
		}
	}
	for c := range s.conns {
		c.killIdle()
	}
	return s.empty
}

func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.closing.Store(true)
	s.stopListening()
	s.each(func(c *conn) { c.giveUp(net.ErrClosed); c.kill() })
	if s.h2 != nil {
		return s.h2.Close()
	}
	return nil
}

// offering adds protocols to those that a TLS configuration negotiates.
func offering(c *tls.Config, protocols ...string) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.NextProtos = slices.Clone(c.NextProtos)
	for _, p := range protocols {
		if !slices.Contains(c.NextProtos, p) {
			c.NextProtos = append(c.NextProtos, p)
		}
	}
	return c
}

// handshake makes a connection a TLS one. Those that speak HTTP/2 are served by
// the other engine; nil says so.
func (s *Server) handshake(nc net.Conn) (*tls.Conn, error) {
	t := tls.Server(nc, s.cfg.TLS)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ReadHeaderTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return t, nil
}
