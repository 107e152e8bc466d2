package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"

	"sallyport/internal/wire"
)

// resolver looks names up; nil uses the system's.
type resolver = *net.Resolver

func newDialer(c Config) *Dialer {
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	return &Dialer{
		source: c.SourceAddress, timeout: c.ConnectTimeout, goos: runtime.GOOS, made: c.Made, engine: c.Engine, perHost: c.MaxConnsPerHost,
		hosts: make(map[string]target, len(c.Hosts)), pools: make(map[poolKey]*pool),
		rules: rules{linkLocal: c.AllowLinkLocal, deny: slices.Clone(c.DenyCIDRs),
			allow: slices.Clone(c.AllowCIDRs), metadata: metadataRanges()},
	}
}

// DialContext connects to addr ("host:port"). Rules are checked on the address
// that is about to be connected, after name look-up, so that a name which
// changes its address in between gains nothing. Errors are *wire.Error.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, connectError(fmt.Errorf("address %q: %w", addr, err))
	}
	to, replaced := d.override(host, port)
	nd := net.Dialer{Timeout: d.timeout, Resolver: d.look, ControlContext: d.control(to.literal && replaced)}
	if d.source.IsValid() {
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.source, 0))
		network = "tcp4"
		if d.source.Unmap().Is6() {
			network = "tcp6"
		}
	}
	c, err := nd.DialContext(ctx, network, net.JoinHostPort(to.host, to.port))
	if err != nil {
		if replaced {
			addr += " (in egress hosts: " + net.JoinHostPort(to.host, to.port) + ")"
		}
		return nil, d.explain(ctx, addr, err)
	}
	if d.made != nil {
		d.made(c)
	}
	return c, nil
}

// override looks "name:port" up before "name".
func (d *Dialer) override(host, port string) (to target, replaced bool) {
	name := canonical(host)
	to, replaced = d.hosts[net.JoinHostPort(name, port)]
	if !replaced {
		to, replaced = d.hosts[name]
	}
	if !replaced {
		return target{host: host, port: port}, false
	}
	if to.port == "" {
		to.port = port
	}
	return to, true
}

func (d *Dialer) control(pinned bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, c syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return &wire.Error{Kind: wire.KindDenied, Op: "dial", Err: fmt.Errorf("destination %q: %w", address, err)}
		}
		if err := d.rules.check(ap.Addr(), pinned); err != nil {
			return &wire.Error{Kind: wire.KindDenied, Op: "dial", Err: err}
		}
		if d.source.IsValid() {
			latePort(c)
		}
		return nil
	}
}

func connectError(err error) error {
	return &wire.Error{Kind: wire.KindConnect, Op: "dial", Err: err}
}

// explain turns the error of a dial into what an operator can act on.
func (d *Dialer) explain(ctx context.Context, addr string, err error) error {
	var denied *wire.Error
	if errors.As(err, &denied) {
		return &wire.Error{Kind: denied.Kind, Op: "dial", Err: fmt.Errorf("%s: %w", addr, denied.Err)}
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return &wire.Error{Kind: wire.KindCanceled, Op: "dial", Err: fmt.Errorf("%s: %w", addr, ctx.Err())}
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case d.source.IsValid() && errors.Is(err, syscall.EADDRNOTAVAIL):
		return connectError(d.sourceError(addr, err))
	case errors.As(err, &dns) && dns.IsNotFound:
		return connectError(fmt.Errorf("%s: no such name in DNS; a private endpoint can be given in the egress hosts: %w", addr, err))
	case errors.As(err, &timeout) && timeout.Timeout():
		return connectError(fmt.Errorf("%s: no connection within %v: %w", addr, d.timeout, err))
	}
	return connectError(fmt.Errorf("%s: %w", addr, err))
}

func (d *Dialer) sourceError(addr string, err error) error {
	hint := "is it configured on an interface of this machine?"
	// On macOS only 127.0.0.1 of the loopback network exists until added.
	if d.goos == "darwin" && d.source.IsLoopback() {
		hint = fmt.Sprintf("on macOS run: sudo ifconfig lo0 alias %v up", d.source)
	}
	return fmt.Errorf("%s: cannot leave from the source address %v; %s: %w", addr, d.source, hint, err)
}
