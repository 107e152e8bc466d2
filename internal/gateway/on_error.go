package gateway

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/telemetry"
)

// onError prepares the error response that Azure would send and lets the
// on-error section change it. A failure inside on-error leaves the prepared
// response as it is.
func (c *call) onError() {
	f := c.Failure
	if f.IsClientGone() {
		return
	}
	if f.ClientMessage != "" { // otherwise the backend's own answer is kept
		c.errorResponse(f)
	}
	if c.Trace != nil {
		c.Trace.Add(telemetry.SectionOnError, telemetry.Entry{Source: f.Source, Data: map[string]any{
			"messages": []string{f.Message}, "lastError": map[string]string{
				"source": f.Source, "reason": f.Reason, "message": f.Message, "scope": f.Scope, "section": f.Section, "path": f.Path, "policyId": f.PolicyID,
			},
		}})
	}
	if c.run(exchange.OnError) == policy.Fail {
		if c.Failure = f; f.ClientMessage != "" {
			c.errorResponse(f)
		}
	}
}

func (c *call) errorResponse(f *exchange.Failure) {
	c.Response.Body.Close()
	h := c.Response.Header[:0]
	h.Add("Content-Type", "application/json")
	h = append(h, f.Header...)
	c.Response = exchange.Response{Status: f.Status, Header: h}
	if f.Status == 401 {
		c.Response.Reason = "Access Denied"
	}
	c.Response.Body.SetBytes(f.AppendBody(make([]byte, 0, 192), c.ID))
}

// recovered turns a panic into a failure of this one request. After the head
// is out the connection is cut, so that the client cannot take a torn body
// for a whole one.
func (c *call) recovered() {
	v := recover()
	if v == nil {
		return
	}
	c.g.cfg.Log.Error("request panicked", slog.String("correlationId", c.ID), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	c.Failure = exchange.Internal(v)
	if c.headSent {
		c.abort()
		return
	}
	c.errorResponse(c.Failure)
	c.reply()
}
