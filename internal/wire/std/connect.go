package std

import (
	"context"
	"net"

	"sallyport/internal/wire"
)

// Connector makes connections under the rules of a TransportConfig, for
// engines that speak HTTP themselves: name and TCP and TLS within the connect
// timeout, certificates checked as configured, failures of KindConnect.
type Connector struct{ d *dialer }

// NewConnector returns a connector that offers the protocols alpn over TLS.
func NewConnector(cfg wire.TransportConfig, alpn ...string) *Connector {
	cfg.Fill()
	return &Connector{&dialer{dial: cfg.Dial, timeout: cfg.ConnectTimeout, tls: clientTLS(&cfg, alpn), skipChain: cfg.SkipChain, skipName: cfg.SkipName}}
}

// Connect connects to addr (host:port), with TLS when secure.
func (c *Connector) Connect(ctx context.Context, secure bool, addr string) (net.Conn, error) {
	if secure {
		return c.d.secure(ctx, "tcp", addr)
	}
	return c.d.plain(ctx, "tcp", addr)
}
