package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withTLS opens a TLS listener on the gateway, with a certificate of its own.
func withTLS(t *testing.T, o chainOptions) (c *chain, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	roots = selfSigned(t, dir)
	o.more = func(p *portBlock) []string {
		return []string{"gateway.tls.listen=" + p.addr(tlsPort), "gateway.tls.certFile=" + filepath.Join(dir, "cert.pem"), "gateway.tls.keyFile=" + filepath.Join(dir, "key.pem")}
	}
	return startChain(t, o), roots
}

func (c *chain) tlsURL() string { return "https://" + c.ports.addr(tlsPort) }

func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sallyport e2e"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

func tlsClient(t *testing.T, roots *x509.CertPool, from string, h2 bool) *http.Client {
	tr := &http.Transport{DialContext: dialFrom(from), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// Both versions of HTTP, in front and behind, plain and streamed.
func TestHTTPVersions(t *testing.T) {
	t.Parallel()
	streamed := chunk("one") + chunk("two") + chunk("three") + doneEvent
	for _, behind := range []struct{ version, proto string }{{"1", "HTTP/1.1"}, {"2", "HTTP/2.0"}} {
		t.Run("backend "+behind.proto, func(t *testing.T) {
			t.Parallel()
			m := startModel(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != behind.proto {
					t.Errorf("the backend was called with %s, want %s", r.Proto, behind.proto)
				}
				if b, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(b), `"stream":true`) {
					answerPlain(w, r)
					return
				}
				push := stream(w)
				for _, s := range []string{"one", "two", "three"} {
					_ = push(chunk(s))
				}
				_ = push(doneEvent)
			})
			c, roots := withTLS(t, chainOptions{model: m, edit: func(dir string) {
				edit(t, filepath.Join(dir, "apim", "apis", "foundry-openai", "policy.xml"), `<forward-request timeout="120"`, `<forward-request http-version="`+behind.version+`" timeout="120"`)
			}})
			for _, front := range []struct {
				name, url string
				h2        bool
			}{{"h2", c.tlsURL(), true}, {"HTTP/1.1 over TLS", c.tlsURL(), false}, {"HTTP/1.1", c.gateway, false}} {
				hc := tlsClient(t, roots, "", front.h2)
				if !strings.HasPrefix(front.url, "https") {
					hc = client(t, "")
				}
				for body, want := range map[string]string{askPlain: "A gate.", askStream: streamed} {
					res, err := send(t.Context(), hc, "POST", front.url+chatPath, body, keyHeader, userKey)
					if err != nil {
						t.Fatalf("%s: %v", front.name, err)
					}
					text, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if err != nil || res.StatusCode != 200 || !strings.Contains(string(text), want) || (res.ProtoMajor == 2) != front.h2 {
						t.Errorf("%s: %s %s %v: %s", front.name, res.Proto, res.Status, err, text)
					}
				}
			}
		})
	}
}
