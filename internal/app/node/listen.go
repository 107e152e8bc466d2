package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"sallyport/internal/app/settings"
	"sallyport/internal/wire"
	"sallyport/internal/wire/engine"
	"sallyport/internal/wire/listen"
)

// The planes by the names that logs and inherited sockets use.
const (
	planeGateway       = "gateway"
	planeGatewayTLS    = "gateway TLS"
	planeManagement    = "management"
	planeManagementTLS = "management TLS"
	planeServing       = "serving"
)

// listener is one plane on one address.
type listener struct {
	plane  string
	net    *listen.Listener
	server engine.Server
}

func (l *listener) serve() error {
	if err := l.server.Serve(l.net); err != nil {
		return fmt.Errorf("%s listener %s: %w", l.plane, l.net.Addr(), err)
	}
	return nil
}

// Listen opens all listeners; a port that is taken is an error that says whose.
func (n *Node) Listen() error {
	set := n.set
	specs := []struct {
		plane, addr string
		tls         settings.TLS
		handler     wire.Handler
	}{
		{planeGateway, set.Gateway.Listen, settings.TLS{}, n.intake.gateway},
		{planeGatewayTLS, set.Gateway.TLS.Listen, set.Gateway.TLS, n.intake.gateway},
		{planeManagement, set.Management.Listen, settings.TLS{}, n.intake.manage},
		{planeManagementTLS, set.Management.TLS.Listen, set.Management.TLS, n.intake.manage},
		{planeServing, set.Serving.Listen, settings.TLS{}, n.intake.serving},
	}
	for _, s := range specs {
		if s.addr == "" || (s.plane == planeServing && !set.Serving.Enabled) {
			continue
		}
		if err := n.open(s.plane, s.addr, s.tls, s.handler); err != nil {
			n.closeListeners()
			return err
		}
	}
	for _, left := range n.inherited.Left() {
		n.log.Warn("an inherited socket belongs to no listener of the settings and is closed", slog.String("socket", left))
	}
	n.inherited.Close()
	return nil
}

func (n *Node) open(plane, addr string, t settings.TLS, h wire.Handler) error {
	var cfg *tls.Config
	if t.Listen != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return fmt.Errorf("%s: load certificate: %w", plane, err)
		}
		cfg = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	ln, inherited := n.inherited.Take(plane, addr)
	if !inherited {
		var err error
		if ln, err = bind(plane, addr, n.set.Gateway.ReusePort); err != nil {
			return err
		}
	}
	n.intake.own.Listens(ln.Addr())
	g := n.set.Gateway
	server := engine.NewServer(g.Engine, wire.ServerConfig{
		MaxHeaderBytes: int(g.Limits.Headers), MaxTarget: int(g.Limits.RequestLine), ReadHeaderTimeout: g.Timeouts.ReadHeader, ReadBodyTimeout: g.Timeouts.ReadBody, IdleTimeout: g.Timeouts.Idle,
		WriteTimeout: g.Timeouts.Write, TLS: cfg, H2C: true, Logger: n.log,
		OnPanic: func(v any, stack []byte) {
			n.log.Error("handler panicked", slog.String("plane", plane), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(stack)))
		},
	}, h)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, &listener{plane: plane, net: listen.Wrap(ln, n.listenConfig(plane, t)), server: server})
	return nil
}

// Bind listens on addr and explains a port that is taken.
func Bind(plane, addr string) (net.Listener, error) { return bind(plane, addr, false) }

func bind(plane, addr string, share bool) (net.Listener, error) {
	ln, err := listen.Bind(addr, share)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s cannot listen on %s: another process uses the port (is another sallyport running? `demo --port-base N` takes other ports)", plane, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen on %s: %w", plane, addr, err)
	}
	return ln, nil
}

// Close gives back what Listen has opened, for a start that goes no further.
func (n *Node) Close() { n.closeListeners() }

func (n *Node) closeListeners() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		_ = l.net.Close()
	}
	n.listeners = nil
}

// opened are the listeners of the moment; metrics ask from other goroutines.
func (n *Node) opened() []*listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners
}

// Address of a plane.
type Address struct{ Plane, Address string }

// Addresses lists where the node listens.
func (n *Node) Addresses() []Address {
	var as []Address
	for _, l := range n.opened() {
		as = append(as, Address{l.plane, l.net.Addr().String()})
	}
	return as
}
