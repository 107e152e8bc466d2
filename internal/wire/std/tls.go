package std

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"sallyport/internal/wire"
)

var errNoCertificate = errors.New("the server sent no certificate")

// clientTLS returns the base configuration of direct connections; configFor
// adds the name.
func clientTLS(cfg *wire.TransportConfig, alpn []string) *tls.Config {
	c := cfg.TLS.Clone()
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.NextProtos = alpn
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if cfg.SkipChain || cfg.SkipName {
		c.InsecureSkipVerify = true
	}
	if cfg.SkipName && !cfg.SkipChain {
		c.VerifyConnection = after(c.VerifyConnection, chainOnly(c.RootCAs))
	}
	return c
}

// proxiedTLS is the same for connections through a proxy, where net/http makes
// the handshake and the name is only known from the connection.
func proxiedTLS(cfg *wire.TransportConfig, alpn []string) *tls.Config {
	c := clientTLS(cfg, alpn)
	if cfg.SkipChain && !cfg.SkipName {
		c.VerifyConnection = after(c.VerifyConnection, func(s tls.ConnectionState) error {
			return verifyName(s, s.ServerName)
		})
	}
	return c
}

func (d *dialer) configFor(host string) *tls.Config {
	c := d.tls.Clone()
	if c.ServerName == "" {
		c.ServerName = strings.TrimSuffix(host, ".")
	}
	if d.skipChain && c.InsecureSkipVerify && !d.skipName {
		name := c.ServerName
		c.VerifyConnection = after(c.VerifyConnection, func(s tls.ConnectionState) error {
			return verifyName(s, name)
		})
	}
	return c
}

type verifier func(tls.ConnectionState) error

func after(first, then verifier) verifier {
	if first == nil {
		return then
	}
	return func(s tls.ConnectionState) error {
		if err := first(s); err != nil {
			return err
		}
		return then(s)
	}
}

// verifyName checks the name and nothing else. An empty name matches nothing.
func verifyName(s tls.ConnectionState, name string) error {
	if len(s.PeerCertificates) == 0 {
		return errNoCertificate
	}
	return s.PeerCertificates[0].VerifyHostname(name)
}

// chainOnly checks issuer and dates against roots, whatever the name.
func chainOnly(roots *x509.CertPool) verifier {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errNoCertificate
		}
		inter := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			inter.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter})
		return err
	}
}
