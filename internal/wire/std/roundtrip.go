package std

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"syscall"
	"time"

	"sallyport/internal/wire"
)

// RoundTrip sends out and returns when the head of the answer is here.
// An error with Op "read request body" means that the sender's body broke, not
// the backend.
func (t *Transport) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	if !oneTarget(out.Target) || !wire.ValidValue(out.Host) {
		return nil, &wire.Error{Kind: wire.KindProtocol, Op: "send request", Err: errTarget}
	}
	a := &answer{ctx: ctx}
	if out.HeadTimeout <= 0 && out.Upgrade == "" {
		if err := t.send(a, out); err != nil {
			return nil, err
		}
		return &a.Incoming, nil
	}
	// A context of our own: what ends it, and what waits for its end, must not
	// hang on the caller's, which may live much longer.
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	err := t.sendInTime(a, out)
	if err != nil {
		a.cancel(nil)
		return nil, err
	}
	return &a.Incoming, nil
}

func (t *Transport) sendInTime(a *answer, out *wire.Outgoing) error {
	limit, cancel := out.HeadTimeout, a.cancel
	if limit <= 0 {
		return t.send(a, out)
	}
	timer := time.AfterFunc(limit, func() { cancel(lateHead(limit)) })
	err := t.send(a, out)
	if !timer.Stop() && err == nil {
		// The head came together with the end of the time; the context is
		// gone, and the body with it.
		_ = a.end()
		err = lateHead(limit)
	}
	return err
}

func lateHead(limit time.Duration) error {
	return &wire.Error{Kind: wire.KindTimeout, Op: "round trip", Err: fmt.Errorf("no answer within %v", limit)}
}

// send makes the call and fills a.
func (t *Transport) send(a *answer, out *wire.Outgoing) error {
	rt := t.current().pick(out)
	a.trace.GotConn = a.gotConn
	ctx := httptrace.WithClientTrace(a.ctx, &a.trace)
	// net/http's write loop may look at the bytes after the call has ended.
	data := bytes.Clone(out.Bytes)
	req, body := t.request(ctx, out, data)
	res, err := rt.RoundTrip(req)
	if err != nil && a.ctx.Err() == nil && foundDead(err) && out.Body == nil {
		// net/http itself repeats only what is idempotent here.
		req, body = t.request(ctx, out, data)
		res, err = rt.RoundTrip(req)
	}
	if err != nil {
		if bodyErr := body.failure(); bodyErr != nil && a.ctx.Err() == nil {
			return bodyErr
		}
		return classify(a.ctx, "round trip", err)
	}
	if err := a.fill(res, out); err != nil {
		_ = res.Body.Close()
		return &wire.Error{Kind: wire.KindProtocol, Op: "round trip", Err: fmt.Errorf("%s answers %w", out.Authority, err)}
	}
	return nil
}

// foundDead reports that a connection ended before the request was wholly on
// it, so that no server can have acted on it: net/http says so, with an error
// it does not export, or writing the request failed.
func foundDead(err error) bool {
	if err.Error() == "http: server closed idle connection" {
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "write" || op.Op == "readfrom") && (errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET))
}
