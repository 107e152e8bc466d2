package wire

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"time"
)

// Defaults of ServerConfig and TransportConfig.
const (
	DefaultMaxHeaderBytes    = 64 << 10
	DefaultMaxHeaders        = 200
	DefaultMaxTarget         = 16 << 10
	DefaultReadHeaderTimeout = 15 * time.Second
	DefaultReadBodyTimeout   = 60 * time.Second
	DefaultIdleTimeout       = 120 * time.Second

	DefaultMaxIdlePerHost  = 512
	DefaultMaxConnsPerHost = 16384
	DefaultClientIdle      = 90 * time.Second
	DefaultConnectTimeout  = 10 * time.Second
	DefaultMaxReplyHeader  = 256 << 10
)

// ServerConfig sets up the server of an engine. Zero values take the defaults.
type ServerConfig struct {
	MaxHeaderBytes    int           // names and values together; more is 431
	MaxHeaders        int           // header lines; more is 431
	MaxTarget         int           // bytes of the request target; more is 414
	ReadHeaderTimeout time.Duration // from the first byte to the end of the headers
	ReadBodyTimeout   time.Duration // between two pieces of a request body
	IdleTimeout       time.Duration // between two requests of one connection
	// WriteTimeout bounds each write and each flush, not the whole answer, so
	// that a stream may last for hours. Zero sets no deadline.
	WriteTimeout time.Duration
	TLS          *tls.Config // nil serves plain HTTP
	// H2C accepts HTTP/2 with prior knowledge on plain connections.
	H2C     bool
	Logger  *slog.Logger // takes an engine's own messages, at debug level
	OnPanic func(v any, stack []byte)
}

// Fill replaces zero values by the defaults.
func (c *ServerConfig) Fill() {
	fill(&c.MaxHeaderBytes, DefaultMaxHeaderBytes)
	fill(&c.MaxHeaders, DefaultMaxHeaders)
	fill(&c.MaxTarget, DefaultMaxTarget)
	fill(&c.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	fill(&c.ReadBodyTimeout, DefaultReadBodyTimeout)
	fill(&c.IdleTimeout, DefaultIdleTimeout)
}

// TransportConfig sets up the transport of an engine. Zero values take the
// defaults.
type TransportConfig struct {
	// Dial makes connections; nil dials directly. A *Error it returns is
	// passed on as it stands, any other error becomes one of KindConnect.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS  *tls.Config // roots and client certificates; nil takes the system's roots
	// SkipChain accepts any issuer and still checks the name; SkipName accepts
	// any name and still checks the issuer.
	SkipChain, SkipName bool

	MaxIdlePerHost int // idle connections kept for each host
	// MaxConnsPerHost bounds the HTTP/1.1 connections to one host; more requests
	// wait. Azure allows 2,048 for each unit (API Management limits).
	MaxConnsPerHost int
	IdleTimeout     time.Duration // before an idle connection is closed
	MaxAge          time.Duration // after which a connection is not used again; 0 = no limit
	ConnectTimeout  time.Duration // for name, TCP and TLS together
	MaxReplyHeader  int64         // header bytes accepted from a backend
	// Proxy is an HTTP or SOCKS5 proxy for everything; nil for none. The
	// environment is never asked.
	Proxy *url.URL
}

// Fill replaces zero values by the defaults.
func (c *TransportConfig) Fill() {
	fill(&c.MaxIdlePerHost, DefaultMaxIdlePerHost)
	fill(&c.MaxConnsPerHost, DefaultMaxConnsPerHost)
	fill(&c.IdleTimeout, DefaultClientIdle)
	fill(&c.ConnectTimeout, DefaultConnectTimeout)
	fill(&c.MaxReplyHeader, DefaultMaxReplyHeader)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
}

func fill[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
