package model

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
)

// TypeWebSocket is the API type of WebSocket APIs; TypeHTTP is the usual one.
const (
	TypeHTTP      = "http"
	TypeWebSocket = "websocket"
)

// HandshakeID is the id of the one operation that a WebSocket API has
// (Azure documentation: Import a WebSocket API).
const HandshakeID = "onHandshake"

// IsWebSocket reports whether a passes WebSocket connections through.
func (a *API) IsWebSocket() bool { return a.Type == TypeWebSocket }

// NewHandshake returns the operation that the system makes for a WebSocket API.
// It cannot be edited; policies may be attached to it. They run once, for the
// request that asks for the switch of protocols.
func NewHandshake(pos diag.Pos) *Operation {
	return &Operation{ID: HandshakeID, DisplayName: HandshakeID, Method: "GET", URLTemplate: "/", Pos: pos}
}

// IsHandshake reports whether o is what NewHandshake makes.
func (o *Operation) IsHandshake() bool {
	return o.ID == HandshakeID && o.Method == "GET" && o.URLTemplate == "/"
}

// webSocket checks what holds for WebSocket APIs only.
func (v *validator) webSocket(a *API, res string) {
	if len(a.Operations) != 1 || !a.Operations[0].IsHandshake() {
		v.out.Add(diag.RuleHandshake, a.Pos, res, "WebSocket API '%s' must have the operation '%s' and no other", a.ID, HandshakeID).
			WithHint("the operation is made by the system and cannot be edited")
	}
	for _, p := range a.Protocols {
		if slices.Contains([]string{"http", "https"}, p) {
			v.out.Add(diag.RuleProtocol, a.Places.At("protocols", a.Pos), res, "a WebSocket API cannot have protocol '%s'", p).
				WithHint("use %s", map[string]string{"http": "ws", "https": "wss"}[p])
		}
	}
	scheme, _, ok := strings.Cut(a.ServiceURL, "://")
	if scheme = strings.ToLower(scheme); ok && (scheme == "http" || scheme == "https") {
		v.out.Add(diag.RuleServiceURL, a.Places.At("serviceUrl", a.Pos), res, "serviceUrl of a WebSocket API must begin with ws:// or wss://, not %s://", scheme).
			WithHint("use %s", map[string]string{"http": "ws", "https": "wss"}[scheme])
	}
}
