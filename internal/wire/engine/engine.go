// Package engine picks the wire engine of a process by name: "fast", our own
// HTTP/1.1 (wire/h1), or "std", net/http (wire/std). It knows what both have in
// common and nothing of what they serve.
// Start at NewServer and NewTransport.
package engine

import (
	"context"
	"net"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// Names of engines. Default is the fast one where it runs.
const (
	Fast = "fast"
	Std  = "std"
)

// Server is the server of an engine.
type Server interface {
	// Serve accepts connections of l until Shutdown or Close; it then returns
	// nil. It may be called for several listeners.
	Serve(l net.Listener) error
	// Shutdown stops accepting, waits for running requests until ctx ends, then
	// ends their contexts with wire.ErrDraining and soon after everything.
	Shutdown(ctx context.Context) error
	Close() error
}

// Transport is the transport of an engine.
type Transport interface {
	wire.Transport
	CloseIdle()
}

// NewServer returns a server of the engine name; "" is the default.
func NewServer(name string, cfg wire.ServerConfig, h wire.Handler) Server {
	if name == Std || !available {
		return std.NewServer(cfg, h)
	}
	return fastServer(cfg, h)
}

// NewTransport returns a transport of the engine name; "" is the default.
func NewTransport(name string, cfg wire.TransportConfig) Transport {
	if name == Std || !available {
		return std.NewTransport(cfg)
	}
	return fastTransport(cfg)
}

// Available reports whether this system has the engine. The fast one needs
// Linux: it asks the kernel to tell when a client hangs up.
func Available(name string) bool { return name == Std || name == "" || available }
