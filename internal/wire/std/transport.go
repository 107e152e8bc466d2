package std

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

// continueTimeout is how long a body waits for the 100 its sender asked for.
const continueTimeout = time.Second

// Transport is a wire.Transport on net/http, safe for concurrent use. Make one
// and keep it: it holds the connection pools.
type Transport struct {
	cfg   wire.TransportConfig
	pools atomic.Pointer[pools]
}

// NewTransport returns a transport with empty pools.
func NewTransport(cfg wire.TransportConfig) *Transport {
	cfg.Fill()
	t := &Transport{cfg: cfg}
	t.pools.Store(newPools(&t.cfg))
	return t
}

// CloseIdle closes the connections that no request uses.
func (t *Transport) CloseIdle() { t.pools.Load().closeIdle() }

func newTransport(cfg *wire.TransportConfig, p *http.Protocols, alpn ...string) *http.Transport {
	d := &dialer{dial: cfg.Dial, timeout: cfg.ConnectTimeout, tls: clientTLS(cfg, alpn), skipChain: cfg.SkipChain, skipName: cfg.SkipName}
	t := &http.Transport{
		Protocols:              p,
		DialContext:            d.timed,
		DialTLSContext:         d.secure,
		TLSClientConfig:        proxiedTLS(cfg, alpn),
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

func (d *dialer) timed(ctx context.Context, network, addr string) (net.Conn, error) {
	began := time.Now()
	c, err := d.plain(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &dialed{Conn: c, took: time.Since(began)}, nil
}

func (d *dialer) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	began := time.Now()
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
	timed := &dialed{Conn: raw}
	c := tls.Client(timed, d.configFor(host))
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, d.failed(ctx, "tls handshake", addr, err)
	}
	timed.took = time.Since(began)
	return c, nil
}

// dialed is a connection that knows how long it took to make. Below TLS it is
// found through NetConn; net/http must see the *tls.Conn itself.
type dialed struct {
	net.Conn
	took time.Duration
}

// NetConn returns the connection underneath.
func (c *dialed) NetConn() net.Conn { return c.Conn }

func connectTime(c net.Conn) time.Duration {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if d, ok := c.(*dialed); ok {
		return d.took
	}
	return 0
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
