package gateway

import (
	"strings"

	"sallyport/internal/exchange"
	"sallyport/internal/plan"
	"sallyport/internal/wire"
)

type headerField = wire.Field

// hop reports headers that never travel on: per-connection ones and those
// that ask this gateway for a trace.
func hop(name string) bool {
	return wire.HopByHop(name) || (len(name) > 5 && (name[0]|0x20 == 'a' || name[0]|0x20 == 'o') &&
		(wire.EqualName(name, "Apim-Debug-Authorization") || wire.EqualName(name, "Ocp-Apim-Trace")))
}

// admit checks the subscription key and finds the product whose policies
// apply. It runs before any policy, so no policy can supply the key
// (Azure documentation: Subscriptions in Azure API Management).
func (c *call) admit() bool {
	key, place := c.api.FindKey(c.In.Header, c.Request.Query)
	c.key = key
	a := c.rt.plan.Admit(c.api, c.key)
	if (a.Missing || a.Invalid) && len(c.line.Preflight) > 0 {
		c.SetReplyHeader("Vary", "Origin") // cors is in effect and has not run
	}
	switch {
	case a.Missing:
		c.Failure = exchange.SubscriptionKeyNotFound(c.realm(), c.API.KeyHeader)
		return false
	case a.Invalid:
		c.Failure = exchange.SubscriptionKeyInvalid(c.realm(), c.API.KeyHeader)
		return false
	}
	if place == plan.KeyInBearer { // it is ours, and no credential of the backend
		c.Request.Header.Del("Authorization")
	}
	c.Subscription = a.Subscription
	if a.Product != nil {
		c.product, c.Product = a.Product, a.Product.Model
	}
	c.line = c.api.Pipeline(c.op, c.product)
	c.traceOnRequest()
	if c.Trace != nil {
		c.traceAdmitted()
	}
	return true
}

// realm is scheme, host and API path as the client used them.
func (c *call) realm() string {
	var b strings.Builder
	b.WriteString(c.In.Scheme)
	b.WriteString("://")
	b.WriteString(c.In.Host)
	b.WriteString(c.MatchedPath)
	return b.String()
}

// preflight answers a CORS preflight from the cors statements of the effective
// policy alone: no key, no other policy (Azure documentation: cors policy).
// An OPTIONS operation that matches takes precedence, so this runs only when
// none did. A key in the query string names the product; one in a header
// cannot, since browsers do not send it with a preflight.
func (c *call) preflight() bool {
	in := c.In
	method := in.Header.Get("Access-Control-Request-Method")
	if c.api == nil || in.Method != "OPTIONS" || method == "" || !in.Header.Has("Origin") {
		return false
	}
	product := c.api.Open
	if key, _ := c.api.FindKey(in.Header, c.Request.Query); key != "" {
		product = c.rt.plan.Admit(c.api, key).Product
	}
	m, params := c.rt.plan.Match(method, in.Target, in.Header, c.Params[:0])
	c.Params = params
	line := c.api.Pipeline(m.Op, product)
	if len(line.Preflight) == 0 {
		return false
	}
	c.Failure = nil
	for _, p := range line.Preflight {
		if p.Preflight(c.Exchange) {
			return true
		}
	}
	c.Response.Status = 200 // cors is there but none of them matched
	return true
}
