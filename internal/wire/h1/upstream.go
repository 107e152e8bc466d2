//go:build linux

package h1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

// upstream is one connection to a backend. The goroutine of the request does
// everything on it; only a body that streams has a goroutine of its own.
type upstream struct {
	sock
	h         *host
	made      time.Time
	now       time.Time // when it was taken for the running call
	idleSince time.Time // zero before the first use ended
	connect   time.Duration

	ctx     context.Context
	stop    func() bool // takes the abort off a foreign context
	aborted atomic.Bool
	pump    *pump
}

// deadError is the failure of a kept connection on which no byte of an answer
// came.
type deadError struct {
	err  error
	sent bool // the request, or a part of it, may have reached the backend
	// stale: it was found dead before anything was tried.
	stale bool
}

func (e *deadError) Error() string { return e.err.Error() }

// again reports whether the request may be sent once more: when nothing of it
// was sent, or when sending twice does no harm (RFC 9110 §9.2.2).
func (e *deadError) again(out *wire.Outgoing) bool {
	if out.Body != nil {
		return !e.sent
	}
	if !e.sent {
		return true
	}
	switch out.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return out.Header.Has("Idempotency-Key")
}

// abort wakes whoever waits on the connection; it may be called at any time.
func (u *upstream) abort() {
	u.aborted.Store(true)
	_ = u.nc.SetDeadline(past())
}

// attach makes the end of ctx abort the call.
func (u *upstream) attach(ctx context.Context) bool {
	u.ctx = ctx
	if s, ok := ctx.(*scope); ok {
		return s.attach(u)
	}
	if ctx.Done() == nil {
		return true
	}
	u.stop = context.AfterFunc(ctx, u.abort)
	return ctx.Err() == nil
}

// detachCtx ends that. It reports whether the connection was left alone.
func (u *upstream) detachCtx() bool {
	if s, ok := u.ctx.(*scope); ok {
		s.detach(u)
	} else if u.stop != nil && !u.stop() {
		// The abort may still be on its way.
		u.aborted.Store(true)
	}
	u.ctx, u.stop = nil, nil
	return !u.aborted.Load()
}

// drop closes the connection for good.
func (u *upstream) drop() {
	_ = u.nc.Close()
	if u.buf != nil {
		u.pool.put(u.sock.detach())
	}
	u.h.gone()
}

// roundTrip sends out and reads the head of the answer.
func (u *upstream) roundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	reused := !u.idleSince.IsZero()
	if !u.attach(ctx) {
		u.detachCtx()
		u.drop()
		return nil, gaveUp(ctx, "send request")
	}
	if out.HeadTimeout > 0 {
		u.readWithin(u.now, out.HeadTimeout)
		u.writeWithin(u.now, out.HeadTimeout)
	} else {
		u.readForever()
		u.writeForever()
	}
	if u.aborted.Load() { // it came before the deadlines, which have undone it
		return nil, u.failed(out, net.ErrClosed, reused, false)
	}
	sent, err := u.send(out, reused)
	if err == nil {
		var a *answer
		if a, err = u.head(out); err == nil {
			if !reused {
				a.Connect = u.connect
			}
			return u.accept(a)
		}
		sent = true
	}
	return nil, u.failed(out, err, reused, sent)
}

// failed drops the connection and says why there is no answer.
func (u *upstream) failed(out *wire.Outgoing, err error, reused, sent bool) error {
	ctx := u.ctx
	u.detachCtx()
	silent := len(u.unread()) == 0
	p := u.pump
	u.drop()
	if p != nil {
		p.end()
		if broke := p.senderBroke(); broke != nil && ctx.Err() == nil {
			return broke
		}
	}
	if ctx.Err() != nil {
		return gaveUp(ctx, "round trip")
	}
	if err == errStale {
		return &deadError{err: &wire.Error{Kind: wire.KindAborted, Op: "send request", Err: err}, stale: true}
	}
	var known *wire.Error
	if !errors.As(err, &known) {
		known = &wire.Error{Kind: readKind(err), Op: "round trip", Err: err}
		if known.Kind == wire.KindTimeout {
			known.Err = fmt.Errorf("no answer from %s within %v", out.Authority, out.HeadTimeout)
		}
	}
	if reused && silent && known.Kind == wire.KindAborted {
		return &deadError{err: known, sent: sent}
	}
	return known
}

