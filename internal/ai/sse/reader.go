// Package sse reads and writes event streams (text/event-stream): any line
// ends, any split of the bytes, bounded memory, exact bytes kept.
// It knows nothing of what the events mean, and it opens no connections.
// Start at Reader when you own the stream, at Scanner when bytes only pass by.
package sse

import (
	"bytes"
	"io"
)

// Reader is the pull form: events from an io.Reader.
type Reader struct {
	src     io.Reader
	scan    *Scanner
	chunk   []byte
	pending []byte // read from src, not scanned yet
	err     error  // sticky
	srcErr  error  // what src said, to report once pending is used up
}

// NewReader returns a reader of src.
func NewReader(src io.Reader, opt Options) *Reader {
	return &Reader{src: src, scan: NewScanner(opt, nil), chunk: make([]byte, 8<<10)}
}

// Next returns the next event, valid until the call after it. The end is
// io.EOF; a block cut short by it comes first, marked Partial. A block cut
// short by any other error is not reported. *TooLongError ends the reading.
func (r *Reader) Next() (*Event, error) {
	for r.err == nil {
		if len(r.pending) > 0 {
			n, ok := r.scan.scan(r.pending)
			r.pending = r.pending[n:]
			if r.err = r.scan.takeErr(); r.err == nil && ok {
				return &r.scan.ev, nil
			}
			continue
		}
		if r.srcErr != nil {
			r.err = r.srcErr
			if r.err == io.EOF && r.scan.finish() {
				return &r.scan.ev, nil
			}
			break
		}
		r.fill()
	}
	return nil, r.err
}

// fill reads once. A source that keeps returning nothing is broken.
func (r *Reader) fill() {
	for range 100 {
		n, err := r.src.Read(r.chunk)
		r.pending, r.srcErr = r.chunk[:n], err
		if n > 0 || err != nil {
			return
		}
	}
	r.srcErr = io.ErrNoProgress
}

// Append adds one event to dst: data split at LF into data lines, and an event
// field when event is not empty.
func Append(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, event...)
		dst = append(dst, '\n')
	}
	for more := true; more; {
		var line []byte
		line, data, more = bytes.Cut(data, []byte{'\n'})
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}
