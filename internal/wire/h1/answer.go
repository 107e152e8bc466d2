//go:build linux

package h1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// answer is one answer of a backend with its body; one allocation holds both.
// It stays valid after its connection serves somebody else.
type answer struct {
	wire.Incoming
	u      *upstream // nil once the body has ended
	ctx    context.Context
	state  bodyState
	left   int64
	chunks *chunked
	reuse  bool // the connection may serve another call
	early  bool // the head came before the end of the request was sent
	piece  []byte
	held   *buffer // memory of the last piece, when the connection has gone on
	pool   *buffers
	ended  error // io.EOF, or what broke the body
	fields wire.Header
	pump   *pump
	memory [16]wire.Field

	mu      sync.Mutex // Close may come from another goroutine
	reading bool
	closed  bool
}

// frame works out where the body ends (RFC 9112 §6.3), and takes away what
// concerned this connection.
func (a *answer) frame(out *wire.Outgoing, f *framing, h wire.Header) error {
	old := a.Proto == "HTTP/1.0"
	if err := f.check(old); err != nil {
		return err
	}
	a.reuse = !f.close && (!old || f.keep)
	a.Header = forwardable(h, a.Status == 101)
	switch {
	case a.Status == 101:
		if out.Upgrade == "" {
			return fmt.Errorf("switched protocols unasked: %w", errReply)
		}
		return nil
	case out.Method == "HEAD" || a.Status == 204 || a.Status == 304:
		a.state, a.ContentLength = bodyNone, max(f.length, -1)
		if a.Status == 204 {
			a.ContentLength = 0
		}
	case f.chunked:
		a.state, a.chunks = bodyChunked, new(chunked)
		a.announced(f.trailers)
	case f.length >= 0:
		a.state, a.left, a.ContentLength = bodyLength, f.length, f.length
		if f.length == 0 {
			a.state = bodyNone
		}
	default:
		a.state, a.reuse = bodyUntilClose, false
	}
	return nil
}

// forwardable removes the lines that were for this connection only. An answer
// that switches protocols keeps Upgrade.
func forwardable(h wire.Header, switching bool) wire.Header {
	h = wire.DropNamedByConnection(h)
	n := 0
	for i := range h {
		if wire.HopByHop(h[i].Name) && !(switching && wire.EqualName(h[i].Name, "Upgrade")) {
			continue
		}
		if n != i {
			h[n] = h[i]
		}
		n++
	}
	return h[:n]
}

func (a *answer) announced(list string) {
	for list != "" {
		name := list
		for i := range len(list) {
			if list[i] == ',' {
				name = list[:i]
				break
			}
		}
		list = list[min(len(name)+1, len(list)):]
		if name = trim(name); wire.ValidName(name) && !wire.HopByHop(name) {
			a.TrailerNames = append(a.TrailerNames, name)
		}
	}
}

// accept makes the answer ready for the caller.
func (u *upstream) accept(a *answer) (*wire.Incoming, error) {
	a.ctx, a.pool, a.pump = u.ctx, u.pool, u.pump
	u.pump = nil
	// A server that answers before it has seen the request may not read the rest
	// and close, without having said so: no other call should be on its way then.
	a.early = a.pump != nil && !a.pump.ending.Load()
	if a.Body = a; a.state == bodyChunked {
		a.Trailer = a.trailer
	}
	if a.Status == 101 {
		return a.switched(u)
	}
	if a.state == bodyNone {
		_ = a.done(io.EOF) // which is what its reader will be told
	}
	return &a.Incoming, nil
}

// switched hands the connection over as a stream.
func (a *answer) switched(u *upstream) (*wire.Incoming, error) {
	ctx := a.ctx
	if left := u.detachCtx(); !left || a.pump != nil && !a.pump.over() {
		u.drop()
		a.endPump()
		if !left && ctx.Err() != nil {
			return nil, gaveUp(ctx, "round trip")
		}
		return nil, &wire.Error{Kind: wire.KindProtocol, Op: "round trip", Err: fmt.Errorf("switched protocols before the request had ended: %w", errReply)}
	}
	u.readForever()
	_ = u.nc.SetDeadline(time.Time{})
	a.Stream = &stream{s: &u.sock, ended: u.h.gone}
	a.u, a.ended, a.ContentLength = nil, io.EOF, 0
	return &a.Incoming, nil
}

// Next implements wire.Chunks.
func (a *answer) Next() ([]byte, error) {
	if p, err := a.rest(maxPiece); len(p) > 0 || err != nil {
		return p, err
	}
	return a.next()
}

// maxPiece is more than a buffer holds.
const maxPiece = 1 << 30

