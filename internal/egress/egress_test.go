package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// serve answers every request with the address it came from and its host.
func serve(t *testing.T, listen string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	s := std.NewServer(wire.ServerConfig{}, wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "text/plain", []byte(r.Remote.Addr().String()+" "+r.Host))
	}))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func dialer(t *testing.T, c Config) *Dialer {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.CloseIdle)
	return d
}

func fetch(d *Dialer, authority string) (string, error) {
	in, err := d.Transport(TLSOptions{}).RoundTrip(context.Background(),
		&wire.Outgoing{Method: "GET", Scheme: "http", Authority: authority, Target: "/"})
	if err != nil {
		return "", err
	}
	defer in.Body.Close()
	b, err := io.ReadAll(in.Body)
	return string(b), err
}

// nameServer resolves every name to ip.
func nameServer(t *testing.T, ip string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	a := netip.MustParseAddr(ip)
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			q := m.Questions[0]
			if q.Type == dnsmessage.TypeA && a.Is4() {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
					Body:   &dnsmessage.AResource{A: a.As4()}})
			}
			if b, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(b, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestHosts(t *testing.T) {
	addr := serve(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(addr)
	d := dialer(t, Config{Hosts: map[string]string{
		"models.example":     "127.0.0.1",
		"Exact.Example.:81":  addr,
		"exact.example":      "127.0.0.1:1",
		"169.254.169.254:80": addr,
		"alias.example":      "localhost:" + port,
	}})
	for authority, want := range map[string]string{
		"models.example:" + port: "127.0.0.1 models.example:" + port,
		"exact.example:81":       "127.0.0.1 exact.example:81",
		"EXACT.example.:81":      "127.0.0.1 EXACT.example.:81",
		"169.254.169.254":        "127.0.0.1 169.254.169.254", // a pinned address lifts the metadata rule
		"alias.example:9":        "127.0.0.1 alias.example:9",
	} {
		if got, err := fetch(d, authority); got != want || err != nil {
			t.Errorf("%s: %q, %v", authority, got, err)
		}
	}
	if _, err := fetch(d, "exact.example:82"); wire.KindOf(err) != wire.KindConnect ||
		!strings.Contains(err.Error(), "(in egress hosts: 127.0.0.1:1)") {
		t.Errorf("override without port: %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		c    Config
		want string
	}{
		"bad port":    {Config{Hosts: map[string]string{"a:x": "1.2.3.4"}}, `port "x"`},
		"bad address": {Config{Hosts: map[string]string{"a": "1.2.3.4:0"}}, `port "0"`},
		"url":         {Config{Hosts: map[string]string{"a": "https://b/"}}, `"https://b/"`},
		"empty":       {Config{Hosts: map[string]string{"a": ""}}, "no host"},
		"bad IPv6":    {Config{Hosts: map[string]string{"a": "fe80:::1"}}, "not an address"},
		"twice":       {Config{Hosts: map[string]string{"a": "1.1.1.1", "A.": "2.2.2.2"}}, "given twice"},
		"bad range":   {Config{DenyCIDRs: []netip.Prefix{{}}}, "invalid address range"},
	} {
		if _, err := New(tc.c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRules(t *testing.T) {
	r := func(c Config) rules { return newDialer(c).rules }
	cidrs := func(s ...string) (ps []netip.Prefix) {
		for _, p := range s {
			ps = append(ps, netip.MustParsePrefix(p))
		}
		return ps
	}
	for _, tc := range []struct {
		name   string
		rules  rules
		addr   string
		pinned bool
		denied string // "" = allowed
	}{
		{"public", r(Config{}), "8.8.8.8", false, ""},
		{"private", r(Config{}), "10.1.2.3", false, ""},
		{"loopback", r(Config{}), "127.0.0.1", false, ""},
		{"metadata", r(Config{}), "169.254.169.254", false, "metadata"},
		{"metadata as IPv6", r(Config{}), "::ffff:169.254.169.254", false, "metadata"},
		{"metadata through NAT64", r(Config{}), "64:ff9b::a9fe:a9fe", false, "metadata"},
		{"metadata through 6to4", r(Config{}), "2002:a9fe:a9fe::1", false, "metadata"},
		{"link-local IPv6", r(Config{}), "fe80::1%eth0", false, "metadata"},
		{"Azure host", r(Config{}), "168.63.129.16", false, "metadata"},
		{"metadata pinned", r(Config{}), "169.254.169.254", true, ""},
		{"metadata allowed", r(Config{AllowLinkLocal: true}), "169.254.169.254", false, ""},
		{"denied range", r(Config{DenyCIDRs: cidrs("10.0.0.0/8")}), "10.1.2.3", false, "10.0.0.0/8"},
		{"denied range as IPv6", r(Config{DenyCIDRs: cidrs("10.0.0.0/8")}), "::ffff:10.1.2.3", false, "10.0.0.0/8"},
		{"denied range wins over a pin", r(Config{DenyCIDRs: cidrs("10.0.0.0/8")}), "10.1.2.3", true, "10.0.0.0/8"},
		{"denied wins over allowed", r(Config{DenyCIDRs: cidrs("10.0.0.0/8"), AllowCIDRs: cidrs("10.0.0.0/8")}), "10.1.2.3", false, "deny"},
		{"inside allowed", r(Config{AllowCIDRs: cidrs("10.0.0.0/8")}), "10.1.2.3", false, ""},
		{"outside allowed", r(Config{AllowCIDRs: cidrs("10.0.0.0/8")}), "11.1.2.3", false, "allow only"},
		{"outside allowed, pinned", r(Config{AllowCIDRs: cidrs("10.0.0.0/8")}), "11.1.2.3", true, ""},
		{"allowing all is not allowing metadata", r(Config{AllowCIDRs: cidrs("0.0.0.0/0")}), "169.254.169.254", false, "metadata"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.rules.check(netip.MustParseAddr(tc.addr), tc.pinned)
			if tc.denied == "" && err != nil || tc.denied != "" && (err == nil || !strings.Contains(err.Error(), tc.denied)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRulesSeeTheResolvedAddress: a public name that points at the metadata
// service is refused, since the rule looks at what is connected.
func TestRulesSeeTheResolvedAddress(t *testing.T) {
	d := dialer(t, Config{Hosts: map[string]string{"alias.example": "rebind.example"}})
	d.look = nameServer(t, "169.254.169.254")
	for _, name := range []string{"rebind.example:80", "alias.example:80", "169.254.169.254:80", "[::ffff:169.254.169.254]:80"} {
		if _, err := fetch(d, name); wire.KindOf(err) != wire.KindDenied || !strings.Contains(err.Error(), "metadata") {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.look = nameServer(t, "127.0.0.1")
	addr := serve(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(addr)
	if _, err := fetch(d, "fine.example:"+port); err != nil {
		t.Errorf("a name that points elsewhere: %v", err)
	}
}

func TestWithLinkLocalKeepsTheOtherRules(t *testing.T) {
	d := dialer(t, Config{DenyCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	free := d.WithLinkLocal()
	if err := free.rules.check(netip.MustParseAddr("169.254.169.254"), false); err != nil {
		t.Error(err)
	}
	if err := d.rules.check(netip.MustParseAddr("169.254.169.254"), false); err == nil {
		t.Error("the dialer it came from changed")
	}
	listed := dialer(t, Config{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}).WithLinkLocal()
	if err := listed.rules.check(netip.MustParseAddr("169.254.169.254"), false); err != nil {
		t.Error(err)
	}
	if _, err := fetch(free, "127.0.0.1:9"); wire.KindOf(err) != wire.KindDenied {
		t.Errorf("denied range: %v", err)
	}
}

func TestSourceAddress(t *testing.T) {
	addr := serve(t, "127.0.0.1:0")
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		if runtime.GOOS == "linux" || os.Getenv("SALLYPORT_REQUIRE_SERVICES") == "1" {
			t.Fatal(err)
		}
		t.Skipf("127.0.0.2 is not usable on this system without an alias: %v", err)
	}
	_ = l.Close()
	d := dialer(t, Config{SourceAddress: netip.MustParseAddr("127.0.0.2")})
	if got, err := fetch(d, addr); err != nil || got != "127.0.0.2 "+addr {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSourceAddressThatIsNotOurs(t *testing.T) {
	d := dialer(t, Config{SourceAddress: netip.MustParseAddr("192.0.2.1")})
	_, err := fetch(d, "127.0.0.1:9")
	if wire.KindOf(err) != wire.KindConnect || !strings.Contains(err.Error(), "cannot leave from the source address 192.0.2.1") {
		t.Errorf("%v", err)
	}
	mac := dialer(t, Config{SourceAddress: netip.MustParseAddr("127.0.0.2")})
	mac.goos = "darwin"
	if err := mac.sourceError("a:1", errors.New("x")); !strings.Contains(err.Error(), "sudo ifconfig lo0 alias 127.0.0.2 up") {
		t.Errorf("%v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	d := dialer(t, Config{ConnectTimeout: 5 * time.Second})
	if _, err := d.DialContext(context.Background(), "tcp", closed); wire.KindOf(err) != wire.KindConnect ||
		!strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	if _, err := d.DialContext(context.Background(), "tcp", "noport"); wire.KindOf(err) != wire.KindConnect {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.DialContext(ctx, "tcp", closed); wire.KindOf(err) != wire.KindCanceled {
		t.Errorf("%v", err)
	}
	gone := d.explain(context.Background(), "x.example:1", &net.DNSError{Err: "no such host", Name: "x.example", IsNotFound: true})
	if !strings.Contains(gone.Error(), "egress hosts") {
		t.Errorf("%v", gone)
	}
}

func TestTransportsAreShared(t *testing.T) {
	d := dialer(t, Config{})
	roots := x509.NewCertPool()
	p1, p2 := &url.URL{Scheme: "http", Host: "p:1"}, &url.URL{Scheme: "http", Host: "p:1"}
	if d.Transport(TLSOptions{SkipName: true, RootCAs: roots, Proxy: p1}) != d.Transport(TLSOptions{SkipName: true, RootCAs: roots, Proxy: p2}) {
		t.Error("equal options gave two transports")
	}
	if d.Transport(TLSOptions{SkipName: true}) == d.Transport(TLSOptions{SkipChain: true}) {
		t.Error("different options shared a transport")
	}
	kept := d.Transport(TLSOptions{})
	for range 3 * maxPools {
		d.Transport(TLSOptions{RootCAs: x509.NewCertPool()})
		if d.Transport(TLSOptions{}) != kept {
			t.Fatal("the transport in use gave way")
		}
	}
	if n := len(d.pools); n > maxPools {
		t.Errorf("%d transports kept", n)
	}
}

func TestProxyTargetsAreChecked(t *testing.T) {
	d := dialer(t, Config{})
	tr := d.Transport(TLSOptions{Proxy: &url.URL{Scheme: "http", Host: serve(t, "127.0.0.1:0")}})
	for authority, kind := range map[string]wire.ErrorKind{"169.254.169.254": wire.KindDenied, "[fe80::1]:80": wire.KindDenied} {
		_, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: authority, Target: "/"})
		if wire.KindOf(err) != kind {
			t.Errorf("%s: %v", authority, err)
		}
	}
	in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "back.example", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	if b, _ := io.ReadAll(in.Body); string(b) != "127.0.0.1 back.example" {
		t.Errorf("through the proxy: %q", b)
	}
}
