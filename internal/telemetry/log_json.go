package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// jsonHandler is slog's JSON handler with a way of its own for access lines:
// they are most of what a gateway writes, and building attributes for them costs
// more than matching and admitting the request.
type jsonHandler struct {
	slog.Handler
	out    io.Writer // takes writes from many goroutines
	stamps stamps
	lines  sync.Pool
}

func newJSONHandler(w io.Writer, o *slog.HandlerOptions) *jsonHandler {
	h := &jsonHandler{Handler: slog.NewJSONHandler(w, o), out: w}
	h.lines.New = func() any { return &line{b: make([]byte, 0, 1024)} }
	return h
}

// keptLine is the size above which the memory of a line is not kept: a URL or
// an error text may be long.
const keptLine = 16 << 10

func (h *jsonHandler) access(r *AccessRecord) {
	l := h.lines.Get().(*line)
	l.b = h.stamps.appendTime(append(l.b[:0], `{"time":"`...), r.Time)
	l.b = append(l.b, `","level":"INFO","msg":"`+accessMessage+`"`...)
	l.access(r)
	l.b = append(l.b, "}\n"...)
	_, _ = h.out.Write(l.b) // a logger has nobody to tell
	if cap(l.b) <= keptLine {
		h.lines.Put(l)
	}
}

// line is one line of JSON as it grows.
type line struct{ b []byte }

// access appends the columns of r: those of attrs, in its order.
func (l *line) access(r *AccessRecord) {
	l.text("category", "GatewayLogs")
	l.text("correlationId", r.CorrelationID)
	l.text("method", r.Method)
	l.url("url", r.Scheme, r.Host, MaskQuery(r.Target, r.KeyQuery))
	l.text("clientProtocol", r.Protocol)
	l.text("clientTlsVersion", r.TLSVersion)
	if r.Client.IsValid() {
		l.key("callerIpAddress")
		l.b = append(l.b, '"')
		if r.Client.Zone() == "" {
			l.b = r.Client.AppendTo(l.b)
		} else { // a zone is text of the system's making
			l.b = appendEscaped(l.b, r.Client.String())
		}
		l.b = append(l.b, '"')
	}
	l.text("apiId", r.APIID)
	l.text("apiRevision", r.APIRevision)
	l.text("operationId", r.OperationID)
	l.text("productId", r.ProductID)
	l.text("apimSubscriptionId", r.SubscriptionID)
	l.text("userId", r.UserID)
	l.key("isRequestSuccess")
	l.b = strconv.AppendBool(l.b, r.succeeded())
	l.number("responseCode", int64(r.Status))
	l.number("responseSize", r.ResponseSize)
	if r.RequestSize >= 0 {
		l.number("requestSize", r.RequestSize)
	}
	l.time("totalTime", r.TotalTime)
	if r.BackendScheme != "" {
		l.text("backendId", r.BackendID)
		l.text("backendMethod", r.BackendMethod)
		l.url("backendUrl", r.BackendScheme, r.BackendHost, MaskQuery(r.BackendTarget, r.KeyQuery))
		if r.BackendStatus != 0 {
			l.number("backendResponseCode", int64(r.BackendStatus))
		}
		l.time("backendTime", r.BackendTime)
	}
	r.Timing.each(r.BackendScheme != "", l.time)
	r.Tokens.each(l.number)
	if r.LastError != nil {
		l.lastError(r.LastError)
	}
	if !r.Span.IsZero() {
		l.hex("traceId", r.Span.Trace[:])
		l.hex("spanId", r.Span.Span[:])
		if r.Parent != [8]byte{} {
			l.hex("parentSpanId", r.Parent[:])
		}
	}
}

func (l *line) lastError(e *LastError) {
	if *e == (LastError{}) {
		return // slog leaves empty groups out
	}
	l.key("lastError")
	l.b = append(l.b, '{')
	at := len(l.b)
	l.text("source", e.Source)
	l.text("reason", e.Reason)
	l.text("message", e.Message)
	l.text("section", e.Section)
	l.text("scope", e.Scope)
	l.text("path", e.Path)
	l.text("cause", e.Cause)
	l.b = append(append(l.b[:at], l.b[at+1:]...), '}') // without the first comma
}

