package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/ws"
)

var errNoUpgrade = errors.New("the connection cannot switch protocols") // HTTP/1.0, HTTP/2

// socket is what a call of a WebSocket API has beyond others. Policies run for
// the handshake alone (Azure documentation: Import a WebSocket API); after it,
// the gateway passes bytes on.
type socket struct {
	backend  wire.Stream // the backend's side, nil until it has agreed
	release  context.CancelCauseFunc
	relay    *relay // nil until the client's side has been switched
	switched time.Duration
}

// handshake checks that a request to a WebSocket API is a valid opening
// handshake. It stands behind admit: without a key nobody learns what an API is.
func (c *call) handshake() bool {
	if !c.API.IsWebSocket() {
		return true
	}
	err := ws.CheckRequest(c.In)
	if _, can := c.w.(wire.Upgrader); err == nil && (!can || c.In.Proto != "HTTP/1.1") {
		err = errNoUpgrade
	}
	if err != nil {
		c.Failure = exchange.NotAHandshake(err)
		return false
	}
	c.socket = &socket{}
	return true
}

// forwardHandshake is Forward for WebSocket APIs. A backend that refuses is
// answered with like any other; redirects are left to the client.
func (c *call) forwardHandshake(o exchange.ForwardOptions) *exchange.Failure {
	out, f := c.outgoing(o)
	if f != nil {
		return f
	}
	c.socket.close() // a call before this one, when a policy retries
	out.Upgrade, out.Version, out.HeadTimeout = ws.Protocol, wire.HTTP1, o.Timeout
	if o.Timeout <= 0 {
		out.HeadTimeout = c.g.cfg.BackendTimeout
	}
	c.away = false
	c.traceForward(out, o)
	start := time.Now()
	res, err := c.socket.dial(c.Ctx, c.transport(), out)
	waited := time.Since(start)
	c.Timing.Backend += waited
	c.Attempts++
	if err == nil {
		c.Timing.Connect += res.Connect
		err = c.agreed(res)
	}
	if err != nil {
		return c.forwardFailed(err)
	}
	c.take(res, o)
	c.traceForwarded(res, waited)
	if o.FailOnErrorCodes && res.Status >= 400 {
		return exchange.BackendStatus(res.Status)
	}
	return nil
}

// dial asks the backend for the switch. What it returns must outlive ctx: when
// the server shuts down, last words are still to be sent.
func (s *socket) dial(ctx context.Context, t wire.Transport, out *wire.Outgoing) (*wire.Incoming, error) {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	res, err := t.RoundTrip(own, out)
	stop()
	if err != nil {
		cancel(context.Canceled)
		return nil, err
	}
	s.release = cancel
	return res, nil
}

// agreed takes over the stream of a backend that has switched, once it has
// proved that it understood the request (RFC 6455 §4.1). The answer has no body
// then.
func (c *call) agreed(res *wire.Incoming) error {
	if res.Status != 101 {
		return nil
	}
	c.socket.backend, res.Body = res.Stream, nil
	if got, want := res.Header.Get("Sec-WebSocket-Accept"), ws.Accept(c.In.Header.Get("Sec-WebSocket-Key")); got != want {
		c.socket.close()
		return &wire.Error{Kind: wire.KindProtocol, Op: "handshake", Err: fmt.Errorf("Sec-WebSocket-Accept is %q, not %q", got, want)}
	}
	return nil
}

// close ends the backend's side.
func (s *socket) close() {
	if s.backend != nil {
		_ = s.backend.Close()
		s.backend = nil
	}
	if s.release != nil {
		s.release(context.Canceled)
		s.release = nil
	}
}

// switchProtocols takes the place of an ordinary reply when the backend has
// agreed and no policy has made another answer of it. It returns when the
// connection has ended.
func (c *call) switchProtocols() bool {
	s := c.socket
	if s == nil || s.backend == nil || c.Response.Status != 101 || !c.Response.FromBackend {
		return false
	}
	h := c.Response.Header
	h.Set("Upgrade", ws.Protocol)
	w := c.w
	c.w, c.headSent = noAnswer{}, true // the responder must not be touched again, nor a second answer sent
	client, err := w.(wire.Upgrader).Upgrade(h)
	if err != nil {
		c.Failure = exchange.ClientGone("transfer-response", err)
		return true
	}
	s.switched = time.Since(c.Start)
	c.Timing.FirstOut = s.switched
	s.relay = newRelay(client, s.backend, c.g.cfg.WebSocketWriteTimeout)
	c.traceSwitched()
	c.g.cfg.Metrics.WebSocketOpen(1)
	defer c.g.cfg.Metrics.WebSocketOpen(-1)
	c.Failure = s.relay.run(c.Ctx)
	c.sent = s.relay.down.bytes
	return true
}

// traceSwitched ends the trace: it is about the handshake and must not wait for
// the end of the connection.
func (c *call) traceSwitched() {
	if c.Trace == nil {
		return
	}
	c.Trace.Add(telemetry.SectionOutbound, telemetry.Entry{Source: "transfer-response", Data: map[string]any{
		"message": "The connection has been switched to WebSocket.", "status": 101, "bytes": 0, "streamed": true,
	}})
	c.g.cfg.Traces.Finish(c.Trace, 101)
	c.Trace = nil
}

// endSocket counts an attempt to open a WebSocket and gives back what it held.
// For one that was opened it returns how long the handshake took: hours of
// connection would say nothing about requests.
func (c *call) endSocket(status int, total time.Duration) (int, time.Duration) {
	if c.Operation == nil || !c.API.IsWebSocket() {
		return status, total
	}
	opened := c.socket != nil && c.socket.relay != nil
	c.g.cfg.Metrics.WebSocketAttempt(opened)
	if c.socket != nil {
		c.socket.close()
	}
	if opened {
		return 101, c.socket.switched
	}
	return status, total
}

// received is how many bytes of body the client has sent, for the log.
func (c *call) received() int64 {
	if c.socket != nil && c.socket.relay != nil {
		return c.socket.relay.up.bytes
	}
	return c.In.ContentLength
}

// noAnswer is the responder of a call that has been switched.
type noAnswer struct{}

func (noAnswer) WriteHead(int, string, wire.Header, int64) error { return wire.ErrClientGone }
func (noAnswer) Write([]byte) (int, error)                       { return 0, wire.ErrClientGone }
func (noAnswer) Flush() error                                    { return wire.ErrClientGone }
