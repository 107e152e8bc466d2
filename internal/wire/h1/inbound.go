//go:build linux

package h1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

const (
	// drainLimit and drainTime bound what is read of a body that the handler
	// left, to keep the connection; beyond that the connection is closed.
	drainLimit = 256 << 10
	drainTime  = 500 * time.Millisecond
)

var (
	errBodyClosed = errors.New("body is closed")
	errBodyInUse  = errors.New("body is being read by another goroutine")
)

type bodyState uint8

const (
	bodyNone bodyState = iota
	bodyLength
	bodyChunked
	bodyUntilClose // answers only
)

// inbound is the body of a request. A transport may read it in a goroutine of
// its own, also while the answer is sent or after the handler has returned;
// finish takes it away from such a reader.
type inbound struct {
	c      *conn
	state  bodyState
	left   atomic.Int64
	chunks *chunked
	piece  []byte      // decoded, not yet given to Read
	woken  atomic.Bool // the read deadline has been spoilt to wake a reader
	expect bool        // the client waits for 100 Continue, which the first read sends

	mu      sync.Mutex
	started bool
	reading bool
	eof     bool
	closed  bool
	failed  error
	broken  bool          // failed says that nothing more can be read
	idle    chan struct{} // closed by the running read when finish waits for it
}

// start makes the body that of the next request.
func (b *inbound) start(f *framing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.expect, b.piece = bodyNone, f.expect, nil
	b.left.Store(0)
	b.started, b.reading, b.eof, b.closed, b.broken, b.failed, b.idle = false, false, false, false, false, nil, nil
	switch {
	case f.chunked:
		b.state = bodyChunked
		b.chunks = new(chunked)
	case f.length > 0:
		b.state = bodyLength
		b.left.Store(f.length)
	default:
		b.eof, b.expect = true, false
	}
}

// complete reports whether nothing of the body is left to read.
func (b *inbound) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eof
}

// rest reports whether the connection holds bytes of the body.
func (b *inbound) rest() bool { return !b.complete() }

// tooMuch reports whether, as far as is known, the rest of the body is more
// than what would be read to keep the connection, or cannot be read. A
// refusal is an answer of known length: its handler will not read along.
func (b *inbound) tooMuch(refusal bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A client that has not been asked for the body may leave it out; the bytes
	// that follow are then the body or the next request, nobody knows.
	return !b.eof && (b.failed != nil || b.expect || b.left.Load() > drainLimit || refusal && b.endless())
}

// endless reports whether nobody reads a chunked body, of which nobody knows
// how much is left. A client that is not told of the end before it has the
// answer would send its next request into a closed connection.
func (b *inbound) endless() bool {
	if b.state != bodyChunked || b.started {
		return false
	}
	c := chunked{}
	_, _, err := c.decode(bytes.Clone(b.c.unread()))
	return err != nil || c.state != chunkDone
}

// continued notes that the client need not be asked for the body any more.
func (b *inbound) continued() {
	b.mu.Lock()
	b.expect = false
	b.mu.Unlock()
}

// enter begins a read; a non-nil error is its result.
func (b *inbound) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.eof:
		return io.EOF
	case b.closed:
		return closedBody()
	case b.failed != nil:
		return b.failed
	case b.reading:
		return &wire.Error{Op: "read request body", Err: errBodyInUse}
	}
	b.started, b.reading = true, true
	return nil
}

func closedBody() error {
	return &wire.Error{Kind: wire.KindCanceled, Op: "read request body", Err: errBodyClosed}
}

// leave ends a read.
func (b *inbound) leave(err error) error {
	b.mu.Lock()
	b.reading = false
	if b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
	done := false
	switch {
	case err == io.EOF:
		b.eof, done = true, true
	case err != nil && b.closed && isTimeout(err): // woken; the rest can still be read
		b.failed = closedBody()
		err = b.failed
	case err != nil:
		b.broken = true
		b.failed = &wire.Error{Kind: readKind(err), Op: "read request body", Err: err}
		err = b.failed
	}
	b.mu.Unlock()
	if done {
		b.c.bodyRead()
	}
	return err
}

