//go:build linux

package h1

import (
	"errors"
	"time"

	"sallyport/internal/wire"
)

// A client that still sends has lingerIdle for each piece and lingerTime in all
// to read its answer.
const (
	lingerTime = 5 * time.Second
	lingerIdle = 500 * time.Millisecond
)

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// linger closes the sending side and reads on for a moment: closing a socket
// with unread bytes resets it, and the reset would destroy the answer on its
// way to a client that is still sending.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	b := c.pool.get(class16K)
	defer c.pool.put(b)
	for now, end := time.Now(), time.Now().Add(lingerTime); now.Before(end); now = time.Now() {
		_ = c.nc.SetReadDeadline(now.Add(lingerIdle))
		if _, err := c.nc.Read(b.b); err != nil {
			return
		}
	}
}

// refuse answers what never reaches the handler, and closes.
func (c *conn) refuse(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = bad(err.Error())
	}
	text := wire.StatusText(r.status)
	c.writeWithin(time.Now(), 5*time.Second)
	b := make([]byte, 0, 256)
	b = appendStatus(b, r.status, text)
	b = append(b, c.s.clock.date(time.Now())...)
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "...)
	b = appendInt(b, int64(len(text)))
	b = append(b, "\r\n\r\n"...)
	if _, err := c.nc.Write(append(b, text...)); err == nil {
		c.linger()
	}
}
