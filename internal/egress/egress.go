// Package egress makes every outgoing connection: names that stand for private
// addresses, the local address to leave from, which destinations are forbidden,
// TLS rules and proxies of backends.
// It must not know APIs, policies or credentials, nor read a byte of what is
// sent.
// Start at New; rules.go decides, dial.go connects, transport.go hands out
// transports.
package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultConnectTimeout bounds name look-up and TCP connect together.
const DefaultConnectTimeout = 10 * time.Second

// Config sets up a Dialer.
type Config struct {
	// SourceAddress is the local address to leave from; the zero value lets the
	// system choose.
	SourceAddress netip.Addr
	// Hosts maps "name" or "name:port" to "address" or "address:port" and comes
	// before DNS: private endpoints without private DNS. The address may be
	// another name, which is then looked up.
	Hosts          map[string]string
	ConnectTimeout time.Duration
	// AllowLinkLocal lifts the rule against link-local and metadata addresses.
	// An address written in Hosts is allowed without it.
	AllowLinkLocal bool
	// DenyCIDRs are forbidden, whatever else allows them.
	DenyCIDRs []netip.Prefix
	// AllowCIDRs, when there are any, are the only destinations besides the
	// addresses written in Hosts. They do not lift the rule against link-local
	// addresses.
	AllowCIDRs []netip.Prefix
	// MaxConnsPerHost bounds the connections to one authority; 0 = the engine's
	// default.
	MaxConnsPerHost int
	// Engine names the wire engine; "" is the default one.
	Engine string
	// Made is told of every connection, before anything is sent on it; nil for
	// nobody.
	Made func(c net.Conn)
}

// Dialer makes connections under one set of rules. It is safe for concurrent
// use.
type Dialer struct {
	source  netip.Addr
	timeout time.Duration
	hosts   map[string]target
	rules   rules
	look    resolver
	goos    string
	engine  string
	perHost int
	made    func(net.Conn)

	mu    sync.Mutex
	pools map[poolKey]*pool
	tick  uint64
}

type target struct {
	host    string
	port    string // "" keeps the port asked for
	literal bool   // host is an address
}

// New checks c and returns its dialer.
func New(c Config) (*Dialer, error) {
	d := newDialer(c)
	for from, to := range c.Hosts {
		key, err := hostsKey(from)
		if err != nil {
			return nil, fmt.Errorf("egress hosts: %q: %w", from, err)
		}
		t, err := hostsTarget(to)
		if err != nil {
			return nil, fmt.Errorf("egress hosts: %q: address %q: %w", from, to, err)
		}
		if _, twice := d.hosts[key]; twice {
			return nil, fmt.Errorf("egress hosts: %q is given twice", key)
		}
		d.hosts[key] = t
	}
	for _, p := range slices.Concat(c.DenyCIDRs, c.AllowCIDRs) {
		if !p.IsValid() {
			return nil, fmt.Errorf("egress rules: invalid address range %v", p)
		}
	}
	return d, nil
}

// WithLinkLocal returns a dialer with the same rules that may also reach
// link-local addresses. It is for the platform's own identity endpoints, which
// live there; configuration and policies never get it.
func (d *Dialer) WithLinkLocal() *Dialer {
	c := &Dialer{source: d.source, timeout: d.timeout, hosts: d.hosts, rules: d.rules, look: d.look, goos: d.goos, made: d.made, engine: d.engine, perHost: d.perHost,
		pools: make(map[poolKey]*pool)}
	c.rules.linkLocal = true
	if len(d.rules.allow) > 0 {
		c.rules.allow = slices.Concat(d.rules.allow, d.rules.metadata)
	}
	return c
}

// hostsKey normalises a name to lower case without a final dot.
func hostsKey(s string) (string, error) {
	host, port, err := splitOptionalPort(s)
	if err != nil {
		return "", err
	}
	if port == "" {
		return canonical(host), nil
	}
	return net.JoinHostPort(canonical(host), port), nil
}

func hostsTarget(s string) (target, error) {
	host, port, err := splitOptionalPort(s)
	if err != nil {
		return target{}, err
	}
	_, parseErr := netip.ParseAddr(host)
	return target{host: canonical(host), port: port, literal: parseErr == nil}, nil
}

func splitOptionalPort(s string) (host, port string, err error) {
	host = s
	if strings.HasPrefix(s, "[") || strings.Count(s, ":") == 1 {
		if strings.HasSuffix(s, "]") {
			host = s[1 : len(s)-1]
		} else if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", err
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", fmt.Errorf("port %q is not a number from 1 to 65535", port)
		}
	}
	if host == "" {
		return "", "", fmt.Errorf("no host")
	}
	if strings.ContainsAny(host, "/ @?#") {
		return "", "", fmt.Errorf("write a name or an address, with an optional port, and no URL")
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", fmt.Errorf("not an address: %w", err)
		}
	}
	return host, port, nil
}

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
