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
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

// Defaults of ServerConfig.
const (
	DefaultMaxHeaderBytes    = 64 << 10
	DefaultMaxTarget         = 16 << 10
	DefaultReadHeaderTimeout = 15 * time.Second
	DefaultIdleTimeout       = 120 * time.Second
)

// ServerConfig sets up a Server. Zero values take the defaults above.
type ServerConfig struct {
	MaxHeaderBytes    int           // names and values together; more is 431
	MaxTarget         int           // bytes of the request target; more is 414
	ReadHeaderTimeout time.Duration // from the first byte to the end of the headers
	IdleTimeout       time.Duration // between two requests of one connection
	// WriteTimeout bounds each write and each flush, not the whole answer, so
	// that a stream may last for hours. Zero sets no deadline.
	WriteTimeout time.Duration
	TLS          *tls.Config // nil serves plain HTTP
	// H2C accepts HTTP/2 with prior knowledge on plain connections.
	H2C     bool
	Logger  *slog.Logger // takes net/http's own messages, at debug level
	OnPanic func(v any, stack []byte)
}

// Server serves HTTP/1.1 and HTTP/2.
type Server struct {
	cfg     ServerConfig
	handler wire.Handler
	http    http.Server
	giveUp  context.CancelFunc
	active  atomic.Int64

	mu    sync.Mutex
	fresh map[net.Conn]struct{} // accepted, no request seen yet
	ended bool
}

// NewServer returns a server that is not listening yet.
func NewServer(cfg ServerConfig, h wire.Handler) *Server {
	setDefault(&cfg.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&cfg.MaxTarget, DefaultMaxTarget)
	setDefault(&cfg.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	setDefault(&cfg.IdleTimeout, DefaultIdleTimeout)
	base, giveUp := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, handler: h, giveUp: giveUp, fresh: make(map[net.Conn]struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(cfg.TLS != nil)
	protocols.SetUnencryptedHTTP2(cfg.H2C && cfg.TLS == nil)
	s.http = http.Server{
		Handler: http.HandlerFunc(s.serveHTTP),
		// net/http counts the request line too; the exact limits are kept in
		// admit, so that a long target is 414 and not 431.
		MaxHeaderBytes:    cfg.MaxHeaderBytes + cfg.MaxTarget,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		TLSConfig:         cfg.TLS.Clone(),
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

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
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

// Shutdown stops accepting and waits for running requests. When ctx ends first
// it cancels them, closes their connections and returns the reason of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	// net/http waits five seconds for a connection on which no request came
	// (browsers open them ahead); nothing is lost by closing it at once, since
	// a request arriving now would be dropped anyway.
	s.http.RegisterOnShutdown(s.closeFresh)
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.Close()
		return err
	}
	s.giveUp()
	return nil
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.giveUp()
	return s.http.Close()
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

func (s *Server) closeFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.fresh {
		_ = c.Close()
	}
	clear(s.fresh)
}

type connInfoKey struct{}

// connInfo is parsed once a connection, not once a request.
type connInfo struct{ remote, local netip.AddrPort }

func withConnInfo(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connInfoKey{}, &connInfo{
		remote: addrPort(c.RemoteAddr()),
		local:  addrPort(c.LocalAddr()),
	})
}

// addrPort turns IPv4 in IPv6 form (dual-stack listeners) into plain IPv4, so
// that address rules see one form only.
func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
