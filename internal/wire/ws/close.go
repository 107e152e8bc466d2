package ws

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Code is the status code of a close frame (RFC 6455 §7.4.1 and the IANA
// registry).
type Code uint16

// Status codes. NoStatus and Abnormal are never sent: they stand for a close
// frame without a code and for an end without a close frame.
const (
	Normal        Code = 1000
	GoingAway     Code = 1001
	ProtocolError Code = 1002
	Unsupported   Code = 1003
	NoStatus      Code = 1005
	Abnormal      Code = 1006
	InvalidData   Code = 1007
	PolicyBroken  Code = 1008
	TooBig        Code = 1009
	InternalError Code = 1011
)

// Sendable reports whether a close frame may carry c.
func (c Code) Sendable() bool {
	switch {
	case c >= 3000 && c <= 4999: // libraries, frameworks and applications
		return true
	case c < 1000 || c > 1014:
		return false
	}
	return c != 1004 && c != NoStatus && c != Abnormal
}

// CloseError is the end of a connection by a close frame.
type CloseError struct {
	Code   Code
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("closed with code %d", e.Code)
	}
	return fmt.Sprintf("closed with code %d: %q", e.Code, e.Reason)
}

// AppendClose appends a close frame. masked is for the direction from client to
// server (RFC 6455 §5.3). A reason that is too long is cut.
func AppendClose(b []byte, code Code, reason string, masked bool) []byte {
	for len(reason) > MaxControl-2 || !utf8.ValidString(reason) {
		reason = reason[:len(reason)-1]
	}
	h := Header{Fin: true, Opcode: Close, Masked: masked, Length: int64(2 + len(reason))}
	if masked {
		h.Key = newKey()
	}
	b = AppendHeader(b, h)
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	b = append(b, reason...)
	if masked {
		Mask(b[at:], h.Key, 0)
	}
	return b
}

// parseClose reads the payload of a close frame.
func parseClose(p []byte) (*CloseError, error) {
	if len(p) == 0 {
		return &CloseError{Code: NoStatus}, nil
	}
	if len(p) == 1 {
		return nil, fail(ProtocolError, "close frame of one byte")
	}
	e := &CloseError{Code: Code(binary.BigEndian.Uint16(p)), Reason: string(p[2:])}
	if !e.Code.Sendable() {
		return nil, fail(ProtocolError, "close frame with code %d", e.Code)
	}
	if !utf8.ValidString(e.Reason) {
		return nil, fail(InvalidData, "close reason that is not UTF-8")
	}
	return e, nil
}

// newKey is a fresh mask; it must not be predictable (RFC 6455 §10.3).
func newKey() (key [4]byte) {
	_, _ = rand.Read(key[:]) // never fails
	return key
}
