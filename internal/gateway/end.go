package gateway

import (
	"time"

	"sallyport/internal/telemetry"
)

// end writes down what happened and gives the call back. The client has
// its answer by now.
func (c *call) end() {
	c.Response.Body.Close() // reply has, unless it panicked
	total := time.Since(c.Start)
	status, reason := c.Response.Status, ""
	if c.Failure != nil {
		reason = c.Failure.Reason
		if c.Failure.IsClientGone() {
			status = 499
		}
	}
	status, observed := c.endSocket(status, total)
	c.metrics.Observe(status, observed, max(c.Timing.FirstOut-c.Timing.Backend, 0), c.Timing.Backend, reason)
	c.metrics.CountTokens(c.tokens())
	if c.g.cfg.AccessLog {
		telemetry.Access(c.g.cfg.Log, c.record(status, total))
	}
	if c.Trace != nil {
		c.Trace.Timing = c.timing(total)
		c.g.cfg.Traces.Finish(c.Trace, status)
	}
	if c.stopLate != nil {
		c.stopLate()
	}
	c.Request.Body.Close()
	c.Reset()
	clear(c.outHeader) // it held credentials
	g := c.g
	c.usage.Reset()
	*c = call{Exchange: c.Exchange, outHeader: c.outHeader[:0], usage: c.usage, peer: c.peer, peerName: c.peerName}
	g.pool.Put(c)
	g.inFlight.Add(-1)
}