// Next implements wire.Chunks.
func (b *inbound) Next() ([]byte, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	if len(b.piece) > 0 { // Read has left it
		p := b.piece
		b.piece = nil
		return p, b.leave(b.ended())
	}
	p, err := b.next(b.c.s.cfg.ReadBodyTimeout)
	return p, b.leave(err)
}

// Read reads at most the declared length; the end is reported together with the
// last byte.
func (b *inbound) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.enter(); err != nil {
		return 0, err
	}
	var err error
	if len(b.piece) == 0 {
		b.piece, err = b.next(b.c.s.cfg.ReadBodyTimeout)
	}
	n := copy(p, b.piece)
	b.piece = b.piece[n:]
	if len(b.piece) > 0 && err == io.EOF {
		err = nil
	} else if err == nil && len(b.piece) == 0 {
		err = b.ended()
	}
	if err == io.EOF {
		b.c.release() // everything has been copied; the wait for an answer may be long
	}
	return n, b.leave(err)
}

// ended is io.EOF when everything has been decoded.
func (b *inbound) ended() error {
	if b.state == bodyLength && b.left.Load() == 0 || b.state == bodyChunked && b.chunks.state == chunkDone {
		return io.EOF
	}
	return nil
}

// next returns the next piece; the end comes together with the last one. wait
// bounds the time for its first byte, 0 keeps the deadline there is.
func (b *inbound) next(wait time.Duration) ([]byte, error) {
	c := b.c
	if b.expect {
		if err := c.resp.sendContinue(); err != nil {
			return nil, err
		}
	}
	for {
		if len(c.unread()) == 0 {
			if wait > 0 {
				c.readWithin(time.Now(), wait)
				if b.woken.Load() { // it came before the deadline, which has undone it
					return nil, os.ErrDeadlineExceeded
				}
			}
			if err := c.fill(); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return nil, err
			}
		}
		u := c.unread()
		if b.state == bodyLength {
			n := int(min(int64(len(u)), b.left.Load()))
			c.use(n)
			b.left.Add(int64(-n))
			return u[:n], b.ended()
		}
		p, used, err := b.chunks.decode(u)
		if err != nil {
			return nil, err
		}
		c.use(used)
		if end := b.ended(); len(p) > 0 || end != nil {
			return p, end
		}
	}
}

// Close makes further reads fail and wakes one that waits. What is left of the
// body is dealt with when the handler returns.
func (b *inbound) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && b.reading {
		b.wake()
	}
	b.closed = true
	return nil
}

// wake makes the running read fail.
func (b *inbound) wake() {
	b.woken.Store(true)
	_ = b.c.nc.SetReadDeadline(past())
}

// finish takes the body away from whoever still reads it, and reads a short
// rest, so that the connection can be used again. The answer has been sent.
func (b *inbound) finish(abort bool) {
	b.mu.Lock()
	if b.eof && !b.reading {
		if b.woken.Load() { // in vain, but the deadline is spoilt
			b.c.readBy = past()
		}
		b.mu.Unlock()
		return
	}
	b.closed = true
	var running chan struct{}
	if b.reading {
		running = make(chan struct{})
		b.idle = running
		b.wake()
	}
	b.mu.Unlock()
	if running != nil {
		<-running
		b.c.readBy = past()
	}
	// A reader that was woken has left the rest where it was. Not to read it
	// would close a connection that the answer has not said to be closed.
	b.mu.Lock()
	drain := !abort && !b.eof && !b.broken && (!b.expect || b.started) && b.left.Load() <= drainLimit
	b.mu.Unlock()
	if drain {
		b.drain()
	}
}

// drain reads what is left when it is small and already here.
func (b *inbound) drain() {
	c := b.c
	c.readBy = time.Now().Add(drainTime)
	_ = c.nc.SetReadDeadline(c.readBy)
	b.expect = false
	total := 0
	for total <= drainLimit {
		p, err := b.next(0)
		total += len(p)
		if err == io.EOF {
			b.mu.Lock()
			b.eof = true
			b.mu.Unlock()
			return
		}
		if err != nil {
			return
		}
	}
}

var (
	_ io.ReadCloser = (*inbound)(nil)
	_ wire.Chunks   = (*inbound)(nil)
)