// rest takes up to n bytes that an earlier Read has left, and the end when
// nothing is left behind them.
func (a *answer) rest(n int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, a.closedError()
	}
	n = min(n, len(a.piece))
	p := a.piece[:n]
	if a.piece = a.piece[n:]; len(a.piece) > 0 {
		return p, nil
	}
	return p, a.ended
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	piece, err := a.rest(len(p))
	if len(piece) > 0 || err != nil {
		return copy(p, piece), err
	}
	piece, err = a.next()
	n := copy(p, piece)
	if n < len(piece) {
		a.mu.Lock()
		if !a.closed {
			a.piece = piece[n:]
		}
		a.mu.Unlock()
		return n, nil
	}
	return n, err
}

// next reads the next piece, unless the body has been closed meanwhile.
func (a *answer) next() ([]byte, error) {
	a.mu.Lock()
	if a.ended != nil {
		defer a.mu.Unlock()
		return nil, a.ended
	}
	a.reading = true
	a.mu.Unlock()
	p, err := a.read(a.u)
	a.mu.Lock()
	a.reading = false
	left := a.closed && a.ended == nil
	a.mu.Unlock()
	if left { // Close has come as the piece did, and left the end to the reader
		return nil, a.done(a.closedError())
	}
	return p, err
}

func (a *answer) read(u *upstream) ([]byte, error) {
	for {
		if len(u.unread()) == 0 {
			if err := a.more(); err != nil {
				return nil, a.done(err)
			}
			if a.ended != nil { // the end of a body until close
				return nil, a.ended
			}
		}
		b := u.unread()
		switch a.state {
		case bodyLength:
			n := int(min(int64(len(b)), a.left))
			u.use(n)
			if a.left -= int64(n); a.left == 0 {
				return b[:n], a.done(io.EOF)
			}
			return b[:n], nil
		case bodyUntilClose:
			u.use(len(b))
			return b, nil
		}
		p, used, err := a.chunks.decode(b)
		if err != nil {
			return nil, a.done(err)
		}
		u.use(used)
		if a.chunks.state == chunkDone {
			a.fields = a.chunks.fields
			return p, a.done(io.EOF)
		}
		if len(p) > 0 {
			return p, nil
		}
	}
}

// more waits for bytes. The deadline of the head may still be set; a body has
// none, so that a stream may be silent for as long as it likes.
func (a *answer) more() error {
	for {
		err := a.u.fill()
		switch {
		case err == nil:
			return nil
		case err == io.EOF && a.state == bodyUntilClose:
			return a.finishUntilClose()
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case isTimeout(err) && !a.u.aborted.Load():
			a.u.readForever()
			if a.u.aborted.Load() { // it came between the two
				return err
			}
		default:
			return err
		}
	}
}

func (a *answer) finishUntilClose() error {
	_ = a.done(io.EOF)
	return nil
}

// done ends the body: the connection goes back to its pool, or is closed. It
// returns what the reader is told.
func (a *answer) done(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended != nil {
		return a.ended
	}
	u, ctx := a.u, a.ctx
	a.u = nil
	left := u.detachCtx()
	if err != io.EOF {
		a.ended = a.broke(ctx, err)
		if a.closed {
			// Whoever called Next may still look at the memory: it is left to
			// the collector and not used again.
			_ = u.sock.detach()
		}
		u.drop()
		a.endPump()
		return a.ended
	}
	a.ended = io.EOF
	clean := left && a.reuse && !a.early && len(u.unread()) == 0
	a.held = u.sock.detach() // the last piece lies in it
	if clean && (a.pump == nil || a.pump.finished()) {
		u.h.put(u)
	} else {
		u.drop()
		a.endPump()
	}
	return io.EOF
}

func (a *answer) endPump() {
	if a.pump != nil {
		a.pump.end()
	}
}

func (a *answer) broke(ctx context.Context, err error) error {
	var known *wire.Error
	switch {
	case a.closed:
		return a.closedError()
	case ctx.Err() != nil:
		return gaveUp(ctx, "read body")
	case errors.As(err, &known):
		return err
	case a.pump != nil && a.pump.senderBroke() != nil:
		return a.pump.senderBroke()
	}
	return &wire.Error{Kind: readKind(err), Op: "read body", Err: err}
}

// Close ends the call; what is left of the body is not read. A read that
// waits is woken.
func (a *answer) Close() error {
	a.mu.Lock()
	if !a.closed && !a.reading && a.held != nil {
		a.pool.put(a.held)
		a.held = nil
	}
	a.closed, a.piece = true, nil
	u, reading := a.u, a.reading
	if u != nil && reading {
		u.abort() // its reader ends the call
	}
	a.mu.Unlock()
	switch {
	case a.Stream != nil:
		return a.Stream.Close()
	case u != nil && !reading:
		_ = a.done(a.closedError())
	}
	return nil
}

func (a *answer) closedError() error {
	return &wire.Error{Kind: wire.KindCanceled, Op: "read body", Err: errBodyClosed}
}

func (a *answer) trailer() wire.Header { return a.fields }

var (
	_ io.ReadCloser = (*answer)(nil)
	_ wire.Chunks   = (*answer)(nil)
)
