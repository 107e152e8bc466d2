package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// ErrLogClosed is returned by writes after Close.
var ErrLogClosed = errors.New("log is closed")

// NewLogger returns a logger that writes lines of the format "json" or "text"
// to w, from the level "debug", "info", "warn" or "error" upwards.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	o := &slog.HandlerOptions{}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	o.Level = l
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q: want json or text", format)
}

// logBacklog is how many bytes may wait for a slow sink.
const logBacklog = 4 << 20

// AsyncWriter takes lines from many goroutines and writes them to one sink
// from its own. A write never waits for the sink: past the backlog lines are
// lost and counted. Two buffers change places, so that nothing is allocated
// once they have grown.
type AsyncWriter struct {
	sink io.Writer

	mu      sync.Mutex
	changed *sync.Cond // something was queued, written out, or closed
	queue   []byte
	lines   int // in queue
	limit   int
	lost    uint64
	writing bool
	closed  bool
}

// NewAsyncWriter returns a writer to sink. limit bounds the bytes that wait;
// 0 = 4 MiB. Close ends its goroutine.
func NewAsyncWriter(sink io.Writer, limit int) *AsyncWriter {
	if limit <= 0 {
		limit = logBacklog
	}
	w := &AsyncWriter{sink: sink, limit: limit}
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
	w.queue = append(w.queue, line...)
	w.lines++
	w.changed.Broadcast()
	return len(line), nil
}

// Dropped is how many lines were lost: the backlog was full, or the sink
// refused them.
func (w *AsyncWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *AsyncWriter) run() {
	var spare []byte
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.queue) == 0 {
			if w.closed {
				return
			}
			w.changed.Wait()
		}
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
	w.changed.Broadcast()
	w.mu.Unlock()
	return w.Flush(ctx)
}
