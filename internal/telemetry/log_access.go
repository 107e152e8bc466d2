package telemetry

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"time"
)

// AccessRecord is one request as the access log tells it. Its fields are the
// columns of APIM's gateway log (Azure Monitor: ApiManagementGatewayLogs) and
// times of our own; empty ones are left out.
type AccessRecord struct {
	Time          time.Time // when the request ended; zero = now
	CorrelationID string
	Method        string
	// Scheme, Host and Target are the URL as the client used it, in parts so
	// that nobody has to join them.
	Scheme, Host, Target string
	Protocol             string // "HTTP/1.1"
	TLSVersion           string
	Client               netip.Addr
	RequestSize          int64 // -1 = unknown
	Status               int
	ResponseSize         int64
	TotalTime            time.Duration

	APIID, APIRevision, OperationID           string
	ProductID, SubscriptionID, UserID         string
	BackendID, BackendMethod                  string
	BackendScheme, BackendHost, BackendTarget string // the URL called; no scheme = none was called
	BackendStatus                             int    // 0 = no answer
	BackendTime                               time.Duration
	Timing                                    Timing // the zero value is left out
	Tokens                                    Tokens // the zero value is left out

	Span      SpanContext // W3C trace context; zero = none
	Parent    [8]byte     // span of the caller; zero = none
	LastError *LastError
	// KeyQuery is the API's query parameter for the subscription key; its
	// value is masked in the URLs, as are those of the usual names.
	KeyQuery string
}

// Tokens are the counts that a language model reported in its answer; the
// columns are those of Azure Monitor's ApiManagementGatewayLlmLog.
type Tokens struct{ Prompt, Completion, Total int64 }

// each calls f for every column.
func (t Tokens) each(f func(name string, n int64)) {
	if t != (Tokens{}) {
		f("promptTokens", t.Prompt)
		f("completionTokens", t.Completion)
		f("totalTokens", t.Total)
	}
}

// LastError is context.LastError of a failed request. Cause is for the
// operator: what the network or a library said.
type LastError struct {
	Source, Reason, Message, Section, Scope, Path string
	Cause                                         string
}

// accessAttrs is how many attributes a record has at most.
const accessAttrs = 35

// Access writes r as one line of level info. A logger of NewLogger whose format
// is JSON gets the line from our own encoder, which writes what slog would
// write; any other handler gets attributes.
func Access(l *slog.Logger, r AccessRecord) {
	ctx := context.Background()
	if l == nil || !l.Enabled(ctx, slog.LevelInfo) {
		return
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	h := l.Handler()
	if j, ok := h.(*jsonHandler); ok {
		j.access(&r)
		return
	}
	line := slog.NewRecord(r.Time, slog.LevelInfo, accessMessage, 0)
	line.AddAttrs(r.attrs()...)
	_ = h.Handle(ctx, line) // a logger has nobody to tell
}

const accessMessage = "request"

// attrs are the columns for handlers of slog; appendJSON in log_json.go writes
// the same ones in the same order.
func (r *AccessRecord) attrs() []slog.Attr {
	a := attrs{list: make([]slog.Attr, 0, accessAttrs)}
	a.text("category", "GatewayLogs")
	a.text("correlationId", r.CorrelationID)
	a.text("method", r.Method)
	a.text("url", joinURL(r.Scheme, r.Host, MaskQuery(r.Target, r.KeyQuery)))
	a.text("clientProtocol", r.Protocol)
	a.text("clientTlsVersion", r.TLSVersion)
	if r.Client.IsValid() {
		a.text("callerIpAddress", r.Client.String())
	}
	a.text("apiId", r.APIID)
	a.text("apiRevision", r.APIRevision)
	a.text("operationId", r.OperationID)
	a.text("productId", r.ProductID)
	a.text("apimSubscriptionId", r.SubscriptionID)
	a.text("userId", r.UserID)
	a.list = append(a.list, slog.Bool("isRequestSuccess", r.succeeded()), slog.Int("responseCode", r.Status), slog.Int64("responseSize", r.ResponseSize))
	if r.RequestSize >= 0 {
		a.list = append(a.list, slog.Int64("requestSize", r.RequestSize))
	}
	a.time("totalTime", r.TotalTime)
	if r.BackendScheme != "" {
		a.text("backendId", r.BackendID)
		a.text("backendMethod", r.BackendMethod)
		a.text("backendUrl", joinURL(r.BackendScheme, r.BackendHost, MaskQuery(r.BackendTarget, r.KeyQuery)))
		if r.BackendStatus != 0 {
			a.list = append(a.list, slog.Int("backendResponseCode", r.BackendStatus))
		}
		a.time("backendTime", r.BackendTime)
	}
	r.Timing.each(r.BackendScheme != "", a.time)
	r.Tokens.each(func(name string, n int64) { a.list = append(a.list, slog.Int64(name, n)) })
	if e := r.LastError; e != nil {
		a.list = append(a.list, slog.Attr{Key: "lastError", Value: e.value()})
	}
	if !r.Span.IsZero() {
		a.text("traceId", r.Span.TraceID())
		a.text("spanId", SpanID(r.Span.Span))
		if r.Parent != [8]byte{} {
			a.text("parentSpanId", SpanID(r.Parent))
		}
	}
	return a.list
}

func (r *AccessRecord) succeeded() bool {
	return r.Status >= 200 && r.Status < 400 || r.Status == 101 // a WebSocket
}

func joinURL(scheme, host, target string) string { return scheme + "://" + host + target }

func (e *LastError) value() slog.Value {
	a := attrs{}
	a.text("source", e.Source)
	a.text("reason", e.Reason)
	a.text("message", e.Message)
	a.text("section", e.Section)
	a.text("scope", e.Scope)
	a.text("path", e.Path)
	a.text("cause", e.Cause)
	return slog.GroupValue(a.list...)
}

type attrs struct{ list []slog.Attr }

// text adds an attribute unless it is empty.
func (a *attrs) text(key, value string) {
	if value != "" {
		a.list = append(a.list, slog.String(key, value))
	}
}

func (a *attrs) time(key string, d time.Duration) {
	a.list = append(a.list, slog.Float64(key, milliseconds(d)))
}

// milliseconds keeps three digits: a gateway step takes microseconds.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/1e3) / 1e3
}
