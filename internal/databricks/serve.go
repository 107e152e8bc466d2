package databricks

import (
	"context"
	"log/slog"
	"strings"

	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

const (
	contentJSON = "application/json"
	// headerRequestID carries our id of the request; the name on the real
	// service is unverified.
	headerRequestID = "x-request-id"
	// headerServed tells which served entity answered (API reference, query).
	headerServed = "served-model-name"
)

// call is one request on its way through the plane.
type call struct {
	p          *Plane
	r          *wire.Request
	w          wire.Responder
	path       string
	rec        CallRecord
	span       telemetry.SpanContext
	parent     [8]byte
	traceState string
	trace      *telemetry.Trace // nil = not traced
}

var _ wire.Handler = (*Plane)(nil)

// ServeWire answers one request.
func (p *Plane) ServeWire(ctx context.Context, r *wire.Request, w wire.Responder) {
	path, _, _ := strings.Cut(r.Target, "?")
	if path == "/healthz" && (r.Method == "GET" || r.Method == "HEAD") {
		healthz(r, w)
		return
	}
	c := &call{p: p, r: r, w: w, path: path}
	c.begin()
	defer c.end()
	if fail := c.serve(ctx); fail != nil {
		c.refuse(ctx, fail)
	}
}

func healthz(r *wire.Request, w wire.Responder) {
	body := []byte("ok\n")
	if r.Method == "HEAD" {
		body = nil
	}
	wire.Reply(w, 200, "text/plain; charset=utf-8", body)
}

func (c *call) serve(ctx context.Context) *failure {
	// Before the route: without a token nobody learns what exists.
	name, fail := c.p.auth.check(c.r.Header)
	if fail != nil {
		return fail
	}
	c.rec.Caller = name
	rt := match(c.r.Method, c.path)
	c.rec.Route = rt.pattern
	switch rt.kind {
	case routeInvoke, routeOpenAI:
		c.beginTrace()
		return c.invoke(ctx, rt)
	case routeList:
		return c.replyView(c.p.table.Load().listView(c.p.cfg.WorkspaceHost))
	case routeGet:
		e := c.p.table.Load().byName[rt.endpoint]
		if e == nil {
			return unknownEndpoint(rt.endpoint)
		}
		c.rec.Endpoint = e.model.Name
		return c.replyView(e.view(c.p.cfg.WorkspaceHost))
	}
	return unknownRoute(c.r.Method, c.path)
}

func (c *call) begin() {
	c.rec = CallRecord{
		Time: c.p.cfg.Now(), RequestID: telemetry.NewGUID(), Remote: c.r.Remote, Method: c.r.Method, Path: c.path,
	}
	// A call without trace context begins one, so that the hops can be joined.
	if in, ok := telemetry.ParseTraceParent(c.r.Header.Get("traceparent")); ok && c.r.Header.Count("traceparent") == 1 {
		c.span, c.parent = in.Child(), in.Span
		c.traceState = c.r.Header.Joined("tracestate")
	} else {
		c.span = telemetry.NewSpanContext()
	}
	c.rec.Span = c.span
}

func (c *call) end() {
	c.rec.Duration = c.p.cfg.Now().Sub(c.rec.Time)
	c.endTrace()
	if c.p.cfg.Observe != nil {
		c.p.cfg.Observe(c.rec)
	}
}

// refuse sends the envelope of f, unless nobody is left to read it.
func (c *call) refuse(ctx context.Context, f *failure) {
	if f.cause != nil {
		c.rec.Cause = f.cause.Error()
	}
	c.traceFailure(f)
	if ctx.Err() != nil {
		c.rec.ClientGone = true
		return
	}
	c.rec.ErrorCode = f.code
	if f.status >= 500 || f.cause != nil {
		c.p.log.LogAttrs(ctx, slog.LevelWarn, "serving call failed",
			slog.String("request_id", c.rec.RequestID), slog.String("trace_id", c.span.TraceID()),
			slog.String("endpoint", c.rec.Endpoint), slog.String("served_entity", c.rec.ServedEntity),
			slog.Int("status", f.status), slog.String("error_code", f.code), slog.String("cause", c.rec.Cause))
	}
	h := make(wire.Header, 0, 4)
	h.Add("Content-Type", contentJSON)
	h.Add(headerRequestID, c.rec.RequestID)
	if f.status == 401 && c.rec.UpstreamStatus == 0 {
		h.Add("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2
	}
	if f.retryAfter != "" {
		h.Add("Retry-After", f.retryAfter)
	}
	if c.rec.ServedEntity != "" && c.rec.UpstreamStatus != 0 {
		h.Add(headerServed, c.rec.ServedEntity)
	}
	c.send(f.status, h, f.envelope())
}

// send answers with a complete body.
func (c *call) send(status int, h wire.Header, body []byte) {
	c.rec.Status = status
	if err := c.w.WriteHead(status, "", h, int64(len(body))); err != nil {
		c.rec.ClientGone = true
		return
	}
	n, err := c.w.Write(body)
	c.rec.BytesOut += int64(n)
	if err != nil {
		c.rec.ClientGone = true
	}
}