// send writes the request. sent tells, after an error, whether a part of it
// may have left.
func (u *upstream) send(out *wire.Outgoing, kept bool) (sent bool, err error) {
	b := u.pool.get(class4K)
	defer u.pool.put(b)
	p := appendRequest(b.b[:0], out)
	var n int64
	small := out.Body == nil && len(p)+len(out.Bytes) <= cap(p)
	switch {
	case small && u.raw != nil:
		n, err = u.ask(append(p, out.Bytes...), kept)
	case kept && u.readable():
		return false, errStale
	case out.Body != nil && out.ContentLength != 0:
		if n, err = u.write(p); err != nil {
			return n > 0, err
		}
		u.writeForever() // the time for the head bounds the body too, by closing
		u.pump = startPump(u, out.Body, out.ContentLength)
		return true, nil
	case small:
		n, err = u.write(append(p, out.Bytes...))
	case len(out.Bytes) <= maxDirect:
		n, err = u.write(p, out.Bytes)
	default:
		return u.sendLarge(p, out.Bytes)
	}
	return n > 0, err
}

// maxDirect is the size of a body that every socket takes at once.
const maxDirect = 16 << 10

// sendLarge sends a body in memory that the socket may not take at once. The
// rest goes in the background, since a backend may answer first and read later,
// or not at all.
func (u *upstream) sendLarge(head, body []byte) (bool, error) {
	if n, err := u.write(head, body[:maxDirect]); err != nil {
		return n > 0, err
	}
	n := 0
	if u.raw != nil {
		var err error
		if n, err = u.writeNow(body[maxDirect:]); err != nil {
			return true, err
		}
	}
	if rest := body[maxDirect+n:]; len(rest) > 0 {
		u.writeForever()
		u.pump = startBytesPump(u, rest)
	}
	return true, nil
}

// appendRequest writes the head of out.
func appendRequest(p []byte, out *wire.Outgoing) []byte {
	p = append(p, out.Method...)
	p = append(p, ' ')
	p = append(p, out.Target...)
	p = append(p, " HTTP/1.1\r\nHost: "...)
	if out.Host != "" {
		p = append(p, out.Host...)
	} else {
		p = append(p, out.Authority...)
	}
	p = append(p, "\r\n"...)
	for i := range out.Header {
		f := &out.Header[i]
		if leftOut(f.Name) {
			continue
		}
		p = appendField(p, f)
	}
	switch {
	case out.Body != nil && out.ContentLength < 0:
		p = append(p, "Transfer-Encoding: chunked\r\n"...)
	case out.Body != nil || len(out.Bytes) > 0 || out.Method == "POST" || out.Method == "PUT" || out.Method == "PATCH":
		n := out.ContentLength
		if out.Body == nil {
			n = int64(len(out.Bytes))
		}
		p = append(p, "Content-Length: "...)
		p = appendInt(p, n)
		p = append(p, "\r\n"...)
	}
	if out.Upgrade != "" {
		p = append(p, "Connection: Upgrade\r\nUpgrade: "...)
		p = append(p, out.Upgrade...)
		p = append(p, "\r\n"...)
	}
	return append(p, "\r\n"...)
}

// leftOut finds the lines that this connection writes itself.
func leftOut(name string) bool {
	switch len(name) {
	case len("Host"):
		return wire.EqualName(name, "Host")
	case len("Expect"):
		return wire.EqualName(name, "Expect")
	case len("Content-Length"):
		return wire.EqualName(name, "Content-Length")
	}
	return wire.HopByHop(name)
}

// maxInterim bounds the 1xx answers before the final one.
const maxInterim = 8

// head reads the head of the final answer.
func (u *upstream) head(out *wire.Outgoing) (*answer, error) {
	for range maxInterim + 1 {
		text, err := u.headText()
		if err != nil {
			return nil, err
		}
		line, rest, _ := strings.Cut(text, "\r\n")
		proto, status, reason, err := parseStatus(line)
		if err != nil {
			return nil, err
		}
		if status < 200 && status != 101 {
			continue
		}
		a := &answer{u: u}
		a.Incoming = wire.Incoming{Status: status, Reason: reason, Proto: proto, ContentLength: -1}
		var f framing
		h, err := parseHeader(rest, a.memory[:0], wire.DefaultMaxHeaders*2, &f)
		if err != nil {
			return nil, err
		}
		if err := a.frame(out, &f, h); err != nil {
			return nil, err
		}
		return a, nil
	}
	return nil, fmt.Errorf("more than %d interim answers: %w", maxInterim, errReply)
}

// headText reads to the end of a head.
func (u *upstream) headText() (string, error) {
	var scan scanner
	for {
		if b := u.unread(); len(b) > 0 {
			n, err := scan.next(b, 8<<10, int(u.h.t.cfg.MaxReplyHeader))
			if errors.Is(err, errTargetTooLong) { // of a status line
				err = errHeadTooLarge
			}
			if err != nil {
				return "", err
			}
			if n > 0 {
				text := string(b[:n])
				u.use(n)
				return text, nil
			}
		}
		if err := u.fill(); err != nil {
			if err == io.EOF && len(u.unread()) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
	}
}
