package databricks

import (
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// Sources of trace entries.
const (
	sourceEndpoint = "serving-endpoint"
	sourceModel    = "external-model"
	sourceTransfer = "transfer-response"
)

// beginTrace records this hop when an earlier hop of the call is being traced.
func (c *call) beginTrace() {
	t := c.p.cfg.Traces
	if t == nil || c.parent == [8]byte{} || !t.IsActive(c.span.Trace) {
		return
	}
	c.trace = t.Begin(telemetry.HopServing, sourceEndpoint, c.r.Method+" "+c.path, c.span, c.parent)
}

func (c *call) endTrace() {
	if c.trace != nil {
		c.p.cfg.Traces.Finish(c.trace, c.rec.Status)
	}
}

func (c *call) traceEndpoint(name string) {
	if c.trace != nil {
		c.trace.Service = sourceEndpoint + "/" + name
	}
}

func (c *call) traceInbound(ent *entity, doc *document) {
	if c.trace == nil {
		return
	}
	data := map[string]any{
		"requestId": c.rec.RequestID, "caller": c.rec.Caller, "endpoint": c.rec.Endpoint,
		"servedEntity": ent.name, "provider": ent.provider, "task": ent.task,
		"modelSent": ent.modelName, "bytes": c.rec.BytesIn, "stream": string(doc.stream) == "true",
	}
	if m, ok := decodeString(doc.model); ok {
		data["modelAsked"] = shorten(m)
	}
	removed := []string{}
	for i := range doc.notes {
		if n := &doc.notes[i]; n.drop {
			name, _ := decodeString(doc.fieldName(n))
			removed = append(removed, name)
		}
	}
	data["removedFields"] = removed
	if c.rec.ClientRequestID != "" {
		data["clientRequestId"] = c.rec.ClientRequestID
	}
	c.trace.Add(telemetry.SectionInbound, telemetry.Entry{Source: sourceEndpoint, Data: data})
}

func (c *call) traceRequest(ent *entity, out *wire.Outgoing) {
	if c.trace == nil {
		return
	}
	kind, header := "bearer_token_auth", "Authorization"
	if ent.keyHeader != "" {
		kind, header = "api_key_auth", ent.keyHeader
	}
	headers := make([]map[string]any, 0, len(out.Header))
	for _, f := range out.Header {
		v := f.Value
		if wire.EqualName(f.Name, header) {
			v = reference(ent)
		}
		headers = append(headers, map[string]any{"name": f.Name, "value": v})
	}
	c.trace.Add(telemetry.SectionBackend, telemetry.Entry{Source: sourceModel, Data: map[string]any{
		"request": map[string]any{"method": out.Method, "url": ent.target.shown(), "headers": headers, "bytes": out.ContentLength},
		"auth":    map[string]any{"kind": kind, "header": header, "secret": reference(ent)},
	}})
}

func (c *call) traceResponse(in *wire.Incoming) {
	if c.trace == nil {
		return
	}
	headers := make([]map[string]any, 0, len(in.Header))
	for _, f := range in.Header {
		v := f.Value
		if wire.EqualName(f.Name, "Set-Cookie") {
			v = "****"
		}
		headers = append(headers, map[string]any{"name": f.Name, "value": v})
	}
	c.trace.Add(telemetry.SectionBackend, telemetry.Entry{Source: sourceModel, Took: c.rec.UpstreamHead, Data: map[string]any{
		"response": map[string]any{"status": in.Status, "headers": headers},
	}})
}

func (c *call) traceTransfer(status int) {
	if c.trace == nil {
		return
	}
	data := map[string]any{"status": status, "bytes": c.rec.BytesOut, "streamed": c.rec.Streamed}
	if c.rec.Streamed {
		data["events"] = c.rec.Events
	}
	if c.rec.ClientGone {
		data["clientGone"] = true
	}
	if c.rec.Broken {
		data["brokenOff"] = c.rec.Cause
	}
	c.trace.Add(telemetry.SectionOutbound, telemetry.Entry{Source: sourceTransfer, Data: data})
}

// traceFailure shows what the caller is told and, beside it, the cause.
func (c *call) traceFailure(f *failure) {
	if c.trace == nil {
		return
	}
	data := map[string]any{"status": f.status, "error_code": f.code, "message": f.message}
	if f.cause != nil {
		data["cause"] = f.cause.Error()
	}
	source := sourceEndpoint
	if c.rec.UpstreamHead > 0 || c.rec.UpstreamStatus != 0 {
		source = sourceModel
	}
	c.trace.Add(telemetry.SectionOnError, telemetry.Entry{Source: source, Data: data})
}
