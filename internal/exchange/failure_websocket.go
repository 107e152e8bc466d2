package exchange

import "sallyport/internal/wire"

// msgHandshake is shown to clients, like the messages of failure.go. What Azure
// says to a plain request for a WebSocket API is not documented; this is the
// place to change it.
const msgHandshake = "This API takes WebSocket handshakes only (GET with Upgrade: websocket, version 13)."

// NotAHandshake is the 400 for a request to a WebSocket API that is no
// WebSocket handshake, or not a valid one. It names the version to speak
// (RFC 6455 §4.4).
func NotAHandshake(err error) *Failure {
	return &Failure{Source: "configuration", Reason: "BadRequest", Status: 400, Message: "The request is no valid WebSocket handshake.", ClientMessage: msgHandshake,
		Header: wire.Header{{Name: "Sec-WebSocket-Version", Value: "13"}}, Cause: err}
}
