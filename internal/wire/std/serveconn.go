package std

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// ServeConn serves a connection that another engine has accepted and does not
// return before the server has taken it. c is a *tls.Conn after its handshake,
// or a plain connection from which nothing has been read (or which gives again
// what was); the server closes it.
func (s *Server) ServeConn(c net.Conn) {
	s.handed.once.Do(func() {
		go func() {
			if err := s.http.Serve(&s.handed); err != nil && !errors.Is(err, http.ErrServerClosed) && s.cfg.Logger != nil {
				s.cfg.Logger.Debug("serve connections handed over", slog.String("error", err.Error()))
			}
		}()
	})
	select {
	case s.handed.conns <- c:
	case <-s.handed.closed:
		_ = c.Close()
	}
}

// handed is the listener of connections that others have accepted.
type handed struct {
	once   sync.Once
	conns  chan net.Conn
	closed chan struct{}
	end    sync.Once
}

func (h *handed) init() {
	h.conns, h.closed = make(chan net.Conn), make(chan struct{})
}

// Accept waits for the next connection.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept and ServeConn give up.
func (h *handed) Close() error {
	h.end.Do(func() { close(h.closed) })
	return nil
}

// Addr is of no use to anybody here, but net/http asks every listener.
func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }
