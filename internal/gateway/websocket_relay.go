package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
	"sallyport/internal/wire/ws"
)

const (
	// linger is how long the other side may take to end after one has ended.
	linger = 2 * time.Second
	// farewell bounds the last words of a server that shuts down.
	farewell = 1500 * time.Millisecond
)

// goodbye is the reason that both sides are given at a shutdown.
const goodbye = "the gateway is shutting down"

// relay passes bytes between a client and a backend that speak WebSocket. It
// changes none: pings, fragments and compression are theirs. It looks at frame
// headers only to know where its own close frames may stand.
type relay struct {
	client, backend wire.Stream
	up, down        flow // to the backend, to the client
	writeTimeout    time.Duration

	until atomic.Int64 // Unix nanoseconds: when everything must be over, 0 = open
	first atomic.Int32 // who ended first

	mu sync.Mutex // guards the read deadlines

	panicked any // of the goroutine that serves up
}

// Who ended first.
const (
	endClient int32 = 1 + iota
	endBackend
	endServer
)

func newRelay(client, backend wire.Stream, writeTimeout time.Duration) *relay {
	r := &relay{client: client, backend: backend, writeTimeout: writeTimeout}
	r.up = flow{r: r, src: client, dst: backend, masked: true}
	r.down = flow{r: r, src: backend, dst: client}
	return r
}

// run passes bytes both ways until both sides have ended, and closes both. The
// failure says that one of them vanished without a close frame.
func (r *relay) run(ctx context.Context) *exchange.Failure {
	defer r.close()
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		r.leave(context.Cause(ctx))
	})
	upDone := make(chan error, 1)
	go func() { upDone <- r.runUp() }()
	downErr := r.down.run()
	r.backendEnded()
	upErr := <-upDone
	if !stop() {
		<-left
	}
	if r.panicked != nil {
		panic(r.panicked) // in the goroutine of the handler, where it is recovered
	}
	return r.failure(upErr, downErr)
}

func (r *relay) runUp() error {
	defer func() {
		if v := recover(); v != nil {
			r.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
			r.close()
		}
	}()
	err := r.up.run()
	r.clientEnded()
	return err
}

func (r *relay) close() {
	_ = r.client.Close()
	_ = r.backend.Close()
}

// clientEnded passes the client's end on. A backend gets no close frame made by
// the gateway: it sees the connection end, as it would without one between.
func (r *relay) clientEnded() {
	r.first.CompareAndSwap(0, endClient)
	r.limitReads(linger)
	_ = r.backend.CloseWrite()
}

// backendEnded passes the backend's end on. A client that was told nothing gets
// a close frame, so that it does not take the end for a normal one.
func (r *relay) backendEnded() {
	r.first.CompareAndSwap(0, endBackend)
	r.limitReads(linger)
	r.down.finish(ws.InternalError, "the backend is gone")
	_ = r.client.CloseWrite()
}

// leave ends the connection for the sake of the server. When it shuts down,
// both sides are told at the next frame boundary and may answer.
func (r *relay) leave(cause error) {
	r.first.CompareAndSwap(0, endServer)
	if !errors.Is(cause, wire.ErrDraining) {
		r.close()
		return
	}
	at := time.Now().Add(farewell)
	r.until.Store(at.UnixNano())
	_ = r.client.SetDeadline(at) // also wakes a write that is stuck, and with it the lock of its flow
	_ = r.backend.SetDeadline(at)
	var both sync.WaitGroup // one side that takes nothing must not keep the other waiting
	both.Go(func() { r.up.finish(ws.GoingAway, goodbye) })
	both.Go(func() { r.down.finish(ws.GoingAway, goodbye) })
	both.Wait()
}

// limitReads ends the connection after d, unless its end is near already.
func (r *relay) limitReads(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until.Load() != 0 {
		return
	}
	at := time.Now().Add(d)
	if !r.clientDone() {
		_ = r.client.SetReadDeadline(at)
	}
	if !r.backendDone() {
		_ = r.backend.SetReadDeadline(at)
	}
}

// clientDone reports whether close frames have gone both ways between gateway
// and client: nothing more is to come then (RFC 6455 §7.1.1).
func (r *relay) clientDone() bool { return r.up.said.Load() && r.down.told.Load() }

func (r *relay) backendDone() bool { return r.down.said.Load() && r.up.told.Load() }

// settle stops waiting for a side that is done.
func (r *relay) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clientDone() {
		_ = r.client.SetReadDeadline(past())
	}
	if r.backendDone() {
		_ = r.backend.SetReadDeadline(past())
	}
}

