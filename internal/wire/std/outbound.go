package std

import (
	"errors"
	"io"
	"sync"

	"sallyport/internal/wire"
)

// outbound gives net/http a body that it can close once, that ends at its
// declared length without another read, and that remembers its own failure.
type outbound struct {
	r    io.Reader
	left int64 // -1 unknown

	mu     sync.Mutex
	err    error
	closed bool
}

func newOutbound(r io.Reader, length int64) *outbound {
	if length < 0 {
		length = -1
	}
	return &outbound{r: r, left: length}
}

// Read is called by one goroutine of net/http at a time.
func (o *outbound) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	if o.left > 0 && int64(len(p)) > o.left {
		p = p[:o.left]
	}
	n, err := o.r.Read(p)
	if o.left > 0 {
		o.left -= int64(n)
		switch {
		case o.left == 0:
			return n, io.EOF
		case err == io.EOF:
			err = errShortBody
		}
	}
	if err != nil && err != io.EOF {
		err = o.fail(err)
	}
	return n, err
}

func (o *outbound) fail(err error) error {
	var known *wire.Error
	if !errors.As(err, &known) {
		err = &wire.Error{Kind: readKind(err), Op: "read request body", Err: err}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed { // a read that fails because of Close says nothing of the sender
		o.err = err
	}
	return err
}

// Close closes the reader when it can be closed, once.
func (o *outbound) Close() error {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.mu.Unlock()
	if c, ok := o.r.(io.Closer); ok && first {
		return c.Close()
	}
	return nil
}

func (o *outbound) failure() error {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
