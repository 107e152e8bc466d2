package databricks

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"sallyport/internal/wire"
)

// headerHops counts the passages of serving planes, so that a chain that leads
// back to itself (endpoint → gateway → same endpoint) ends. Gateways in
// between pass the header on like any other; one that strips it hides the
// loop, and then only the time limits end it.
const (
	headerHops = "x-sallyport-hops"
	maxHops    = 8
)

const userAgent = "sallyport"

// errSilent is the cancel cause when an upstream says nothing for too long.
var errSilent = errors.New("no data within the time limit")

// countHops returns the passages so far, this one included. What is not a
// plain number was not written by us and counts as none.
func (c *call) countHops() (int, *failure) {
	n, err := strconv.ParseUint(c.r.Header.Get(headerHops), 10, 16)
	if err != nil {
		n = 0
	}
	if n >= maxHops {
		return 0, tooManyHops()
	}
	return int(n) + 1, nil
}

// credential resolves the secret of ent now, not when the endpoint was
// defined: a rotated secret takes effect with the next call.
func (p *Plane) credential(ent *entity) (value string, fail *failure) {
	v := ent.value.Plaintext
	if ent.value.IsReference() {
		found := false
		if p.cfg.Secrets != nil {
			v, found = p.cfg.Secrets.Lookup(ent.value.Scope, ent.value.Key)
		}
		if !found || v.IsZero() {
			return "", secretMissing(ent.name, reference(ent))
		}
	}
	value = v.Reveal()
	if !wire.ValidValue(value) {
		return "", secretUnsendable(ent.name)
	}
	return value, nil
}

// reference is how the endpoint names its secret, the value never being shown.
func reference(ent *entity) string {
	if ref := echo(ent.value); ref != "" {
		return ref
	}
	return "[plaintext]"
}

// outgoing builds the upstream call. The caller's headers stay behind, above
// all Authorization, which opens the workspace and not the model.
func (c *call) outgoing(ent *entity, body []byte, hops int) (*wire.Outgoing, *failure) {
	if !ent.target.allowed(c.p.cfg.AllowInsecureLoopback) {
		return nil, badProviderURL(ent.name, "it must use https")
	}
	value, fail := c.p.credential(ent)
	if fail != nil {
		return nil, fail
	}
	h := make(wire.Header, 0, 8)
	contentType := c.r.Header.Get("Content-Type")
	if contentType == "" {
		contentType = contentJSON
	}
	h.Add("Content-Type", contentType)
	if accept := c.r.Header.Joined("Accept"); accept != "" {
		h.Add("Accept", accept)
	}
	h.Add("User-Agent", userAgent)
	h.Add("traceparent", c.span.TraceParent())
	if c.traceState != "" {
		h.Add("tracestate", c.traceState)
	}
	h.Add(headerHops, strconv.Itoa(hops))
	if ent.keyHeader == "" {
		h.Add("Authorization", "Bearer "+value)
	} else {
		// Header form for api_key_auth: stated for the newer model provider
		// services; for serving endpoints unverified.
		h.Set(ent.keyHeader, value)
	}
	return &wire.Outgoing{
		Method: "POST", Scheme: ent.target.scheme, Authority: ent.target.authority, Target: ent.target.path,
		Header: h, Bytes: body, ContentLength: int64(len(body)),
	}, nil
}

// forward calls the model and passes its answer on. Leaving it, for whatever
// reason, ends the upstream call.
func (c *call) forward(ctx context.Context, ent *entity, doc *document, hops int) *failure {
	out, fail := c.outgoing(ent, doc.rewrite(ent.modelJSON), hops)
	if fail != nil {
		return fail
	}
	c.traceRequest(ent, out)
	limit := c.p.cfg.UpstreamTimeout
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer silence.Stop()

	start := c.p.cfg.Now()
	in, err := c.p.cfg.Transport.RoundTrip(ctx, out)
	silence.Stop()
	c.rec.UpstreamHead = c.p.cfg.Now().Sub(start)
	if err != nil {
		return c.noAnswer(ctx, ent, err)
	}
	defer func() { _ = in.Body.Close() }()
	c.rec.UpstreamStatus = in.Status
	c.traceResponse(in)
	src := &upstreamBody{in: in.Body, silence: silence, limit: limit}
	switch {
	case in.Status >= 200 && in.Status < 300:
		c.relay(ctx, ent, in, src)
		return nil
	case in.Status < 400 || in.Status > 599:
		return upstreamRedirect(ent.provider, in.Status)
	}
	return wrappedError(ent.provider, in, src)
}

// noAnswer tells why RoundTrip gave no answer.
func (c *call) noAnswer(ctx context.Context, ent *entity, err error) *failure {
	if errors.Is(context.Cause(ctx), errSilent) {
		return upstreamSilent(ent.provider, c.p.cfg.UpstreamTimeout, err)
	}
	switch wire.KindOf(err) {
	case wire.KindConnect:
		return upstreamUnreachable(ent.provider, err)
	case wire.KindTimeout:
		return upstreamSlow(ent.provider, err)
	case wire.KindDenied:
		return upstreamForbidden(ent.target.host, err)
	}
	return upstreamBroken(ent.provider, err)
}

// upstreamBody grants every read the full time limit again: an answer may take
// long, but not be silent long.
type upstreamBody struct {
	in      io.Reader
	silence *time.Timer
	limit   time.Duration
}

func (b *upstreamBody) Read(p []byte) (int, error) {
	b.silence.Reset(b.limit)
	n, err := b.in.Read(p)
	b.silence.Stop() // a slow client is not the upstream's silence
	return n, err
}
