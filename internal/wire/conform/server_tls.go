package conform

import (
	"crypto/tls"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// tlsChecks are about TLS and the choice of the protocol.
func tlsChecks() []check {
	return []check{
		{name: "HTTP/1.1 over TLS", run: overTLS},
		{name: "ALPN chooses the protocol", run: alpn},
		{name: "plain HTTP to a TLS listener", run: plainToTLS},
		{name: "a TLS handshake that never ends", run: silentTLS},
		{name: "large answers over TLS", run: largeTLS},
		{name: "upgrade over TLS", run: upgradeTLS},
	}
}

func (s *host) dialTLS(k *keys, protocols ...string) *peer {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.addr, k.client(protocols...))
	if err != nil {
		s.t.Fatal(err)
	}
	return newPeer(s.t, c)
}

func overTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	cfg := wire.ServerConfig{TLS: id.server()}
	p := serve(t, e, cfg, echo).dialTLS(id, "http/1.1")
	for range 2 {
		p.send(post("/x", "body"))
		if m := p.answer("POST"); !strings.HasPrefix(m.Body, "POST https h /x HTTP/1.1\n") || !strings.HasSuffix(m.Body, "body|<nil>|4") {
			t.Errorf("%+v", m)
		}
	}
	p.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	p.answer("GET")
	p.endedCleanly() // with an alert, or it could be a truncation
	h, requests := recorder()
	serve(t, e, cfg, h).dialTLS(id, "http/1.1").send(get("/"))
	q := await(t, "the request", requests)
	if q.TLSVersion != "1.3" || q.Scheme != "https" {
		t.Errorf("TLS %q, scheme %s", q.TLSVersion, q.Scheme)
	}
}

func alpn(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, echo)
	for _, tc := range []struct {
		offer []string
		want  string
	}{
		{[]string{"h2", "http/1.1"}, "h2"}, {[]string{"http/1.1"}, "http/1.1"}, {[]string{"http/1.1", "h2"}, "h2"}, {nil, ""},
	} {
		c, err := tls.Dial("tcp", s.addr, id.client(tc.offer...))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != tc.want {
			t.Errorf("offered %q: %q, want %q", tc.offer, got, tc.want)
		}
		_ = c.Close()
	}
	p := s.dialTLS(id)
	p.send(get("/no-alpn"))
	if m := p.answer("GET"); m.status() != 200 {
		t.Errorf("%+v", m)
	}
}

func plainToTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, target)
	p := s.dial()
	p.send(get("/"))
	if got, _ := p.rest(); strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("answered %q", got)
	}
	if m := func() *message { q := s.dialTLS(id, "http/1.1"); q.send(get("/y")); return q.answer("GET") }(); m.Body != "/y" {
		t.Errorf("the next client: %+v", m)
	}
}

func largeTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	text := strings.Repeat("0123456789abcdef", 100_000)
	p := serve(t, e, wire.ServerConfig{TLS: id.server()}, mirror).dialTLS(id, "http/1.1")
	for range 2 {
		go p.trySend(post("/", text))
		if m := p.answer("POST"); m.Body != text {
			t.Errorf("%d bytes, want %d", len(m.Body), len(text))
		}
	}
}

func upgradeTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	cfg := wire.ServerConfig{TLS: id.server()}
	p := serve(t, e, cfg, switching(t, echoStream)).dialTLS(id, "http/1.1")
	p.send(handshake + "early")
	p.until("\r\n\r\nearly")
	p.send("late")
	p.until("late")
}

func silentTLS(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server(), ReadHeaderTimeout: short}, target)
	for _, text := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
		p := s.dial()
		p.send(text)
		if got, err := p.rest(); err != nil && !isReset(err) || strings.Contains(got, "HTTP") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
