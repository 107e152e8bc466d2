package gateway

import (
	"slices"
	"strings"

	"sallyport/internal/exchange"
	"sallyport/internal/telemetry"
)

// unknownHost answers a host name that is not configured: an empty 404 before
// any policy.
func (c *call) unknownHost() {
	c.Failure = exchange.OperationNotFound()
	c.Response.Status = c.Failure.Status
	c.reply()
}

// match finds API and operation and prepares the message to the backend.
func (c *call) match() bool {
	in := c.In
	if path, _, _ := strings.Cut(in.Target, "?"); exchange.HasDotSegment(path) {
		c.line, c.Failure = c.rt.plan.Global, exchange.BadRequest("The path has dot segments.")
		return false
	}
	m, params := c.rt.plan.Match(in.Method, in.Target, in.Header, c.Params)
	c.Params = params
	c.api, c.op, c.MatchedPath = m.API, m.Op, m.Path
	if m.API == nil || !c.servesScheme() {
		c.api, c.op = nil, nil
		c.line = c.rt.plan.Global
		c.Failure = exchange.OperationNotFound()
		return false
	}
	c.API, c.metrics = c.api.Model, c.rt.apis[m.API.Index]
	c.line = m.API.Pipeline(m.Op, nil)
	c.traceDecision()
	c.prepare(m.Rest)
	if m.Op == nil {
		c.Failure = exchange.OperationNotFound()
		return false
	}
	c.Operation = m.Op.Model
	return true
}

// servesScheme reports whether the API lists the scheme of the request. A
// gateway without a TLS listener stands behind something that ends TLS, or on
// a laptop; there the scheme says nothing and is not looked at.
func (c *call) servesScheme() bool {
	ps, scheme := c.api.Model.Protocols, c.In.Scheme
	if c.api.Model.IsWebSocket() {
		scheme = "ws" + strings.TrimPrefix(scheme, "http")
	}
	return !c.g.cfg.CheckProtocols || len(ps) == 0 || slices.Contains(ps, scheme)
}

// prepare copies the request into the message to the backend: hop-by-hop
// headers (also those that Connection lists) and debug headers stay behind.
func (c *call) prepare(rest string) {
	in := c.In
	_, query, _ := strings.Cut(in.Target, "?")
	c.Request.Method, c.Request.Path, c.Request.Query = in.Method, rest, query
	h := c.Request.Header[:0]
	if n := len(in.Header) + 4; cap(h) < n {
		h = make([]headerField, 0, n)
	}
	listed := in.Header.Joined("Connection")
	for _, f := range in.Header {
		if hop(f.Name) || (listed != "" && connectionLists(listed, f.Name)) {
			continue
		}
		h = append(h, f)
	}
	c.Request.Header = h
	if in.Body != nil {
		c.Request.Body.SetStream(in.Body, in.ContentLength)
	}
	if c.api != nil {
		c.Target.Base = c.api.Base
	}
}

// connectionLists reports whether the Connection header names this header.
func connectionLists(connection, name string) bool {
	for connection != "" {
		var t string
		t, connection, _ = strings.Cut(connection, ",")
		if strings.EqualFold(strings.TrimSpace(t), name) {
			return true
		}
	}
	return false
}

// traceDecision starts the request's trace when its debug token allows it, or
// when an earlier hop of the same call is being traced.
func (c *call) traceDecision() {
	token := c.In.Header.Get("Apim-Debug-Authorization")
	if token == "" && (c.Parent == [8]byte{} || c.g.cfg.Traces == nil || !c.g.cfg.Traces.IsActive(c.Span.Trace)) {
		return
	}
	if token != "" {
		switch r := c.g.cfg.Debug.Check(token, c.api.Model.ID); r.Status {
		case telemetry.DebugOK:
		case telemetry.DebugExpired:
			c.SetReplyHeader("Apim-Debug-Authorization-Expired", r.Detail)
			return
		case telemetry.DebugWrongAPI:
			c.SetReplyHeader("Apim-Debug-Authorization-WrongAPI", r.Detail)
			return
		default:
			c.SetReplyHeader("Apim-Debug-Authorization-Invalid", r.Detail)
			return
		}
	}
	c.beginTrace()
}
