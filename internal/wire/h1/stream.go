//go:build linux

package h1

import (
	"io"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// stream is a connection after a protocol switch, on either side. One
// goroutine may read and another write.
type stream struct {
	s     *sock
	piece []byte
	once  sync.Once
	ended func() // after Close; nil = nothing to do
}

// Next implements wire.Chunks: it holds no buffer while it waits.
func (t *stream) Next() ([]byte, error) {
	if len(t.piece) > 0 {
		p := t.piece
		t.piece = nil
		return p, nil
	}
	if len(t.s.unread()) == 0 {
		if err := t.s.fill(); err != nil {
			return nil, t.failed("read stream", err)
		}
	}
	p := t.s.unread()
	t.s.use(len(p))
	return p, nil
}

// Read implements io.Reader.
func (t *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(t.piece) == 0 {
		piece, err := t.Next()
		if err != nil {
			return 0, err
		}
		t.piece = piece
	}
	n := copy(p, t.piece)
	t.piece = t.piece[n:]
	return n, nil
}

// Write implements io.Writer.
func (t *stream) Write(p []byte) (int, error) {
	n, err := t.s.nc.Write(p)
	if err != nil {
		err = t.failed("write stream", err)
	}
	return n, err
}

func (t *stream) failed(op string, err error) error {
	if err == io.EOF {
		return err
	}
	return &wire.Error{Kind: readKind(err), Op: op, Err: err}
}

// CloseWrite tells the other side that nothing more comes.
func (t *stream) CloseWrite() error {
	if c, ok := t.s.nc.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return t.s.nc.Close()
}

// Close ends the connection and wakes readers and writers.
func (t *stream) Close() error {
	err := error(nil)
	t.once.Do(func() {
		err = t.s.nc.Close()
		if t.ended != nil {
			t.ended()
		}
	})
	return err
}

func (t *stream) SetDeadline(d time.Time) error      { return t.s.nc.SetDeadline(d) }
func (t *stream) SetReadDeadline(d time.Time) error  { return t.s.nc.SetReadDeadline(d) }
func (t *stream) SetWriteDeadline(d time.Time) error { return t.s.nc.SetWriteDeadline(d) }

var (
	_ wire.Stream = (*stream)(nil)
	_ wire.Chunks = (*stream)(nil)
)
