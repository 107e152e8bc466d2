package databricks

import (
	"net/netip"
	"time"

	"sallyport/internal/telemetry"
)

// CallRecord is one request as access log and metrics want it. It holds no
// credential and no body.
type CallRecord struct {
	Time            time.Time
	Duration        time.Duration
	RequestID       string
	ClientRequestID string // the body's client_request_id, shortened
	Remote          netip.AddrPort
	Caller          string // name of the token; "" when refused
	Method, Path    string
	Route           string // pattern of the path, bounded in number; "" = unknown
	Endpoint        string // "" until a configured endpoint was found
	ServedEntity    string
	Provider, Task  string
	Status          int           // 0 when the client left before an answer
	ErrorCode       string        // of our envelope
	Cause           string        // what the caller is not told
	UpstreamStatus  int           // 0 when there was no answer
	UpstreamHead    time.Duration // wait for the head of the answer
	BytesIn         int64
	BytesOut        int64
	Streamed        bool
	Events          int
	// ClientGone: the client left before the answer was complete.
	// Broken: the upstream broke off after the head was sent.
	ClientGone, Broken bool
	Span               telemetry.SpanContext
}

// shorten bounds what a caller can put into the log.
func shorten(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most]
	}
	return s
}
