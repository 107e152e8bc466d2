package telemetry

import (
	"encoding/hex"
	"math/rand/v2"
)

// SpanContext is a W3C trace context (traceparent header, version 00).
type SpanContext struct {
	Trace   [16]byte
	Span    [8]byte
	Sampled bool
}

// IsZero reports whether there is no trace context.
func (c SpanContext) IsZero() bool { return c.Trace == [16]byte{} }

// ParseTraceParent reads a traceparent header value. Unknown future versions
// are read as version 00, as the recommendation asks; anything malformed is
// no context at all.
func ParseTraceParent(s string) (SpanContext, bool) {
	var c SpanContext
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || (len(s) > 55 && (s[:2] == "00" || s[55] != '-')) {
		return SpanContext{}, false
	}
	var flags, version [1]byte
	if !unhex(version[:], s[:2]) || !unhex(c.Trace[:], s[3:35]) || !unhex(c.Span[:], s[36:52]) || !unhex(flags[:], s[53:55]) {
		return SpanContext{}, false
	}
	if c.Trace == [16]byte{} || c.Span == [8]byte{} {
		return SpanContext{}, false
	}
	c.Sampled = flags[0]&1 == 1
	return c, true
}

// unhex accepts lower-case digits only, as the recommendation demands.
func unhex(dst []byte, s string) bool {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}

// NewSpanContext starts a trace. The ids only join records, they protect
// nothing, so a fast generator is enough.
func NewSpanContext() SpanContext {
	var c SpanContext
	put64(c.Trace[:8], rand.Uint64()|1)
	put64(c.Trace[8:], rand.Uint64())
	put64(c.Span[:], rand.Uint64()|1)
	return c
}

// Child is a new span of the same trace.
func (c SpanContext) Child() SpanContext {
	put64(c.Span[:], rand.Uint64()|1)
	return c
}

func put64(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}

// TraceParent is the header value of c.
func (c SpanContext) TraceParent() string {
	var b [traceParentLen]byte
	c.putTraceParent(b[:])
	return string(b[:])
}

const traceParentLen = 55

func (c SpanContext) putTraceParent(b []byte) {
	b[0], b[1], b[2], b[35], b[52], b[53], b[54] = '0', '0', '-', '-', '-', '0', '0'
	hex.Encode(b[3:35], c.Trace[:])
	hex.Encode(b[36:52], c.Span[:])
	if c.Sampled {
		b[54] = '1'
	}
}

// TraceID is the trace id in hexadecimal.
func (c SpanContext) TraceID() string { return hex.EncodeToString(c.Trace[:]) }
