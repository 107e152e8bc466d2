package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"sallyport/internal/app/settings"
	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// listener is one plane on one address.
type listener struct {
	plane  string
	net    net.Listener
	server *std.Server
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
		{"gateway", set.Gateway.Listen, settings.TLS{}, n.gateway},
		{"gateway TLS", set.Gateway.TLS.Listen, set.Gateway.TLS, n.gateway},
		{"management", set.Management.Listen, settings.TLS{}, n.manage},
		{"management TLS", set.Management.TLS.Listen, set.Management.TLS, n.manage},
		{"serving", set.Serving.Listen, settings.TLS{}, n.serving},
	}
	for _, s := range specs {
		if s.addr == "" || (s.plane == "serving" && !set.Serving.Enabled) {
			continue
		}
		if err := n.open(s.plane, s.addr, s.tls, s.handler); err != nil {
			n.closeListeners()
			return err
		}
	}
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
	ln, err := Bind(plane, addr)
	if err != nil {
		return err
	}
	g := n.set.Gateway
	server := std.NewServer(std.ServerConfig{
		MaxHeaderBytes: int(g.Limits.Headers), MaxTarget: int(g.Limits.RequestLine), ReadHeaderTimeout: g.Timeouts.ReadHeader, IdleTimeout: g.Timeouts.Idle,
		WriteTimeout: g.Timeouts.Write, TLS: cfg, H2C: true, Logger: n.log,
		OnPanic: func(v any, stack []byte) {
			n.log.Error("handler panicked", slog.String("plane", plane), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(stack)))
		},
	}, h)
	n.listeners = append(n.listeners, &listener{plane: plane, net: ln, server: server})
	return nil
}

// Bind listens on addr and explains a port that is taken.
func Bind(plane, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
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
	for _, l := range n.listeners {
		_ = l.net.Close()
	}
	n.listeners = nil
}

// drain ends the process in order: load balancers see "not ready", a moment
// later the listeners close, and connections end when their request is done.
// The gateway goes first, since its calls run through the serving plane;
// management goes last, so that the drain can be watched.
func (n *Node) drain() error {
	n.gateway.SetReady(false)
	time.Sleep(n.set.Gateway.DrainDelay)
	n.log.Info("draining", slog.Int64("inFlight", n.gateway.InFlight()), slog.Duration("deadline", n.set.Gateway.DrainTimeout))
	ctx, cancel := context.WithTimeout(context.Background(), n.set.Gateway.DrainTimeout)
	defer cancel()
	var err error
	for _, planes := range [][]string{{"gateway", "gateway TLS"}, {"serving"}, {"management", "management TLS"}} {
		err = errors.Join(err, n.shutdown(ctx, planes))
	}
	return err
}

func (n *Node) shutdown(ctx context.Context, planes []string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, l := range n.listeners {
		for _, p := range planes {
			if l.plane != p {
				continue
			}
			wg.Go(func() {
				if err := l.server.Shutdown(ctx); err != nil {
					mu.Lock()
					all = errors.Join(all, fmt.Errorf("drain %s: %w", l.plane, err))
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return all
}

// Address of a plane.
type Address struct{ Plane, Address string }

// Addresses lists where the node listens.
func (n *Node) Addresses() []Address {
	var as []Address
	for _, l := range n.listeners {
		as = append(as, Address{l.plane, l.net.Addr().String()})
	}
	return as
}
