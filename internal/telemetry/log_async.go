package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// logBacklog is how many bytes may wait for a slow sink.
const logBacklog = 4 << 20

// Lines are gathered before they are written: waking a goroutine and calling
// the kernel for each line would cost more than serving a small request.
const (
	logBatch  = 32 << 10 // bytes that are written without waiting for more
	logLinger = 10 * time.Millisecond
)

// ErrLogClosed is returned by writes after Close.
var ErrLogClosed = errors.New("log is closed")

// AsyncWriter takes lines from many goroutines and writes them to one sink
// from its own, a moment later and many at a time. A write never waits for the
// sink: past the backlog lines are lost and counted. Two buffers change places,
// so that nothing is allocated once they have grown.
type AsyncWriter struct {
	sink  io.Writer
	hurry chan struct{} // ends the wait for more lines

	mu      sync.Mutex
	changed *sync.Cond // something was queued, written out, or closed
	queue   []byte
	lines   int // in queue
	limit   int
	lost    uint64
	writing bool
	waiting bool // for more lines
	urgent  int  // calls of Flush under way
	closed  bool
}

// NewAsyncWriter returns a writer to sink. limit bounds the bytes that wait;
// 0 = 4 MiB. Close ends its goroutine.
func NewAsyncWriter(sink io.Writer, limit int) *AsyncWriter {
	if limit <= 0 {
		limit = logBacklog
	}
	w := &AsyncWriter{sink: sink, limit: limit, hurry: make(chan struct{}, 1)}
	w.changed = sync.NewCond(&w.mu)
	go w.run()
	return w
}

// Write queues one line. It reports success for a lost line too: a logger has
// nobody to tell.
func (w *AsyncWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		w.lost++
		return 0, ErrLogClosed
	}
	if len(w.queue)+len(line) > w.limit {
		w.lost++
		return len(line), nil
	}
	if len(w.queue) == 0 {
		w.changed.Broadcast()
	}
	w.queue = append(w.queue, line...)
	w.lines++
	if len(w.queue) >= logBatch {
		w.hurryLocked()
	}
	return len(line), nil
}

// Dropped is how many lines were lost: the backlog was full, or the sink
// refused them.
func (w *AsyncWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// hurryLocked has the queue written now.
func (w *AsyncWriter) hurryLocked() {
	if !w.waiting {
		return
	}
	w.waiting = false
	select {
	case w.hurry <- struct{}{}:
	default:
	}
}

// gatherLocked waits for more lines, unless there are enough or somebody waits
// for those that are there.
func (w *AsyncWriter) gatherLocked(linger *time.Timer) {
	if w.closed || w.urgent > 0 || len(w.queue) >= logBatch {
		return
	}
	w.waiting = true
	w.mu.Unlock()
	linger.Reset(logLinger)
	select {
	case <-linger.C:
	case <-w.hurry:
		linger.Stop()
	}
	w.mu.Lock()
	w.waiting = false
}

func (w *AsyncWriter) run() {
	var spare []byte
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	linger.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.queue) == 0 {
			if w.closed {
				return
			}
			w.changed.Wait()
		}
		w.gatherLocked(linger)
		batch, lines := w.queue, w.lines
		w.queue, w.lines, w.writing = spare[:0], 0, true
		w.mu.Unlock()
		_, err := w.sink.Write(batch)
		w.mu.Lock()
		spare, w.writing = batch, false
		if err != nil {
			w.lost += uint64(lines)
		}
		w.changed.Broadcast()
	}
}

// Flush waits until the lines queued so far have reached the sink, or until
// ctx ends.
func (w *AsyncWriter) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.urgent++
	defer func() { w.urgent-- }()
	w.hurryLocked()
	for len(w.queue) > 0 || w.writing {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("flush log: %w", err)
		}
		w.changed.Wait()
	}
	return nil
}

// Close refuses further lines and flushes. A sink that is stuck keeps its
// goroutine; nothing can end a blocked write.
func (w *AsyncWriter) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.hurryLocked()
	w.changed.Broadcast()
	w.mu.Unlock()
	return w.Flush(ctx)
}
