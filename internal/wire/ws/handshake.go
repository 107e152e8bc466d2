package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"

	"sallyport/internal/wire"
)

// Protocol is the value of the Upgrade header.
const Protocol = "websocket"

// Version is the one version of the protocol (RFC 6455 §4.1).
const Version = "13"

// What can be wrong with an opening handshake.
var (
	ErrNoUpgrade = errors.New("the request does not ask for an upgrade to websocket")
	ErrMethod    = errors.New("the method of a WebSocket handshake is GET")
	ErrVersion   = errors.New("the version of the WebSocket protocol is not 13")
	ErrKey       = errors.New("Sec-WebSocket-Key is not 16 bytes in base64")
	ErrBody      = errors.New("a WebSocket handshake has no body")
)

// CheckRequest judges the opening handshake of a client (RFC 6455 §4.2.1).
func CheckRequest(r *wire.Request) error {
	switch {
	case !Lists(r.Header, "Upgrade", Protocol) || !Lists(r.Header, "Connection", "upgrade"):
		return ErrNoUpgrade
	case r.Method != "GET":
		return ErrMethod
	case r.Body != nil || r.ContentLength > 0:
		return ErrBody
	case r.Header.Count("Sec-WebSocket-Version") != 1 || strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != Version:
		return ErrVersion
	case r.Header.Count("Sec-WebSocket-Key") != 1 || !validKey(r.Header.Get("Sec-WebSocket-Key")):
		return ErrKey
	}
	return nil
}

func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	return err == nil && len(b) == 16
}

// Lists reports whether a header that is a list holds a token; tokens compare
// without case.
func Lists(h wire.Header, name, token string) bool {
	for i := range h {
		if !wire.EqualName(h[i].Name, name) {
			continue
		}
		for rest := h[i].Value; rest != ""; {
			var t string
			t, rest, _ = strings.Cut(rest, ",")
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// Accept is the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(strings.TrimSpace(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 §1.3 asks for SHA-1
	return base64.StdEncoding.EncodeToString(sum[:])
}

// NewKey makes a Sec-WebSocket-Key.
func NewKey() string {
	var b [16]byte
	for i := 0; i < len(b); i += 4 {
		k := newKey()
		copy(b[i:], k[:])
	}
	return base64.StdEncoding.EncodeToString(b[:])
}
