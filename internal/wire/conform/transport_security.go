package conform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// securityChecks are about TLS towards backends.
func securityChecks() []check {
	return []check{
		{name: "a trusted backend", run: trustedBackend},
		{name: "an unknown issuer is refused", run: unknownIssuer},
		{name: "another name is refused", run: otherName},
		{name: "exceptions are as narrow as they say", run: exceptions},
		{name: "plain HTTP where TLS is expected", run: plainBackend},
	}
}

// bulkChecks are about size.
func bulkChecks() []check {
	return []check{{name: "100 MB each way in constant memory", run: bulk, alone: true}}
}

func playTLS(t *testing.T, k *keys, s script) *backend {
	t.Helper()
	return playOn(t, s, func(c net.Conn) net.Conn { return tls.Server(c, k.server()) })
}

func (b *backend) secure(target string) *wire.Outgoing {
	out := b.get(target)
	out.Scheme = "https"
	return out
}

func trustedBackend(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	b := playTLS(t, id, counting)
	tr := transport(t, e, wire.TransportConfig{TLS: id.client()})
	for i := range 3 {
		if r := must(t, tr, b.secure("/")); r.body != fmt.Sprintf("1.%d /", i+1) {
			t.Errorf("%q", r.body)
		}
	}
}

func unknownIssuer(t *testing.T, e Engine) {
	b := playTLS(t, identity(t, "127.0.0.1"), counting)
	empty := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	_ = fails(t, transport(t, e, wire.TransportConfig{TLS: empty}), b.secure("/"), wire.KindConnect)
	_ = fails(t, transport(t, e, wire.TransportConfig{}), b.secure("/"), wire.KindConnect)
}

func otherName(t *testing.T, e Engine) {
	id := identity(t, "other.example")
	b := playTLS(t, id, counting)
	out := b.secure("/")
	out.Host = "other.example" // what counts is whom we connect to, not what we say
	_ = fails(t, transport(t, e, wire.TransportConfig{TLS: id.client()}), out, wire.KindConnect)
}

func exceptions(t *testing.T, e Engine) {
	right, wrong := identity(t, "127.0.0.1"), identity(t, "other.example")
	for _, tc := range []struct {
		name       string
		id         *keys
		trusted    bool
		chain, any bool
		ok         bool
	}{
		{"name skipped, known issuer", wrong, true, false, true, true},
		{"name skipped, unknown issuer", wrong, false, false, true, false},
		{"chain skipped, right name", right, false, true, false, true},
		{"chain skipped, wrong name", wrong, false, true, false, false},
		{"both skipped", wrong, false, true, true, true},
	} {
		b := playTLS(t, tc.id, counting)
		cfg := wire.TransportConfig{SkipChain: tc.chain, SkipName: tc.any, TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}
		if tc.trusted {
			cfg.TLS = tc.id.client()
		}
		r := call(context.Background(), transport(t, e, cfg), b.secure("/"))
		if (r.err == nil) != tc.ok || r.err != nil && wire.KindOf(r.err) != wire.KindConnect {
			t.Errorf("%s: %v", tc.name, r.err)
		}
	}
}

func plainBackend(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		p.trySend("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		_, _ = p.rest()
	})
	_ = fails(t, transport(t, e, wire.TransportConfig{}), b.secure("/"), wire.KindConnect)
}

// zeros is a body of n bytes that takes no memory.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	k := int(min(int64(len(p)), z.n))
	z.n -= int64(k)
	return k, nil
}

func bulk(t *testing.T, e Engine) {
	const size = 100 << 20
	b := play(t, func(p *peer, _ int) {
		for {
			head, err := readHead(p.br)
			if err != nil {
				return
			}
			if wire.EqualName(head.Header.Get("Transfer-Encoding"), "chunked") {
				p.fail("the body came chunked")
			}
			n, err := io.CopyN(io.Discard, p.br, size)
			if err != nil {
				p.fail("read %d bytes: %v", n, err)
			}
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
			block := strings.Repeat("x", 256<<10)
			for range size / len(block) {
				p.send(block)
			}
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	before := heapInUse()
	for range 2 {
		in, err := tr.RoundTrip(context.Background(), b.stream("/", &zeros{size}, size))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, in.Body)
		_ = in.Body.Close()
		if n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if grown := int64(m.HeapAlloc) - before; grown > 64<<20 {
		t.Errorf("the heap has grown by %d MB for 400 MB of bodies", grown>>20)
	}
}
