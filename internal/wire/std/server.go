// Package std is the wire engine on net/http: a server that hands requests to
// a wire.Handler and a transport that sends wire.Outgoing requests.
// It must not know APIs, policies or configuration, and nothing of net/http
// may leave it except through Doer, which SDKs need.
// Start at NewServer and NewTransport; body.go holds the rules that keep
// streams whole.
package std

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"sallyport/internal/wire"
)

// Server serves HTTP/1.1 and HTTP/2.
type Server struct {
	cfg     wire.ServerConfig
	handler wire.Handler
	http    http.Server
	giveUp  context.CancelCauseFunc
	active  atomic.Int64
	handed  handed // connections that came through ServeConn

	mu      sync.Mutex
	fresh   map[net.Conn]struct{} // accepted, no request seen yet
	streams map[*stream]struct{}  // connections that switched protocols
	quiet   chan struct{}         // closed when the last of streams ends, nil when nobody waits
	ended   bool                  // no further connection is served
	closed  bool                  // nor any stream
}

// NewServer returns a server that is not listening yet.
func NewServer(cfg wire.ServerConfig, h wire.Handler) *Server {
	cfg.Fill()
	base, giveUp := context.WithCancelCause(context.Background())
	s := &Server{cfg: cfg, handler: h, giveUp: giveUp,
		fresh: make(map[net.Conn]struct{}), streams: make(map[*stream]struct{})}
	s.handed.init()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // ServeConn may bring it whatever cfg.TLS says
	protocols.SetUnencryptedHTTP2(cfg.H2C)
	s.http = http.Server{
		Handler: http.HandlerFunc(s.serveHTTP),
		// net/http counts the request line too; the exact limits are kept in
		// admit, so that a long target is 414 and not 431.
		MaxHeaderBytes:    cfg.MaxHeaderBytes + cfg.MaxTarget,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		TLSConfig:         serverTLS(cfg.TLS),
		Protocols:         protocols,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withConnInfo,
		ConnState:         s.connState,
	}
	handler := slog.DiscardHandler
	if cfg.Logger != nil {
		handler = cfg.Logger.Handler()
	}
	s.http.ErrorLog = slog.NewLogLogger(handler, slog.LevelDebug)
	return s
}

// serverTLS makes sure that HTTP/2 is offered; without that net/http would not
// serve it to connections of ServeConn either.
func serverTLS(c *tls.Config) *tls.Config {
	if c == nil || slices.Contains(c.NextProtos, "h2") {
		return c.Clone()
	}
	c = c.Clone()
	c.NextProtos = append(slices.Clone(c.NextProtos), "h2")
	return c
}

// Serve accepts connections of l until Shutdown or Close; it then returns nil.
// It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	var err error
	if s.cfg.TLS != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ActiveRequests returns how many requests are being served.
func (s *Server) ActiveRequests() int64 { return s.active.Load() }

func (s *Server) connState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.fresh, c)
		return
	}
	if s.ended {
		_ = c.Close()
		return
	}
	s.fresh[c] = struct{}{}
}

type connInfoKey struct{}

// connInfo is parsed once a connection, not once a request.
type connInfo struct{ remote, local netip.AddrPort }

func withConnInfo(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connInfoKey{}, &connInfo{
		remote: wire.AddrPort(c.RemoteAddr()),
		local:  wire.AddrPort(c.LocalAddr()),
	})
}
