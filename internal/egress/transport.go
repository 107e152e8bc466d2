package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"sallyport/internal/wire"
	"sallyport/internal/wire/engine"
	"sallyport/internal/wire/std"
)

// maxPools bounds the transports kept; the one unused for longest gives way.
const maxPools = 128

// TLSOptions are what one backend may ask for. Two equal values share one
// transport and with it the connections; pointers are equal when they are the
// same pointer.
type TLSOptions struct {
	SkipChain   bool             // accept any issuer
	SkipName    bool             // accept any name
	RootCAs     *x509.CertPool   // nil takes the system's
	Certificate *tls.Certificate // client certificate, nil for none
	Proxy       *url.URL         // HTTP or SOCKS5 proxy, nil for none
}

type poolKey struct {
	skipChain, skipName bool
	roots               *x509.CertPool
	cert                *tls.Certificate
	proxy               string
}

type pool struct {
	transport wire.Transport // what callers use
	engine    engine.Transport
	used      uint64
}

// Transport returns the transport for o, the same one for the same options.
func (d *Dialer) Transport(o TLSOptions) wire.Transport {
	key := poolKey{skipChain: o.SkipChain, skipName: o.SkipName, roots: o.RootCAs, cert: o.Certificate}
	if o.Proxy != nil {
		key.proxy = o.Proxy.String()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tick++
	p, ok := d.pools[key]
	if !ok {
		d.makeRoomLocked()
		t := engine.NewTransport(d.engine, d.config(o))
		p = &pool{transport: t, engine: t}
		if o.Proxy != nil {
			p.transport = &proxied{d: d, next: t}
		}
		d.pools[key] = p
	}
	p.used = d.tick
	return p.transport
}

// Doer returns a sender for SDKs, under the same rules.
func (d *Dialer) Doer(o TLSOptions) *std.Doer { return std.NewDoer(d.config(o)) }

// CloseIdle closes the connections that no request uses.
func (d *Dialer) CloseIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.pools {
		p.engine.CloseIdle()
	}
}

func (d *Dialer) makeRoomLocked() {
	if len(d.pools) < maxPools {
		return
	}
	var oldest poolKey
	var found *pool
	for k, p := range d.pools {
		if found == nil || p.used < found.used {
			oldest, found = k, p
		}
	}
	delete(d.pools, oldest)
	found.engine.CloseIdle() // requests that run on it end undisturbed
}

func (d *Dialer) config(o TLSOptions) wire.TransportConfig {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs}
	if o.Certificate != nil {
		conf.Certificates = []tls.Certificate{*o.Certificate}
	}
	return wire.TransportConfig{Dial: d.DialContext, TLS: conf, SkipChain: o.SkipChain, SkipName: o.SkipName,
		MaxConnsPerHost: d.perHost,
		ConnectTimeout:  2 * d.timeout, // TCP has its own bound in DialContext; this one includes TLS
		Proxy:           o.Proxy}
}

// proxied applies the rules to a destination written as an address. A name is
// looked up by the proxy, where our rules cannot see the result.
type proxied struct {
	d    *Dialer
	next wire.Transport
}

func (p *proxied) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	host := out.Authority
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if a, err := netip.ParseAddr(trimBrackets(host)); err == nil {
		if err := p.d.rules.check(a, false); err != nil {
			return nil, &wire.Error{Kind: wire.KindDenied, Op: "dial", Err: fmt.Errorf("%s: %w", out.Authority, err)}
		}
	}
	return p.next.RoundTrip(ctx, out)
}

func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}
