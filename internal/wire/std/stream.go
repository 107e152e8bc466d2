package std

import (
	"errors"
	"io"
	"net"
	"sync"

	"sallyport/internal/wire"
)

// stream is a connection after a switch of protocols. Reads go through r, which
// has what net/http had read ahead.
type stream struct {
	net.Conn
	r       io.Reader
	onClose func()
	once    sync.Once
	err     error
}

// Read reads what the other side sends; io.EOF is its end.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &wire.Error{Kind: readKind(err), Op: "read stream", Err: err}
	}
	return n, err
}

// Write sends p.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if err != nil {
		err = &wire.Error{Kind: writeKind(err), Op: "write stream", Err: err}
	}
	return n, err
}

// CloseWrite tells the other side that nothing more comes.
func (s *stream) CloseWrite() error { return closeWrite(s.Conn) }

// Close ends the connection; running reads and writes fail.
func (s *stream) Close() error {
	s.once.Do(func() {
		s.err = s.Conn.Close()
		if s.onClose != nil {
			s.onClose()
		}
	})
	return s.err
}

// closeWrite looks through connections that are wrapped; TLS has a way of its
// own to say the end.
func closeWrite(c net.Conn) error {
	for {
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return errors.ErrUnsupported
		}
		c = w.NetConn()
	}
}

// ahead reads what was read ahead, then the connection.
type ahead struct {
	data []byte
	conn net.Conn
}

func (a *ahead) Read(p []byte) (int, error) {
	if len(a.data) == 0 {
		a.data = nil
		return a.conn.Read(p)
	}
	n := copy(p, a.data)
	a.data = a.data[n:]
	return n, nil
}
