package std

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"sallyport/internal/wire"
)

const (
	// drainLimit and drainTime bound what is read of a body that the handler
	// left, to keep the connection; beyond that the connection is closed.
	drainLimit = 256 << 10
	drainTime  = 50 * time.Millisecond
)

var (
	errBodyClosed = errors.New("body is closed")
	errBodyInUse  = errors.New("body is being read by another goroutine")
)

// inbound is a request body that is safe under a transport which may go on
// reading after the answer has started, or even after the handler returned.
//
// net/http's HTTP/1.1 server breaks in three ways there. It closes the body
// when the answer starts (golang/go#40747; full duplex switches that off). With
// full duplex, a body left unread makes it start its background read too late
// and panic on the next request (golang/go#68560); so finish brings the body to
// its end or makes the connection close. And after a failed read it would take
// the rest of the body for the next request; so a failure closes as well.
type inbound struct {
	src    io.ReadCloser
	left   int64 // bytes to come, -1 unknown
	w      http.ResponseWriter
	rc     *http.ResponseController
	h1     bool
	expect bool // the client waits for 100 Continue, which the first read sends
	// timeout bounds each wait for a piece; what the handler does between two
	// reads does not count.
	timeout time.Duration

	mu      sync.Mutex
	started bool
	reading bool
	eof     bool
	failed  error
	closed  bool
	ended   bool      // finish has taken the body
	limit   time.Time // the deadline of reads, while one is set
	lost    bool      // net/http has ended the request's context during a read
	cancel  context.CancelCauseFunc
	idle    chan struct{} // closed by the running Read when finish waits for it
}

// Read reads at most the declared length; the end is reported together with the
// last byte, without another look at the connection.
func (b *inbound) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.eof:
		b.mu.Unlock()
		return 0, io.EOF
	case b.closed:
		b.mu.Unlock()
		return 0, &wire.Error{Kind: wire.KindCanceled, Op: "read request body", Err: errBodyClosed}
	case b.failed != nil:
		b.mu.Unlock()
		return 0, b.failed
	case b.reading:
		b.mu.Unlock()
		return 0, &wire.Error{Op: "read request body", Err: errBodyInUse}
	case len(p) == 0:
		b.mu.Unlock()
		return 0, nil
	}
	b.started, b.reading = true, true
	if b.left >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	b.armLocked()
	b.mu.Unlock()
	n, err := b.src.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	defer b.disarmLocked()
	if b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
	err = b.noteLocked(n, err)
	if b.lost && wire.KindOf(err) != wire.KindTimeout {
		b.cancel(context.Canceled)
	}
	return n, err
}

func (b *inbound) noteLocked(n int, err error) error {
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case b.left == 0 || b.left < 0 && err == io.EOF:
		b.eof = true
		return io.EOF
	case err == nil:
		return nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	b.failed = &wire.Error{Kind: readKind(err), Op: "read request body", Err: err}
	return b.failed
}

// armLocked gives the next read its time. As with writes, a deadline that has
// the whole timeout still to run is left as it is on HTTP/1.1.
func (b *inbound) armLocked() {
	if b.timeout <= 0 {
		return
	}
	if now := time.Now(); !b.h1 || b.limit.Sub(now) < b.timeout {
		b.limit = now.Add(b.timeout + b.timeout/4)
		_ = b.rc.SetReadDeadline(b.limit)
	}
}

// disarmLocked matters at the end, where net/http begins to wait for the next
// request, and after each read on HTTP/2, where an expired deadline breaks the
// body even when nobody reads. A deadline of finish must stay.
func (b *inbound) disarmLocked() {
	if b.timeout > 0 && !b.ended && (b.eof || !b.h1) {
		b.limit = time.Time{}
		_ = b.rc.SetReadDeadline(b.limit)
	}
}

// atEnd reports whether the whole body has been read.
func (b *inbound) atEnd() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eof
}

// Close makes further reads fail. The connection is not touched: what is left
// of the body is dealt with when the handler returns.
func (b *inbound) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return nil
}

// finish takes the body away from whoever still reads it. Afterwards nobody
// but net/http touches the connection.
func (b *inbound) finish(abort bool) {
	b.mu.Lock()
	b.closed, b.ended = true, true
	var running chan struct{}
	if b.reading {
		running = make(chan struct{})
		b.idle = running
	}
	done := b.eof && running == nil
	canDrain := running == nil && b.failed == nil && (!b.expect || b.started) && b.left <= drainLimit
	b.mu.Unlock()
	switch {
	case done:
		return
	case !b.h1:
		_ = b.src.Close() // one stream of many: ends it and wakes its reader
		return
	case running != nil:
		_ = b.rc.SetReadDeadline(past())
		<-running
	case !abort && canDrain && b.drain():
		return
	}
	b.closeAfterAnswer()
}

// drain reads what is left when it is small and already here.
func (b *inbound) drain() bool {
	_ = b.rc.Flush() // the client need not wait for this
	_ = b.rc.SetReadDeadline(time.Now().Add(drainTime))
	_, err := io.CopyN(io.Discard, b.src, drainLimit+1)
	return err == io.EOF
}

// closeAfterAnswer makes net/http finish the answer and then close the
// connection, first its sending side, so that a client still uploading can
// read the answer. The only door net/http offers for this once the header is
// out is a body over its limit; hence the two bytes against a limit of one.
func (b *inbound) closeAfterAnswer() {
	_ = b.rc.SetReadDeadline(past())
	over := http.MaxBytesReader(b.w, io.NopCloser(strings.NewReader("..")), 1)
	_, _ = io.Copy(io.Discard, over)
}
