package gateway

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// Paths that the gateway answers itself, on every host, without a key
// (Azure documentation: Integrate API Management in an internal virtual
// network with Application Gateway).
const (
	statusPath         = "/status-0123456789abcdef"
	internalStatusPath = "/internal-status-0123456789abcdef"
)

func (g *Gateway) builtin(in *wire.Request, w wire.Responder) bool {
	if len(in.Target) < len(statusPath) || (in.Target[1] != 's' && in.Target[1] != 'i') {
		return false
	}
	path, _, _ := strings.Cut(in.Target, "?")
	if path != statusPath && path != internalStatusPath {
		return false
	}
	status := 200
	if !g.Ready() {
		status = 503
	}
	wire.Reply(w, status, "", nil)
	return true
}

// begin takes a call from the pool and fills in what is known of the
// request before anything is matched.
func (g *Gateway) begin(ctx context.Context, in *wire.Request, w wire.Responder) (*call, bool) {
	rt := g.current.Load()
	if rt == nil {
		wire.Reply(w, 503, "application/json", []byte(`{ "statusCode": 503, "message": "Service Unavailable" }`), wire.Field{Name: "Retry-After", Value: "1"})
		return nil, false
	}
	g.inFlight.Add(1)
	c := g.pool.Get().(*call)
	c.g, c.rt, c.w, c.metrics = g, rt, w, rt.none
	x := c.Exchange
	x.Ctx, x.In, x.Start = ctx, in, time.Now()
	if !in.Received.IsZero() {
		x.Timing.Accept = max(x.Start.Sub(in.Received), 0)
	}
	x.Client = g.clientAddr(in)
	x.Forwarder, x.Hider = c, rt.plan.Hider
	c.spans()
	x.ID, x.TraceParent = telemetry.NewIDs(x.Span)
	return c, true
}

// spans takes up the caller's trace context or starts one.
func (c *call) spans() {
	if tp := c.In.Header.Get("traceparent"); tp != "" {
		if parent, ok := telemetry.ParseTraceParent(tp); ok {
			c.Parent, c.Span = parent.Span, parent.Child()
			return
		}
	}
	if c.g.cfg.Correlate {
		c.Span = telemetry.NewSpanContext()
	}
}

// clientAddr is the effective client address: the socket's, unless a trusted
// proxy stands there; then the last address in X-Forwarded-For that is not a
// trusted proxy itself. An unreadable entry gives no address at all, which
// ip-filter refuses.
func (g *Gateway) clientAddr(in *wire.Request) netip.Addr {
	addr := in.Remote.Addr().Unmap().WithZone("")
	if len(g.cfg.TrustedProxies) == 0 || !g.trusted(addr) {
		return addr
	}
	lines := in.Header.Values("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for rest != "" {
			var last string
			if k := strings.LastIndexByte(rest, ','); k >= 0 {
				rest, last = rest[:k], rest[k+1:]
			} else {
				rest, last = "", rest
			}
			hop, ok := parseForwarded(strings.TrimSpace(last))
			if !ok {
				return netip.Addr{}
			}
			if addr = hop; !g.trusted(hop) {
				return hop
			}
		}
	}
	return addr
}

func (g *Gateway) trusted(a netip.Addr) bool {
	for _, p := range g.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseForwarded reads an X-Forwarded-For entry; Application Gateway writes
// "address:port".
func parseForwarded(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
