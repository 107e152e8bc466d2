// Package conform is the suite that every engine of package wire passes: raw
// bytes over loopback sockets on one side, the seam of wire on the other.
// It knows HTTP as RFC 9110, 9112 and 9113 define it and the stricter rule of
// the house, and must not know how an engine is built or what a gateway does.
// Start at Engine; each check stands in the file of its topic, the malformed
// requests in testdata/vectors.
package conform

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// Serving is what an engine's server can do.
type Serving interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// Engine is one implementation of package wire.
type Engine struct {
	Name         string
	NewServer    func(wire.ServerConfig, wire.Handler) Serving
	NewTransport func(wire.TransportConfig) wire.Transport
	// Known names the checks that this engine does not pass, with the reason
	// why that is accepted. They are skipped and the reason is printed.
	Known map[string]string
}

// patience bounds every wait of the suite. Nothing is asserted about time; a
// wait that takes this long means that what it waits for never comes.
const patience = 15 * time.Second

// check is one property of an engine.
type check struct {
	name string
	run  func(t *testing.T, e Engine)
	// alone keeps other checks from running at the same time, for those that
	// look at the heap.
	alone bool
}

// Server checks the server of an engine.
func Server(t *testing.T, e Engine) { run(t, e, serverChecks()) }

// Transport checks the transport of an engine.
func Transport(t *testing.T, e Engine) { run(t, e, transportChecks()) }

// HTTP2 checks the HTTP/2 side of an engine's server.
func HTTP2(t *testing.T, e Engine) { run(t, e, http2Checks()) }

func serverChecks() []check {
	return slices.Concat(exchangeChecks(), headChecks(), bodyChecks(), answerChecks(), goneChecks(),
		timeChecks(), endChecks(), upgradeChecks(), tlsChecks())
}

func transportChecks() []check {
	return slices.Concat(callChecks(), poolChecks(), deadChecks(), replyChecks(), malformedChecks(),
		failureChecks(), securityChecks(), bulkChecks())
}

// Names returns the names of all checks.
func Names() []string {
	var names []string
	for _, c := range slices.Concat(serverChecks(), transportChecks(), http2Checks()) {
		names = append(names, c.name)
	}
	return names
}

func run(t *testing.T, e Engine, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if reason, ok := e.Known[c.name]; ok {
				t.Skipf("%s: %s", e.Name, reason)
			}
			if !c.alone {
				t.Parallel()
			}
			c.run(t, e)
		})
	}
}

// host is a server of the engine under test.
type host struct {
	t    testing.TB
	addr string
	srv  Serving
	done chan error // of Serve
}

// serve runs h on loopback until the test ends.
func serve(t testing.TB, e Engine, cfg wire.ServerConfig, h wire.HandlerFunc) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &host{t: t, addr: l.Addr().String(), srv: e.NewServer(cfg, h), done: make(chan error, 1)}
	go func() { s.done <- s.srv.Serve(l) }()
	t.Cleanup(func() {
		_ = s.srv.Close()
		select {
		case err := <-s.done:
			if err != nil {
				t.Errorf("Serve returned %v after Close, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not return after Close")
		}
	})
	return s
}

func (s *host) dial() *peer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return newPeer(s.t, c)
}

// ask sends text on a fresh connection and reads one answer.
func (s *host) ask(text string) *message {
	s.t.Helper()
	p := s.dial()
	p.send(text)
	return p.answer("GET")
}

// transport returns a transport of the engine, whose idle connections go when
// the test ends.
func transport(t testing.TB, e Engine, cfg wire.TransportConfig) wire.Transport {
	t.Helper()
	tr := e.NewTransport(cfg)
	if c, ok := tr.(interface{ CloseIdle() }); ok {
		t.Cleanup(c.CloseIdle)
	}
	return tr
}

// await waits for one value.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s never came", what)
		panic("unreachable")
	}
}
