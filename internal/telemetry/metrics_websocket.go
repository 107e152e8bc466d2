package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// webSockets counts the connections of WebSocket APIs.
type webSockets struct {
	open     atomic.Int64
	attempts [2]atomic.Uint64 // accepted, refused
}

// WebSocketAttempt counts an attempt to open a WebSocket.
func (m *Metrics) WebSocketAttempt(accepted bool) {
	switch {
	case m == nil:
	case accepted:
		m.sockets.attempts[0].Add(1)
	default:
		m.sockets.attempts[1].Add(1)
	}
}

// WebSocketOpen adds n to the open WebSockets.
func (m *Metrics) WebSocketOpen(n int64) {
	if m != nil {
		m.sockets.open.Add(n)
	}
}

var (
	descSocketsOpen    = desc("websockets_open", "WebSocket connections that are passed through now.")
	descSocketAttempts = desc("websocket_attempts_total", "Attempts to open a WebSocket by result.", "result")
)

func socketDescs() []*prometheus.Desc { return []*prometheus.Desc{descSocketsOpen, descSocketAttempts} }

func (e exposition) websockets(ch chan<- prometheus.Metric) {
	gauge(ch, descSocketsOpen, float64(e.m.sockets.open.Load()))
	for i, result := range [...]string{"accepted", "refused"} {
		counter(ch, descSocketAttempts, e.m.sockets.attempts[i].Load(), result)
	}
}