// past is a deadline that has gone by: setting it wakes a blocked read.
func past() time.Time { return time.Unix(1, 0) }

func (r *relay) failure(upErr, downErr error) *exchange.Failure {
	if r.up.said.Load() || r.down.said.Load() {
		return nil
	}
	switch r.first.Load() {
	case endClient:
		return exchange.ClientGone("transfer-response", vanished("client", upErr))
	case endBackend:
		return exchange.BackendFailed("transfer-response", &wire.Error{Kind: wire.KindAborted, Op: "websocket", Err: vanished("backend", downErr)})
	}
	return nil
}

func vanished(who string, err error) error {
	if err == nil {
		return fmt.Errorf("the %s ended without a close frame", who)
	}
	return fmt.Errorf("the %s ended without a close frame: %w", who, err)
}

// flow is one direction of a relay.
type flow struct {
	r        *relay
	src, dst wire.Stream
	masked   bool // frames towards dst are masked: it is a server

	mu     sync.Mutex  // guards writing to dst and what follows
	frames ws.Tracker  // of what src sends
	said   atomic.Bool // src has sent a close frame
	told   atomic.Bool // dst has been sent a close frame
	muted  bool        // nothing of src is passed on any more
	last   []byte      // close frame to send at the next boundary
	bytes  int64
	armed  time.Time // when the write deadline was set
	broken error     // the first failed write
}

// socketBuffers serve streams that cannot show what they read. Events of a
// realtime session are small, audio comes in pieces of a few kilobytes.
var socketBuffers = sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}

// run passes bytes on until src has ended, or has said its last word. It
// returns nil for an ordinary end.
func (f *flow) run() error {
	chunks, ok := f.src.(wire.Chunks)
	if !ok {
		buf := socketBuffers.Get().(*[]byte)
		defer socketBuffers.Put(buf)
		chunks = reader{f.src, *buf}
	}
	for {
		p, err := chunks.Next()
		if len(p) > 0 && f.pass(p) {
			return f.broken
		}
		if err != nil {
			return f.end(err)
		}
	}
}

// reader is a Stream without Chunks as one.
type reader struct {
	wire.Stream
	buf []byte
}

func (r reader) Next() ([]byte, error) {
	n, err := r.Read(r.buf)
	return r.buf[:n], err
}

// pass hands p to dst, or drops it after the last word, and reports whether src
// has nothing more to say that matters.
func (f *flow) pass(p []byte) (over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.muted && f.last != nil {
		n := f.frames.Boundary(p)
		f.write(p[:n])
		f.frames.Feed(p[:n])
		p = p[n:]
		f.sayLast()
	}
	if !f.muted {
		f.write(p)
	}
	f.frames.Feed(p)
	if f.frames.Closed() && !f.said.Swap(true) {
		if !f.muted {
			f.told.Store(true) // by the frame that was passed on
		}
		f.r.settle()
	}
	return f.muted && f.frames.Closed()
}

// finish sends a close frame to dst at the next frame boundary, unless src has
// sent one.
func (f *flow) finish(code ws.Code, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.muted || f.last != nil || f.frames.Closed() {
		return
	}
	f.last = ws.AppendClose(nil, code, reason, f.masked)
	f.sayLast()
}

func (f *flow) sayLast() {
	if f.muted || !f.frames.AtBoundary() {
		return
	}
	f.write(f.last)
	f.muted = true
	f.told.Store(f.broken == nil)
	f.r.settle()
}

// write sends p under a deadline. What cannot be sent is not an end: the other
// side may have sent its reason before it closed, which is still to be read.
func (f *flow) write(p []byte) {
	if len(p) == 0 {
		return
	}
	if now := time.Now(); now.Sub(f.armed) > f.r.writeTimeout/8 {
		f.armed = now
		_ = f.dst.SetWriteDeadline(now.Add(f.r.writeTimeout))
		if until := f.r.until.Load(); until != 0 {
			_ = f.dst.SetWriteDeadline(time.Unix(0, until))
		}
	}
	n, err := f.dst.Write(p)
	f.bytes += int64(n)
	if err != nil {
		f.muted, f.broken = true, err
		if f.masked {
			f.r.first.CompareAndSwap(0, endBackend)
		} else {
			f.r.first.CompareAndSwap(0, endClient)
		}
		f.r.limitReads(linger)
	}
}

// end is the error to report for a src that has ended.
func (f *flow) end(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.broken != nil:
		return f.broken
	case errors.Is(err, io.EOF), f.said.Load():
		return nil
	}
	return err
}
