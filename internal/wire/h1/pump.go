//go:build linux

package h1

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

var errShortBody = errors.New("the body is shorter than declared")

// pump sends a request body while its request's own goroutine reads the
// answer.
type pump struct {
	u     *upstream
	body  io.Reader
	left  int64 // -1 = unknown, sent chunked
	bytes []byte
	size  [24]byte      // of a chunk, as text
	gone  chan struct{} // closed when the pump has ended

	moment time.Duration // see lastMoment

	sending sync.Mutex  // held during a write
	ending  atomic.Bool // the last write has begun

	mu    sync.Mutex
	broke error // of the sender
	wrote bool  // to the end
	quit  bool
}

func startPump(u *upstream, body io.Reader, length int64) *pump {
	p := &pump{u: u, body: body, left: length, moment: lastMoment, gone: make(chan struct{})}
	go p.run()
	return p
}

func startBytesPump(u *upstream, rest []byte) *pump {
	p := &pump{u: u, bytes: rest, moment: lastMoment, gone: make(chan struct{})}
	go p.run()
	return p
}

func (p *pump) run() {
	defer close(p.gone)
	var ok bool
	switch {
	case p.bytes != nil:
		p.ending.Store(true)
		_, err := p.u.nc.Write(p.bytes)
		ok = err == nil
	default:
		ok = p.copy()
	}
	p.mu.Lock()
	p.wrote = ok
	p.mu.Unlock()
}

// copy sends the body piece by piece.
func (p *pump) copy() bool {
	next, release := p.source()
	defer release()
	for {
		piece, err := next()
		if p.left >= 0 && int64(len(piece)) > p.left {
			piece = piece[:p.left]
		}
		if err != nil && err != io.EOF {
			p.fail(err)
			return false
		}
		if p.left >= 0 {
			p.left -= int64(len(piece))
			if p.left > 0 && err == io.EOF {
				p.fail(errShortBody)
				return false
			}
		}
		if !p.send(piece, err == io.EOF || p.left == 0) {
			return false
		}
		if err == io.EOF || p.left == 0 {
			return true
		}
	}
}

// send writes one piece in the form the head has announced.
func (p *pump) send(piece []byte, last bool) bool {
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.stopped() {
		return false
	}
	if last {
		p.ending.Store(true)
	}
	if p.left >= 0 {
		return len(piece) == 0 || p.sent(p.u.write(piece))
	}
	end := crlf
	if last {
		end = []byte("\r\n0\r\n\r\n")
	}
	if len(piece) == 0 {
		return !last || p.sent(p.u.write(end[2:]))
	}
	head := append(strconv.AppendUint(p.size[:0], uint64(len(piece)), 16), "\r\n"...)
	return p.sent(p.u.write(head, piece, end))
}

func (p *pump) sent(_ int64, err error) bool { return err == nil }

// source returns how the next piece is got: shown by an engine's own body, or
// read into a buffer.
func (p *pump) source() (next func() ([]byte, error), release func()) {
	if c, ok := p.body.(wire.Chunks); ok {
		return c.Next, func() {}
	}
	b := p.u.pool.get(class16K)
	return func() ([]byte, error) {
		n, err := p.body.Read(b.b)
		return b.b[:n], err
	}, func() { p.u.pool.put(b) }
}

// fail notes that the sender broke, and ends the wait for an answer.
func (p *pump) fail(err error) {
	var known *wire.Error
	if !errors.As(err, &known) {
		err = &wire.Error{Kind: readKind(err), Op: "read request body", Err: err}
	}
	p.mu.Lock()
	quit := p.quit
	if !quit { // a read that fails because of end says nothing of the sender
		p.broke = err
	}
	p.mu.Unlock()
	if !quit {
		p.u.abort()
	}
}

// over reports whether the whole body has been sent.
func (p *pump) over() bool {
	select {
	case <-p.gone:
	default:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote
}

// lastMoment is how long a pump has to come back from its last write when the
// answer is already here.
const lastMoment = 2 * time.Millisecond

// finished is over, but waits for a pump that has nothing to do but return.
func (p *pump) finished() bool {
	if p.ending.Load() && !p.over() {
		t := time.NewTimer(p.moment)
		defer t.Stop()
		select {
		case <-p.gone:
		case <-t.C:
		}
	}
	return p.over()
}

func (p *pump) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quit
}

// end makes the pump stop: its connection has been closed. When it returns, a
// body in memory belongs to the caller again, and no piece that a streaming
// body has shown is looked at any more.
func (p *pump) end() {
	p.mu.Lock()
	p.quit = true
	p.mu.Unlock()
	if p.bytes != nil {
		<-p.gone
		return
	}
	select {
	case <-p.gone:
	default:
		if c, ok := p.body.(io.Closer); ok {
			_ = c.Close()
		}
	}
	p.sending.Lock()   // waits for a write, which the closed connection ends
	p.sending.Unlock() //nolint:staticcheck // see above
}

func (p *pump) senderBroke() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broke
}
