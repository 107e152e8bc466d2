package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
)

// pump passes a backend's body on as it comes, byte for byte.
type pump struct {
	c      *call
	events bool
	src    chunkSource
	last   [2]byte // sent so far, to know where an event ends
	gone   error   // the client has left; the rest is read for its usage only
}

// run reports whether the whole body got through.
func (p *pump) run() bool {
	c := p.c
	for {
		piece, err := p.src.next()
		if len(piece) > 0 {
			c.tapUsage(piece)
			if p.gone == nil {
				p.gone = p.send(piece, err == nil)
			}
		}
		switch {
		case p.gone != nil && (err != nil || !c.readsOn()):
			c.clientGone(p.gone)
			return false
		case err == io.EOF:
			return true
		case err != nil && p.events && errors.Is(context.Cause(c.Ctx), wire.ErrDraining):
			return p.lastWords(err)
		case err != nil:
			c.torn(err)
			return false
		}
	}
}

// send writes one piece. More to come is flushed at once; the last piece
// leaves together with the end of the body.
func (p *pump) send(piece []byte, more bool) error {
	c := p.c
	n, err := c.w.Write(piece)
	c.sent += int64(n)
	if err == nil && c.flush && more {
		err = c.w.Flush()
	}
	if err != nil {
		return err
	}
	if len(piece) > 1 {
		copy(p.last[:], piece[len(piece)-2:])
	} else {
		p.last[0], p.last[1] = p.last[1], piece[0]
	}
	return nil
}

// lastWords ends an event stream that this server cannot wait for with an
// error event. In the middle of an event there is no room for one: then the
// stream is cut, as it is when a backend breaks off.
func (p *pump) lastWords(err error) bool {
	c := p.c
	if c.sent > 0 && !bytes.Equal(p.last[:], []byte("\n\n")) {
		c.torn(err)
		return false
	}
	c.Failure = exchange.Draining("transfer-response", err)
	event := c.Failure.AppendEvent(nil, c.ID)
	n, werr := c.w.Write(event)
	c.sent += int64(n)
	if werr != nil {
		c.clientGone(werr)
		return false
	}
	return true
}

// chunkSource gives the pieces of a body: shown by the engine, or read into a
// pooled buffer.
type chunkSource struct {
	chunks wire.Chunks
	reader io.Reader
	buf    *[]byte
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

func chunksOf(r io.Reader) chunkSource {
	if c, ok := r.(wire.Chunks); ok {
		return chunkSource{chunks: c}
	}
	return chunkSource{reader: r, buf: copyBuffers.Get().(*[]byte)}
}

func (s *chunkSource) next() ([]byte, error) {
	if s.chunks != nil {
		return s.chunks.Next()
	}
	n, err := s.reader.Read(*s.buf)
	return (*s.buf)[:n], err
}

func (s *chunkSource) release() {
	if s.buf != nil {
		copyBuffers.Put(s.buf)
	}
}
