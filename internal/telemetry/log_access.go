package telemetry

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// AccessRecord is one request as the access log tells it. Its fields are the
// columns of APIM's gateway log (Azure Monitor: ApiManagementGatewayLogs);
// empty ones are left out.
type AccessRecord struct {
	CorrelationID string
	Method        string
	URL           string // absolute, as the client used it
	Protocol      string // "HTTP/1.1"
	TLSVersion    string
	Client        netip.Addr
	RequestSize   int64 // -1 = unknown
	Status        int
	ResponseSize  int64
	TotalTime     time.Duration

	APIID, APIRevision, OperationID   string
	ProductID, SubscriptionID, UserID string
	BackendID, BackendMethod          string
	BackendURL                        string
	BackendStatus                     int // 0 = no answer
	BackendTime                       time.Duration

	TraceID, SpanID, ParentSpanID string // W3C trace context
	LastError                     *LastError
	// KeyQuery is the API's query parameter for the subscription key; its
	// value is masked in the URLs, as are those of the usual names.
	KeyQuery string
}

// LastError is context.LastError of a failed request. Cause is for the
// operator: what the network or a library said.
type LastError struct {
	Source, Reason, Message, Section, Scope, Path string
	Cause                                         string
}

// accessAttrs is how many attributes a record has at most.
const accessAttrs = 26

// Access writes r as one line of level info.
func Access(l *slog.Logger, r AccessRecord) {
	ctx := context.Background()
	if l == nil || !l.Enabled(ctx, slog.LevelInfo) {
		return
	}
	a := attrs{list: make([]slog.Attr, 0, accessAttrs)}
	a.text("category", "GatewayLogs")
	a.text("correlationId", r.CorrelationID)
	a.text("method", r.Method)
	a.text("url", MaskQuery(r.URL, r.KeyQuery))
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
	a.list = append(a.list, slog.Bool("isRequestSuccess", r.Status >= 200 && r.Status < 400), slog.Int("responseCode", r.Status), slog.Int64("responseSize", r.ResponseSize))
	if r.RequestSize >= 0 {
		a.list = append(a.list, slog.Int64("requestSize", r.RequestSize))
	}
	a.list = append(a.list, slog.Float64("totalTime", milliseconds(r.TotalTime)))
	if r.BackendURL != "" {
		a.text("backendId", r.BackendID)
		a.text("backendMethod", r.BackendMethod)
		a.text("backendUrl", MaskQuery(r.BackendURL, r.KeyQuery))
		if r.BackendStatus != 0 {
			a.list = append(a.list, slog.Int("backendResponseCode", r.BackendStatus))
		}
		a.list = append(a.list, slog.Float64("backendTime", milliseconds(r.BackendTime)))
	}
	if e := r.LastError; e != nil {
		a.list = append(a.list, slog.Attr{Key: "lastError", Value: e.value()})
	}
	a.text("traceId", r.TraceID)
	a.text("spanId", r.SpanID)
	a.text("parentSpanId", r.ParentSpanID)
	l.LogAttrs(ctx, slog.LevelInfo, "request", a.list...)
}

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

// milliseconds keeps three digits: a gateway step takes microseconds.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/1e3) / 1e3
}

// MaskQuery replaces the values of query parameters that hold keys by "***":
// name, and the names keys usually have. Names compare without case and with
// percent-encoding undone, as the gateway reads them.
func MaskQuery(rawURL, name string) string {
	path, query, ok := strings.Cut(rawURL, "?")
	if !ok || !holdsKey(query, name) {
		return rawURL
	}
	var b strings.Builder
	for i, p := range strings.Split(query, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		k, v, _ := strings.Cut(p, "=")
		if v != "" && isKeyName(k, name) {
			b.WriteString(k + "=***")
			continue
		}
		b.WriteString(p)
	}
	return path + "?" + b.String()
}

func holdsKey(query, name string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if k, v, _ := strings.Cut(pair, "="); v != "" && isKeyName(k, name) {
			return true
		}
	}
	return false
}

func isKeyName(raw, name string) bool {
	k := raw
	if strings.ContainsAny(raw, "%+") {
		if u, err := url.QueryUnescape(raw); err == nil {
			k = u
		}
	}
	for _, n := range [...]string{name, "subscription-key", "api-key", "access_token", "sig"} {
		if n != "" && strings.EqualFold(k, n) {
			return true
		}
	}
	return false
}