// key appends the name of a column, which never needs escaping.
func (l *line) key(name string) {
	l.b = append(l.b, ',', '"')
	l.b = append(l.b, name...)
	l.b = append(l.b, '"', ':')
}

// text appends a column unless it is empty.
func (l *line) text(name, value string) {
	if value == "" {
		return
	}
	l.key(name)
	l.b = append(l.b, '"')
	l.b = append(appendEscaped(l.b, value), '"')
}

func (l *line) url(name, scheme, host, target string) {
	l.key(name)
	l.b = append(l.b, '"')
	l.b = append(appendEscaped(l.b, scheme), "://"...)
	l.b = appendEscaped(l.b, host)
	l.b = append(appendEscaped(l.b, target), '"')
}

func (l *line) number(name string, v int64) {
	l.key(name)
	l.b = strconv.AppendInt(l.b, v, 10)
}

func (l *line) time(name string, d time.Duration) {
	l.key(name)
	l.b = appendMilliseconds(l.b, d)
}

func (l *line) hex(name string, id []byte) {
	l.key(name)
	l.b = append(l.b, '"')
	l.b = append(hex.AppendEncode(l.b, id), '"')
}

// appendMilliseconds writes what milliseconds returns.
func appendMilliseconds(b []byte, d time.Duration) []byte {
	if d < 0 || d > 1<<52 { // beyond what whole microseconds and a float64 agree on
		return strconv.AppendFloat(b, milliseconds(d), 'f', -1, 64)
	}
	us := (int64(d) + 500) / 1000
	b = strconv.AppendInt(b, us/1000, 10)
	switch rest := us % 1000; {
	case rest == 0:
		return b
	case rest%100 == 0:
		return append(b, '.', byte('0'+rest/100))
	case rest%10 == 0:
		return append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10))
	default:
		return append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
}

// appendEscaped writes s as the inside of a JSON string, with the escapes that
// slog chooses: short ones where JSON has them for line ends and tabs, \u00xx for
// other control bytes, U+FFFD for what is no UTF-8, and U+2028 and U+2029 escaped
// because they end a line in JavaScript.
func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := plain(s); i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendControl(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028':
			b = append(append(b, s[start:i]...), `\u2028`...)
			start = i + size
		case r == '\u2029':
			b = append(append(b, s[start:i]...), `\u2029`...)
			start = i + size
		}
		i += size
	}
	return append(b, s[start:]...)
}

// plain is the length of a beginning of s that needs no escape, found eight
// bytes at a time.
func plain(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64([]byte(s[n : n+8])) // no copy is made
		quote, slash := x^ones*'"', x^ones*'\\'
		if (x|(x-ones*' ')|(quote-ones)|(slash-ones))&highs != 0 {
			break
		}
	}
	return n
}

func appendControl(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// stamps writes times as RFC 3339 with the digits of the second that are there.
// Everything above the fraction is the same for all lines of a second, so it is
// formatted once.
type stamps struct{ last atomic.Pointer[second] }

type second struct {
	unix       int64
	zone       *time.Location
	head, tail string // around the fraction: "2026-01-02T15:04:05", "+01:00"
}

func (c *stamps) appendTime(b []byte, t time.Time) []byte {
	s := c.last.Load()
	if s == nil || s.unix != t.Unix() || s.zone != t.Location() {
		s = &second{unix: t.Unix(), zone: t.Location(), head: t.Format("2006-01-02T15:04:05"), tail: t.Format("Z07:00")}
		c.last.Store(s)
	}
	b = append(b, s.head...)
	if ns := t.Nanosecond(); ns != 0 {
		b = append(b, '.')
		for unit := 100_000_000; ns != 0; unit /= 10 {
			b = append(b, byte('0'+ns/unit))
			ns %= unit
		}
	}
	return append(b, s.tail...)
}
