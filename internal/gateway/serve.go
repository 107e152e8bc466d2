package gateway

import (
	"context"
	"net/netip"
	"time"

	"sallyport/internal/ai/usage"
	"sallyport/internal/exchange"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// call is one request on its way through the gateway. It is pooled together
// with its exchange.
type call struct {
	*exchange.Exchange
	g       *Gateway
	rt      *runtime
	w       wire.Responder
	api     *plan.API
	op      *plan.Operation
	product *plan.Product
	line    *plan.Pipeline
	metrics *telemetry.APIMetrics

	key         string // subscription key sent, for masking and stripping
	sent        int64  // body bytes towards the client
	headSent    bool
	away        bool // a redirect has led to another host than the target
	flush       bool // pass every chunk of the response on at once
	backendCode int
	out         wire.Outgoing // the message to the backend
	metering    bool          // the answer may tell its usage
	usage       usage.Tap
	stopLate    func() // ends a backend call that outlives its client
	peer        netip.Addr
	peerName    string      // peer as text; outlives the call
	outHeader   wire.Header // memory of its header
	socket      *socket     // of a WebSocket API, once the request is known to be a handshake
}

// ServeWire serves one request; it implements wire.Handler.
func (g *Gateway) ServeWire(ctx context.Context, in *wire.Request, w wire.Responder) {
	if g.builtin(in, w) {
		return
	}
	c, ok := g.begin(ctx, in, w)
	if !ok {
		return
	}
	defer c.end()
	defer c.recovered()
	if !c.rt.plan.Serves(in.Host) {
		c.unknownHost()
		return
	}

	matched := c.match()
	admitted := matched && c.admit()
	c.Timing.Match = time.Since(c.Start)
	var out policy.Outcome
	switch {
	case !matched:
		if out = policy.Fail; c.preflight() {
			out = policy.Reply
		}
	case !admitted, !c.handshake():
		out = policy.Fail
	default:
		out = c.run(exchange.Inbound)
		if out == policy.Continue {
			out = c.run(exchange.Backend)
		}
		if out == policy.Continue {
			out = c.run(exchange.Outbound)
		}
	}
	if out == policy.Fail {
		c.onError()
	}
	c.reply()
}
