package wiretest

import (
	"errors"
	"sync"

	"sallyport/internal/wire"
)

// ErrGone is what a Recorder returns once its client is gone.
var ErrGone = errors.New("wiretest: the client is gone")

// Recorder is a wire.Responder that keeps everything. Its zero value is ready.
// It also implements wire.TrailerWriter and wire.Finisher. The methods may be called while the
// handler still runs; set the exported fields before.
type Recorder struct {
	// OnFlush is called at each Flush, from the handler's goroutine, with the
	// bytes written since the one before. It may cancel a context or block.
	OnFlush func(chunk []byte)
	// GoneAfter makes Write fail with ErrGone once this many body bytes have
	// been accepted; 0 = never.
	GoneAfter int

	mu       sync.Mutex
	wrote    bool
	twice    bool
	status   int
	reason   string
	header   wire.Header
	length   int64
	body     []byte
	sent     int // how much of body has been flushed
	chunks   []string
	flushes  int
	announce []string
	trailers wire.Header
	aborted  bool
	gone     bool
}

// WriteHead implements wire.Responder; hop-by-hop headers are dropped and a
// second call is an error, as in the engines.
func (c *Recorder) WriteHead(status int, reason string, h wire.Header, contentLength int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrote {
		c.twice = true
		return errors.New("wiretest: WriteHead called twice")
	}
	c.wrote, c.status, c.reason, c.length = true, status, reason, contentLength
	for _, f := range h {
		if !wire.HopByHop(f.Name) {
			c.header = append(c.header, f)
		}
	}
	return nil
}

// Write implements wire.Responder.
func (c *Recorder) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wrote {
		return 0, errors.New("wiretest: Write before WriteHead")
	}
	if c.length >= 0 && int64(len(c.body)+len(p)) > c.length {
		return 0, errors.New("wiretest: more body than the content length declared")
	}
	if c.GoneAfter > 0 && len(c.body)+len(p) > c.GoneAfter {
		n := max(c.GoneAfter-len(c.body), 0)
		c.body, c.gone = append(c.body, p[:n]...), true
		return n, ErrGone
	}
	c.body = append(c.body, p...)
	return len(p), nil
}

// Flush implements wire.Responder.
func (c *Recorder) Flush() error {
	c.mu.Lock()
	if !c.wrote {
		c.mu.Unlock()
		return errors.New("wiretest: Flush before WriteHead")
	}
	c.flushes++
	chunk := c.body[c.sent:len(c.body):len(c.body)]
	c.sent = len(c.body)
	if len(chunk) > 0 {
		c.chunks = append(c.chunks, string(chunk))
	}
	hook := c.OnFlush
	c.mu.Unlock()
	if hook != nil {
		hook(chunk)
	}
	return nil
}

// AnnounceTrailers implements wire.TrailerWriter.
func (c *Recorder) AnnounceTrailers(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announce = append([]string(nil), names...)
}

// SetTrailers implements wire.TrailerWriter.
func (c *Recorder) SetTrailers(h wire.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trailers = h.Clone()
}

// Finish implements wire.Finisher, and ends the answer as an engine does when
// the handler returns: without a head it becomes an empty 500, and what was not
// flushed is one last chunk.
func (c *Recorder) Finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wrote {
		c.wrote, c.status = true, 500
	}
	if c.sent < len(c.body) {
		c.chunks = append(c.chunks, string(c.body[c.sent:]))
		c.sent = len(c.body)
	}
	if c.gone {
		return ErrGone
	}
	return nil
}

// Status returns the status code, 0 before WriteHead.
func (c *Recorder) Status() int { c.mu.Lock(); defer c.mu.Unlock(); return c.status }

// Reason returns the reason phrase given to WriteHead.
func (c *Recorder) Reason() string { c.mu.Lock(); defer c.mu.Unlock(); return c.reason }

// Header returns a copy of the headers.
func (c *Recorder) Header() wire.Header { c.mu.Lock(); defer c.mu.Unlock(); return c.header.Clone() }

// ContentLength returns what was declared, -1 for unknown.
func (c *Recorder) ContentLength() int64 { c.mu.Lock(); defer c.mu.Unlock(); return c.length }

// Body returns the body so far.
func (c *Recorder) Body() string { c.mu.Lock(); defer c.mu.Unlock(); return string(c.body) }

// Flushes returns how often Flush was called.
func (c *Recorder) Flushes() int { c.mu.Lock(); defer c.mu.Unlock(); return c.flushes }

// Chunks returns the bytes each flush pushed out, empty ones left out.
func (c *Recorder) Chunks() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.chunks...)
}

// HeadTwice reports whether the handler called WriteHead more than once.
func (c *Recorder) HeadTwice() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.twice }

// Trailers returns the announced names and the trailers sent.
func (c *Recorder) Trailers() ([]string, wire.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.announce...), c.trailers.Clone()
}
