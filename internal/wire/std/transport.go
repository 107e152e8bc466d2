package std

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"sallyport/internal/wire"
)

// Defaults of TransportConfig.
const (
	DefaultMaxIdlePerHost  = 512
	DefaultMaxConnsPerHost = 2048
	DefaultClientIdle      = 90 * time.Second
	DefaultConnectTimeout  = 10 * time.Second
	DefaultMaxReplyHeader  = 256 << 10
	continueTimeout        = time.Second
)

// TransportConfig sets up a Transport. Zero values take the defaults above.
type TransportConfig struct {
	// Dial makes connections; nil dials directly. A *wire.Error it returns is
	// passed on as it stands, any other error becomes one of KindConnect.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS  *tls.Config // roots and client certificates; nil takes the system's roots
	// SkipChain accepts any issuer and still checks the name; SkipName accepts
	// any name and still checks the issuer.
	SkipChain, SkipName bool

	MaxIdlePerHost  int           // idle connections kept for each host
	MaxConnsPerHost int           // HTTP/1.1 connections to one host; more requests wait
	IdleTimeout     time.Duration // before an idle connection is closed
	ConnectTimeout  time.Duration // for name, TCP and TLS together
	MaxReplyHeader  int64         // header bytes accepted from a backend
	// Proxy is an HTTP or SOCKS5 proxy for everything; nil for none. The
	// environment is never asked.
	Proxy *url.URL
}

// Transport is a wire.Transport on net/http, safe for concurrent use. Make one
// and keep it: it holds the connection pools.
type Transport struct {
	h1, h2, both http.RoundTripper
	proxied      bool
	idle         []*http.Transport
}

// NewTransport returns a transport with empty pools.
func NewTransport(cfg TransportConfig) *Transport {
	cfg.fill()
	var p1, p2, p21 http.Protocols
	p1.SetHTTP1(true)
	p2.SetHTTP2(true)
	p2.SetUnencryptedHTTP2(true)
	p21.SetHTTP1(true)
	p21.SetHTTP2(true)
	h1 := cfg.transport(&p1, "http/1.1")
	h2 := cfg.transport(&p2, "h2")
	both := cfg.transport(&p21, "h2", "http/1.1")
	return &Transport{h1: h1, h2: h2, both: both, proxied: cfg.Proxy != nil,
		idle: []*http.Transport{h1, h2, both}}
}

// CloseIdle closes the connections that no request uses.
func (t *Transport) CloseIdle() {
	for _, h := range t.idle {
		h.CloseIdleConnections()
	}
}

func (cfg *TransportConfig) fill() {
	setDefault(&cfg.MaxIdlePerHost, DefaultMaxIdlePerHost)
	setDefault(&cfg.MaxConnsPerHost, DefaultMaxConnsPerHost)
	setDefault(&cfg.IdleTimeout, DefaultClientIdle)
	setDefault(&cfg.ConnectTimeout, DefaultConnectTimeout)
	if cfg.MaxReplyHeader == 0 {
		cfg.MaxReplyHeader = DefaultMaxReplyHeader
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
}

func (cfg *TransportConfig) transport(p *http.Protocols, alpn ...string) *http.Transport {
	d := &dialer{dial: cfg.Dial, timeout: cfg.ConnectTimeout, tls: cfg.clientTLS(alpn), skipChain: cfg.SkipChain, skipName: cfg.SkipName}
	t := &http.Transport{
		Protocols:              p,
		DialContext:            d.plain,
		DialTLSContext:         d.secure,
		TLSClientConfig:        cfg.proxiedTLS(alpn),
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		DisableCompression:     true, // bodies pass as the backend encoded them
		MaxIdleConnsPerHost:    cfg.MaxIdlePerHost,
		IdleConnTimeout:        cfg.IdleTimeout,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: cfg.MaxReplyHeader,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if p.HTTP1() {
		t.MaxConnsPerHost = cfg.MaxConnsPerHost
	}
	if cfg.Proxy != nil {
		t.Proxy = http.ProxyURL(cfg.Proxy)
	}
	return t
}

// dialer makes the connections of one pool, so that every failure before the
// first request byte is known as KindConnect, whatever net/http makes of it.
type dialer struct {
	dial                func(ctx context.Context, network, addr string) (net.Conn, error)
	timeout             time.Duration
	tls                 *tls.Config
	skipChain, skipName bool
}

func (d *dialer) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, d.failed(ctx, "dial", addr, err)
	}
	return c, nil
}

func (d *dialer) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, d.failed(ctx, "dial", addr, err)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	c := tls.Client(raw, d.configFor(host))
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, d.failed(ctx, "tls handshake", addr, err)
	}
	return c, nil
}

func (d *dialer) failed(ctx context.Context, op, addr string, err error) error {
	var known *wire.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no connection to %s within %v: %w", addr, d.timeout, err)
	} else if op != "dial" {
		err = fmt.Errorf("%s: %w", addr, err)
	}
	return &wire.Error{Kind: wire.KindConnect, Op: op, Err: err}
}
