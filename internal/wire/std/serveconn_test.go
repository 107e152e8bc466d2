package std

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// acceptor stands for the other engine: it accepts, makes the TLS handshake and
// looks at the first bytes, then hands every connection over.
func acceptor(t *testing.T, s *Server, conf *tls.Config) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if conf != nil {
					tc := tls.Server(c, conf)
					if tc.HandshakeContext(context.Background()) != nil {
						_ = c.Close()
						return
					}
					s.ServeConn(tc)
					return
				}
				first := make([]byte, 3)
				if _, err := io.ReadFull(c, first); err != nil {
					_ = c.Close()
					return
				}
				s.ServeConn(&peeked{Conn: c, r: io.MultiReader(bytes.NewReader(first), c)})
			}()
		}
	}()
	return l.Addr().String()
}

type peeked struct {
	net.Conn
	r io.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

func TestServeConn(t *testing.T) {
	cert, pool := certificate(t, "127.0.0.1")
	conf := cert.Clone()
	conf.NextProtos = []string{"h2", "http/1.1"}
	for name, tc := range map[string]struct {
		cfg  wire.ServerConfig
		outs []wire.Outgoing
		want string
	}{
		"TLS":                  {wire.ServerConfig{}, []wire.Outgoing{{Scheme: "https", Version: wire.HTTP2}}, "GET https ADDR / HTTP/2.0\n"},
		"TLS, of the config":   {wire.ServerConfig{TLS: cert}, []wire.Outgoing{{Scheme: "https", Version: wire.HTTP2}}, "GET https ADDR / HTTP/2.0\n"},
		"TLS with HTTP/1.1":    {wire.ServerConfig{}, []wire.Outgoing{{Scheme: "https"}}, "GET https ADDR / HTTP/1.1\n"},
		"plain with preface":   {wire.ServerConfig{H2C: true}, []wire.Outgoing{{Scheme: "http", Version: wire.HTTP2}}, "GET http ADDR / HTTP/2.0\n"},
		"plain, no preface":    {wire.ServerConfig{H2C: true}, []wire.Outgoing{{Scheme: "http"}}, "GET http ADDR / HTTP/1.1\n"},
		"plain, with TLS also": {wire.ServerConfig{H2C: true, TLS: cert}, []wire.Outgoing{{Scheme: "http", Version: wire.HTTP2}}, "GET http ADDR / HTTP/2.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewServer(tc.cfg, wire.HandlerFunc(echo))
			outside := conf
			if tc.outs[0].Scheme == "http" {
				outside = nil
			}
			addr := acceptor(t, s, outside)
			tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
			for _, out := range tc.outs {
				out.Method, out.Authority, out.Target = "GET", addr, "/"
				for range 3 {
					if _, body := fetch(t, tr, &out); body != strings.Replace(tc.want, "ADDR", addr, 1) {
						t.Errorf("%q", body)
					}
				}
			}
			if err := s.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			mine, theirs := net.Pipe()
			go s.ServeConn(theirs) // closed at once: nobody takes it any more
			if _, err := mine.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after Shutdown: %v", err)
			}
		})
	}
}

// Requests of connections handed over are waited for like all others.
func TestShutdownWaitsForServeConn(t *testing.T) {
	cert, pool := certificate(t, "127.0.0.1")
	conf := cert.Clone()
	conf.NextProtos = []string{"h2"}
	entered, release := make(chan struct{}), make(chan struct{})
	s := NewServer(wire.ServerConfig{}, wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
		close(entered)
		<-release
		wire.Reply(w, 200, "", []byte("done"))
	}))
	out := &wire.Outgoing{Method: "GET", Scheme: "https", Authority: acceptor(t, s, conf), Target: "/", Version: wire.HTTP2}
	tr := transport(t, wire.TransportConfig{TLS: clientConf(pool)})
	body := make(chan string, 1)
	go func() { _, b := fetch(t, tr, out); body <- b }()
	<-entered
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	<-s.handed.closed
	close(release)
	if b := <-body; b != "done" {
		t.Errorf("body %q", b)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
