package gateway

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// metered reports whether the answer can tell how many tokens it cost: a
// successful one of JSON or events that is not compressed.
func (c *call) metered() bool {
	r := &c.Response
	if !c.g.cfg.CountTokens || !r.FromBackend || r.Status < 200 || r.Status > 299 {
		return false
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !wire.EqualName(e, "identity") {
		return false
	}
	t := r.Header.Get("Content-Type")
	return isEventStream(t) || isJSON(t)
}

func isJSON(contentType string) bool {
	const json = "application/json"
	return len(contentType) >= len(json) && wire.EqualName(contentType[:len(json)], json)
}

// tapUsage looks for token counts in what passes.
func (c *call) tapUsage(p []byte) {
	if c.metering {
		c.usage.Write(p)
	}
}

// tokens are the counts that the answer reported, zero when it has not.
func (c *call) tokens() telemetry.Tokens {
	if !c.metering {
		return telemetry.Tokens{}
	}
	n, _ := c.usage.Counts()
	return telemetry.Tokens{Prompt: n.Prompt, Completion: n.Completion, Total: n.Total}
}

// readsOn reports whether the rest of an answer is read although its client
// has left: only then its usage is known. It is switched on by a time.
func (c *call) readsOn() bool {
	return c.metering && c.g.cfg.ReadOn > 0 && c.tokens() == telemetry.Tokens{}
}

// backendContext is the context of a call to a backend: that of the client, or,
// when answers are read on, one that ends some time later.
func (c *call) backendContext() context.Context {
	wait := c.g.cfg.ReadOn
	if wait <= 0 || !c.g.cfg.CountTokens {
		return c.Ctx
	}
	if c.stopLate != nil {
		c.stopLate()
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.Ctx))
	from, done := c.Ctx, ctx.Done()
	stop := context.AfterFunc(from, func() {
		// A server that shuts down waits for nobody; a client that has left is
		// waited for while its answer may still tell what it cost.
		if cause := context.Cause(from); errors.Is(cause, wire.ErrDraining) {
			cancel(cause)
			return
		}
		late := time.NewTimer(wait)
		defer late.Stop()
		select {
		case <-late.C:
			cancel(wire.ErrClientGone)
		case <-done:
		}
	})
	c.stopLate = func() { stop(); cancel(context.Canceled) }
	return ctx
}
