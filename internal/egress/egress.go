// Package egress makes every outgoing connection: name overrides, the source
// address, which destinations are allowed, TLS rules of a backend.
// It knows nothing of requests, policies or credentials.
// Start at Dialer.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// Config of a dialer. The zero value dials everything but link-local addresses.
type Config struct {
	// SourceAddress is the local address to call from; zero lets the system choose.
	SourceAddress netip.Addr
	// Hosts overrides names: "name" or "name:port" to "address" or
	// "address:port". What stands here is allowed, whatever its address.
	Hosts          map[string]string
	ConnectTimeout time.Duration // default 10 s
	// AllowLinkLocal permits 169.254.0.0/16 and fe80::/10, where clouds keep
	// their metadata and token services.
	AllowLinkLocal bool
	DenyCIDRs      []netip.Prefix
	AllowCIDRs     []netip.Prefix // when set, nothing else is allowed
}

// Dialer makes connections under the rules of its configuration. It is safe
// for concurrent use.
type Dialer struct {
	cfg   Config
	hosts map[string]string

	mu         sync.Mutex
	transports map[TLSOptions]*std.Transport
}

// TLSOptions of a backend.
type TLSOptions struct {
	SkipChain, SkipName bool // accept any issuer, any name
}

// New checks the configuration.
func New(cfg Config) (*Dialer, error) {
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	d := &Dialer{cfg: cfg, hosts: make(map[string]string, len(cfg.Hosts)), transports: map[TLSOptions]*std.Transport{}}
	for name, addr := range cfg.Hosts {
		host := addr
		if h, _, err := net.SplitHostPort(addr); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
			return nil, fmt.Errorf("host override %s: %q is not an address or address:port", name, addr)
		}
		d.hosts[strings.ToLower(name)] = addr
	}
	return d, nil
}

// overridden applies the host overrides to host:port.
func (d *Dialer) overridden(addr string) (string, bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, false
	}
	to, ok := d.hosts[strings.ToLower(addr)]
	if !ok {
		to, ok = d.hosts[strings.ToLower(host)]
	}
	if !ok {
		return addr, false
	}
	if _, _, err := net.SplitHostPort(to); err == nil {
		return to, true
	}
	return net.JoinHostPort(strings.Trim(to, "[]"), port), true
}

// DialContext connects to host:port. The rules are applied to the address
// that is dialled, after the name was resolved, so that a name that changes
// its address between check and use gains nothing.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	target, fixed := d.overridden(addr)
	nd := net.Dialer{Timeout: d.cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	if d.cfg.SourceAddress.IsValid() {
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.cfg.SourceAddress, 0))
	}
	if !fixed {
		nd.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return d.check(address) }
	}
	conn, err := nd.DialContext(ctx, network, target)
	if err == nil {
		return conn, nil
	}
	return nil, d.explain(ctx, addr, err)
}

// check applies the rules to a resolved address.
func (d *Dialer) check(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &deniedError{address, "it is not an IP address"}
	}
	a := ap.Addr().Unmap().WithZone("")
	for _, p := range d.cfg.DenyCIDRs {
		if p.Contains(a) {
			return &deniedError{a.String(), "egress.deny has " + p.String()}
		}
	}
	if (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast()) && !d.cfg.AllowLinkLocal && !contains(d.cfg.AllowCIDRs, a) {
		return &deniedError{a.String(), "link-local addresses hold cloud metadata services"}
	}
	if len(d.cfg.AllowCIDRs) > 0 && !contains(d.cfg.AllowCIDRs, a) {
		return &deniedError{a.String(), "egress.allow does not have it"}
	}
	return nil
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// deniedError says that a rule forbids an address.
type deniedError struct{ address, why string }

func (e *deniedError) Error() string {
	return "egress to " + e.address + " is not allowed: " + e.why
}

func (d *Dialer) explain(ctx context.Context, addr string, err error) error {
	var denied *deniedError
	switch {
	case errors.As(err, &denied):
		return &wire.Error{Kind: wire.KindDenied, Op: "dial " + addr, Err: denied}
	case ctx.Err() != nil:
		return &wire.Error{Kind: wire.KindCanceled, Op: "dial " + addr, Err: ctx.Err()}
	case errors.Is(err, syscall.EADDRNOTAVAIL) && d.cfg.SourceAddress.IsValid():
		hint := ""
		if d.cfg.SourceAddress.IsLoopback() {
			hint = fmt.Sprintf(" (macOS wants `sudo ifconfig lo0 alias %s up` first)", d.cfg.SourceAddress)
		}
		return &wire.Error{Kind: wire.KindConnect, Op: "dial " + addr, Err: fmt.Errorf("this host has no address %s to call from%s: %w", d.cfg.SourceAddress, hint, err)}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return &wire.Error{Kind: wire.KindConnect, Op: "dial " + addr, Err: fmt.Errorf("no connection within %s: %w", d.cfg.ConnectTimeout, err)}
	}
	return &wire.Error{Kind: wire.KindConnect, Op: "dial " + addr, Err: err}
}

// Transport returns the transport for these TLS options. Equal options share
// one transport and its connection pools, also across reloads.
func (d *Dialer) Transport(o TLSOptions) wire.Transport {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.transports[o]; ok {
		return t
	}
	cfg := std.TransportConfig{Dial: d.DialContext, SkipChain: o.SkipChain, SkipName: o.SkipName, ConnectTimeout: d.cfg.ConnectTimeout}
	t := std.NewTransport(cfg)
	d.transports[o] = t
	return t
}
