package std

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// start serves h on loopback until the test ends.
func start(t testing.TB, cfg wire.ServerConfig, h wire.HandlerFunc) (addr string, s *Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = NewServer(cfg, h)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String(), s
}

// raw sends text on a fresh connection and returns a reader of what comes back.
func raw(t testing.TB, addr, text string) (*bufio.Reader, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c), c
}

// rawReply sends text and reads one answer.
func rawReply(t testing.TB, addr, text string) (*http.Response, string) {
	t.Helper()
	br, _ := raw(t, addr, text)
	return reply(t, br, "GET")
}

func reply(t testing.TB, br *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read answer body: %v", err)
	}
	return res, string(body)
}

func get(addr, target string) *wire.Outgoing {
	return &wire.Outgoing{Method: "GET", Scheme: "http", Authority: addr, Target: target}
}

func post(addr, body string) *wire.Outgoing {
	return &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/",
		Bytes: []byte(body), ContentLength: int64(len(body))}
}

// fetch does a round trip and reads the answer.
func fetch(t testing.TB, tr *Transport, out *wire.Outgoing) (*wire.Incoming, string) {
	t.Helper()
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatalf("round trip: %v", err)
	}
	defer in.Body.Close()
	b, err := io.ReadAll(in.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return in, string(b)
}

func transport(t testing.TB, cfg wire.TransportConfig) *Transport {
	t.Helper()
	tr := NewTransport(cfg)
	t.Cleanup(tr.CloseIdle)
	return tr
}

// certificate returns a self-signed certificate for names and a pool trusting it.
func certificate(t testing.TB, names ...string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// echo answers with what it saw.
func echo(_ context.Context, r *wire.Request, w wire.Responder) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s %s\n", r.Method, r.Scheme, r.Host, r.Target, r.Proto)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if r.Body != nil {
		p, err := io.ReadAll(r.Body)
		fmt.Fprintf(&b, "\n%s|%v|%d", p, err, r.ContentLength)
	}
	wire.Reply(w, 200, "text/plain", []byte(b.String()))
}
