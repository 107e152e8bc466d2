package gateway

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
)

// replayable is the size up to which a request body is read into memory before
// it is sent: such a request can be repeated on a connection that the backend
// had closed meanwhile, and the client's connection is free of it.
const replayable = 64 << 10

// Forward sends the request to its target and puts the answer into Response;
// it implements exchange.Forwarder. The response body is not read here.
func (c *call) Forward(x *exchange.Exchange, o exchange.ForwardOptions) *exchange.Failure {
	if x.Target.Base.IsZero() {
		return exchange.NoBackend()
	}
	if c.socket != nil {
		return c.forwardHandshake(o)
	}
	if f := c.readyBody(o); f != nil {
		return f
	}
	out, f := c.outgoing(o)
	if f != nil {
		return f
	}
	c.away = false
	c.Response.Body.Close() // a call before this one, when a policy retries
	c.traceForward(out, o)
	start := time.Now()
	res, err := c.roundTrip(out, o)
	if o.FollowRedirects && err == nil {
		res, err = c.follow(out, res, o)
	}
	waited := time.Since(start)
	c.Timing.Backend += waited
	c.Attempts++
	if err != nil {
		return c.forwardFailed(err)
	}
	c.take(res, o)
	c.traceForwarded(res, waited)
	if o.FailOnErrorCodes && res.Status >= 400 {
		return exchange.BackendStatus(res.Status)
	}
	return nil
}

// readyBody brings the request body into the form in which it is sent.
func (c *call) readyBody(o exchange.ForwardOptions) *exchange.Failure {
	b := &c.Request.Body
	if limit := c.g.cfg.MaxRequestBody; limit > 0 && b.Size() > limit {
		return exchange.RequestTooLarge("forward-request")
	}
	if b.Mode() != exchange.BodyStream || (!o.BufferRequest && (b.Size() < 0 || b.Size() > replayable)) {
		return nil
	}
	ok, err := b.Buffer(c.g.cfg.MaxBufferedBody)
	switch {
	case err != nil:
		return requestBroke(err)
	case !ok:
		return exchange.RequestTooLarge("forward-request")
	}
	return nil
}

// requestBroke is the failure of a request body that could not be read to its
// end: too large, not valid HTTP, too slow, or the client is gone.
func requestBroke(err error) *exchange.Failure {
	switch wire.KindOf(err) {
	case wire.KindTooLarge:
		return exchange.RequestTooLarge("forward-request")
	case wire.KindProtocol:
		return exchange.BadRequest("The request body is not valid HTTP.")
	case wire.KindTimeout:
		return exchange.RequestTimeout("forward-request", err)
	}
	return exchange.ClientGone("forward-request", err)
}

// outgoing builds the message to the backend.
func (c *call) outgoing(o exchange.ForwardOptions) (*wire.Outgoing, *exchange.Failure) {
	x := c.Exchange
	query := x.Request.Query
	h := c.outHeader[:0]
	if n := len(x.Request.Header) + 4; cap(h) < n {
		h = make(wire.Header, 0, n)
	}
	twins := false
	for _, f := range x.Request.Header {
		twins = twins || strings.IndexByte(f.Name, '_') >= 0
		if wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Content-Length") || wire.EqualName(f.Name, "Expect") || wire.EqualName(f.Name, "X-Forwarded-For") {
			continue
		}
		h = append(h, f)
	}
	h.Add("X-Forwarded-For", forwardedFor(x.Request.Header, c.peerText()))
	if !x.Span.IsZero() {
		h.Set("traceparent", x.TraceParent)
	}
	if be := x.Target.Backend; be != nil {
		var f *exchange.Failure
		if query, f = c.credentials(be, &h, query); f != nil {
			return nil, f
		}
	}
	if twins {
		h = dropTwins(h, x.In.Header)
	}
	c.outHeader = h
	out := &c.out
	*out = wire.Outgoing{
		Method: x.Request.Method, Scheme: x.Target.Base.Scheme, Authority: x.Target.Base.Authority, Host: x.Request.Host,
		Target: x.Target.Base.Target(x.Request.Path, query), Header: h, Version: o.Version,
	}
	out.Body, out.Bytes, out.ContentLength = x.Request.Body.Take()
	if limit := c.g.cfg.MaxRequestBody; limit > 0 && out.ContentLength < 0 {
		out.Body = &limitedBody{r: out.Body, left: limit}
	}
	return out, nil
}

// forwardedFor is the client's list with the immediate peer appended, as each
// gateway of a chain does.
func forwardedFor(h wire.Header, peer string) string {
	if prior := h.Joined("X-Forwarded-For"); prior != "" {
		return prior + ", " + peer
	}
	return peer
}

