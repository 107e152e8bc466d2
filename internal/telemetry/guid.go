package telemetry

import (
	"encoding/hex"
	"math/rand/v2"
)

// NewGUID returns a random version 4 GUID (RFC 9562 §5.4), the form of
// APIM's context.RequestId and of Databricks' request ids.
func NewGUID() string {
	var b [guidLen]byte
	putGUID(b[:])
	return string(b[:])
}

// NewIDs returns a new GUID and the traceparent of c in one piece of memory:
// nearly every request needs both.
func NewIDs(c SpanContext) (guid, traceParent string) {
	var b [guidLen + traceParentLen]byte
	putGUID(b[:guidLen])
	c.putTraceParent(b[guidLen:])
	s := string(b[:])
	return s[:guidLen], s[guidLen:]
}

const guidLen = 36

func putGUID(b []byte) {
	var u [16]byte
	put64(u[:8], rand.Uint64()) // ids join records and protect nothing
	put64(u[8:], rand.Uint64())
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}
