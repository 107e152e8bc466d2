package gateway

import (
	"net"
	"strings"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// The shapes below are those of APIM's trace JSON (Azure documentation: Debug
// your APIs using request tracing).

// beginTrace starts the record of this hop; called once the API is known.
func (c *call) beginTrace() {
	if c.Span.IsZero() { // a traced call is always joined
		c.Span = telemetry.NewSpanContext()
		c.TraceParent = c.Span.TraceParent()
	}
	title := c.In.Method + " " + c.ShowTarget(c.In.Target)
	c.Trace = c.g.cfg.Traces.Begin(telemetry.HopGateway, c.g.cfg.ServiceName, title, c.Span, c.Parent)
	c.Trace.Start = c.Start
	c.Trace.Add(telemetry.SectionInbound, telemetry.Entry{Source: "api-inspector", Timestamp: c.Start, Data: map[string]any{
		"request": map[string]any{
			"method":  c.In.Method,
			"url":     c.In.Scheme + "://" + c.In.Host + c.ShowTarget(c.In.Target),
			"headers": c.show(c.In.Header),
		},
	}})
}

// traceOnRequest starts a trace the older way: the header Ocp-Apim-Trace from a
// caller whose subscription allows tracing. The answer names where the trace
// can be read; its id is the secret. Without permission the header is ignored.
func (c *call) traceOnRequest() {
	s := c.Subscription
	if c.Trace != nil || s == nil || !s.AllowTracing || c.g.cfg.TraceURL == "" || !strings.EqualFold(c.In.Header.Get("Ocp-Apim-Trace"), "true") {
		return
	}
	c.beginTrace()
	c.Trace.Open = true
	c.SetReplyHeader("Ocp-Apim-Trace-Location", c.g.cfg.TraceURL+c.Trace.ID)
}

// traceAdmitted records what was matched and who calls.
func (c *call) traceAdmitted() {
	api := map[string]any{
		"id": c.API.ID, "from": c.MatchedPath, "version": nullable(c.API.Version), "revision": c.API.Revision,
		"to": c.traceBase(),
	}
	product, user, subscription := any("-"), any("-"), any("-")
	if c.Product != nil {
		product = map[string]any{"id": c.Product.ID}
	}
	if c.Subscription != nil {
		subscription = map[string]any{"id": c.Subscription.ID}
		if c.Subscription.OwnerID != "" {
			user = map[string]any{"id": c.Subscription.OwnerID, "groups": []string{}}
		}
	}
	c.Trace.Add(telemetry.SectionInbound, telemetry.Entry{Source: "api-inspector", Data: map[string]any{"configuration": map[string]any{
		"api":       api,
		"operation": map[string]any{"id": c.Operation.ID, "name": c.Operation.DisplayName, "method": c.Operation.Method, "uriTemplate": c.Operation.URLTemplate},
		"user":      user, "product": product, "subscription": subscription,
	}}})
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *call) traceBase() any {
	b := c.api.Base
	if b.IsZero() {
		return nil
	}
	host, port := b.Authority, ""
	if h, p, err := net.SplitHostPort(b.Authority); err == nil {
		host, port = h, p
	}
	def := port == "" || (b.Scheme == "https" && port == "443") || (b.Scheme == "http" && port == "80")
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[b.Scheme]
	}
	return map[string]any{"scheme": b.Scheme, "host": host, "port": port, "path": b.Path, "queryString": "", "query": map[string]any{}, "isDefaultPort": def}
}

func (c *call) traceForward(out *wire.Outgoing, o exchange.ForwardOptions) {
	if c.Trace == nil {
		return
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = c.g.cfg.BackendTimeout
	}
	c.Trace.Add(telemetry.SectionBackend, telemetry.Entry{Source: "forward-request", Data: map[string]any{
		"message": "The request is sent to the backend. Timeout for the response head: " + timeout.String() + ".",
		"backend": nullable(c.namedBackend()),
		"request": map[string]any{"method": out.Method, "url": out.Scheme + "://" + out.Authority + c.ShowTarget(out.Target), "headers": c.show(out.Header)},
	}})
}

func (c *call) namedBackend() string {
	if c.Target.Backend != nil {
		return c.Target.Backend.ID
	}
	return ""
}

func (c *call) traceForwarded(res *wire.Incoming, waited time.Duration) {
	if c.Trace == nil {
		return
	}
	c.Trace.Add(telemetry.SectionBackend, telemetry.Entry{Source: "forward-request", Took: waited, Data: map[string]any{
		"message":  "The backend has answered.",
		"response": map[string]any{"status": map[string]any{"code": res.Status, "reason": res.Reason}, "headers": c.show(res.Header)},
	}})
}

func (c *call) traceReply() {
	if c.Trace == nil {
		return
	}
	msg := "The response has been sent in full."
	if c.Failure != nil && c.Failure.Section == "" && c.Failure.Source == "transfer-response" {
		msg = c.Failure.Message
	}
	c.Trace.Add(telemetry.SectionOutbound, telemetry.Entry{Source: "transfer-response", Data: map[string]any{
		"message": msg, "status": c.Response.Status, "bytes": c.sent, "streamed": c.flush && c.Response.FromBackend,
	}})
}

// show is a header as the trace shows it, with credentials masked unless the
// settings say otherwise (APIM itself shows them).
func (c *call) show(h wire.Header) []exchange.Shown {
	if c.g.cfg.MaskTraceSecrets {
		return c.ShowHeaders(h)
	}
	out := make([]exchange.Shown, 0, len(h))
	for _, f := range h {
		out = append(out, exchange.Shown{Name: f.Name, Value: f.Value})
	}
	return out
}

// record is the access log record of this call.
func (c *call) record(status int, total time.Duration) telemetry.AccessRecord {
	r := telemetry.AccessRecord{
		Time: c.Start.Add(total), CorrelationID: c.ID, Method: c.In.Method, Scheme: c.In.Scheme, Host: c.In.Host, Target: c.ShowTarget(c.In.Target),
		Protocol: c.In.Proto, TLSVersion: c.In.TLSVersion, Client: c.Client, Status: status, ResponseSize: c.sent, RequestSize: c.received(),
		BackendStatus: c.backendCode, BackendTime: c.Timing.Backend, TotalTime: total, Timing: c.timing(total), Tokens: c.tokens(), Span: c.Span, Parent: c.Parent,
	}
	if c.out.Method != "" {
		r.BackendScheme, r.BackendHost, r.BackendTarget = c.out.Scheme, c.out.Authority, c.ShowTarget(c.out.Target)
		r.BackendID, r.BackendMethod = c.namedBackend(), c.Request.Method
	}
	if c.API != nil {
		r.APIID, r.APIRevision = c.API.ID, c.API.Revision
	}
	if c.Operation != nil {
		r.OperationID = c.Operation.ID
	}
	if c.Product != nil {
		r.ProductID = c.Product.ID
	}
	if c.Subscription != nil {
		r.SubscriptionID, r.UserID = c.Subscription.ID, c.Subscription.OwnerID
	}
	if f := c.Failure; f != nil {
		r.LastError = &telemetry.LastError{Source: f.Source, Reason: f.Reason, Message: f.Message, Section: f.Section, Scope: f.Scope, Path: f.Path}
		if f.Cause != nil {
			r.LastError.Cause = f.Cause.Error()
		}
	}
	return r
}