// peerText is the address of the immediate peer. It is often that of the call
// before, behind a proxy nearly always, so the text is kept.
func (c *call) peerText() string {
	if peer := c.In.Remote.Addr().Unmap(); peer != c.peer || c.peerName == "" {
		c.peer, c.peerName = peer, peer.String()
	}
	return c.peerName
}

// credentials adds what the backend entity is called with. It replaces what
// the request carries; the caller's subscription key is taken off when asked.
func (c *call) credentials(be *exchange.BackendEntity, h *wire.Header, query string) (string, *exchange.Failure) {
	own := len(be.Header) > 0 || len(be.Query) > 0 || !be.Authorization.IsZero() || be.IdentityResource != ""
	if own && c.g.cfg.StripKey && c.key != "" {
		h.Del(c.API.KeyHeader)
		query = exchange.QueryDel(query, c.API.KeyQuery)
	}
	for _, cr := range be.Header {
		h.Del(cr.Name)
		for _, v := range cr.Values {
			h.Add(cr.Name, v.Reveal())
		}
	}
	for _, cr := range be.Query {
		query = exchange.QueryDel(query, cr.Name)
		for _, v := range cr.Values {
			query = exchange.QueryAdd(query, cr.Name, v.Reveal())
		}
	}
	if !be.Authorization.IsZero() {
		h.Set("Authorization", be.Authorization.Reveal())
	}
	if be.IdentityResource != "" {
		token, err := c.g.cfg.Tokens.Token(c.Ctx, be.IdentityResource, be.IdentityClientID)
		if err != nil {
			return query, exchange.Identity("forward-request", err)
		}
		h.Set("Authorization", "Bearer "+token.Reveal())
	}
	return query, nil
}

// roundTrip sends out. Closing the body of the answer ends the call, also one
// whose request body is still on its way.
func (c *call) roundTrip(out *wire.Outgoing, o exchange.ForwardOptions) (*wire.Incoming, error) {
	if out.HeadTimeout = o.Timeout; o.Timeout <= 0 {
		out.HeadTimeout = c.g.cfg.BackendTimeout
	}
	res, err := c.transport().RoundTrip(c.backendContext(), out)
	if err == nil {
		c.Timing.Connect += res.Connect
	}
	return res, err
}

func (c *call) transport() wire.Transport {
	if be := c.Target.Backend; be != nil && !c.away {
		return be.Transport
	}
	return c.rt.plan.Transport
}

func (c *call) forwardFailed(err error) *exchange.Failure {
	var we *wire.Error
	switch {
	case errors.As(err, new(*bodyTooLarge)):
		return exchange.RequestTooLarge("forward-request")
	case errors.Is(context.Cause(c.Ctx), wire.ErrDraining):
		return exchange.Draining("forward-request", err)
	case c.Ctx.Err() != nil:
		return exchange.ClientGone("forward-request", err)
	case errors.As(err, &we) && we.Op == "read request body":
		return requestBroke(err)
	}
	c.g.cfg.Metrics.Backend(c.backendID(), 0)
	return exchange.BackendFailed("forward-request", err)
}

func (c *call) backendID() string {
	if c.Target.Backend != nil {
		return c.Target.Backend.ID
	}
	return c.Target.Base.Authority
}

// take makes the backend's answer the response.
func (c *call) take(res *wire.Incoming, o exchange.ForwardOptions) {
	x := c.Exchange
	x.Response.Body.Close()
	h := x.Response.Header[:0]
	listed := res.Header.Joined("Connection")
	for _, f := range res.Header {
		if wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Content-Length") || (listed != "" && connectionLists(listed, f.Name)) {
			continue
		}
		h = append(h, f)
	}
	x.Response = exchange.Response{Status: res.Status, Reason: res.Reason, Header: h, FromBackend: true, Trailer: res.Trailer, TrailerNames: res.TrailerNames}
	x.Response.Body.SetStream(res.Body, res.ContentLength)
	c.backendCode = res.Status
	c.flush = !o.BufferResponse || isEventStream(h.Get("Content-Type"))
	c.g.cfg.Metrics.Backend(c.backendID(), res.Status)
}

func isEventStream(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(t), "text/event-stream")
}

// limitedBody fails a chunked request body that passes the limit.
type limitedBody struct {
	r    io.Reader
	left int64
}

type bodyTooLarge struct{}

func (*bodyTooLarge) Error() string { return "request body is too large" }

func (l *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, &bodyTooLarge{}
	}
	return n, err
}
