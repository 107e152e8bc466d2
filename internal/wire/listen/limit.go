package listen

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Limit bounds how many connections are open at a time. A nil *Limit has no
// bound.
type Limit struct {
	max     int64
	open    atomic.Int64
	refused atomic.Uint64
	polite  chan struct{} // room for refusals that are being told
}

// NewLimit returns a limit of max connections; 0 = nil, no limit.
func NewLimit(max int64) *Limit {
	if max <= 0 {
		return nil
	}
	return &Limit{max: max, polite: make(chan struct{}, maxPolite)}
}

// DefaultConnections is four fifths of the file descriptors that the process
// may open, 0 where the system does not tell. The rest is for backends.
func DefaultConnections() int64 {
	n, ok := fileLimit()
	if !ok {
		return 0
	}
	return int64(n / 5 * 4)
}

// Max is the limit, 0 = none.
func (l *Limit) Max() int64 {
	if l == nil {
		return 0
	}
	return l.max
}

// Refused counts the connections that were turned away.
func (l *Limit) Refused() uint64 {
	if l == nil {
		return 0
	}
	return l.refused.Load()
}

func (l *Limit) enter() bool {
	if l == nil {
		return true
	}
	if l.open.Add(1) > l.max {
		l.open.Add(-1)
		return false
	}
	return true
}

func (l *Limit) leave() {
	if l != nil {
		l.open.Add(-1)
	}
}

// A refusal takes a descriptor for as long as it takes; so few are told, and
// for a short time.
const (
	maxPolite    = 64
	politeTime   = time.Second
	politeBytes  = 16 << 10
	refusalReply = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

// refuse closes c. A plain client is told why: it sends its request in vain and
// reads the answer, which a close with bytes unread would destroy.
func (l *Limit) refuse(c net.Conn, plain bool) {
	l.refused.Add(1)
	if !plain {
		_ = c.Close()
		return
	}
	select {
	case l.polite <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	go func() {
		defer func() { <-l.polite }()
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(politeTime))
		if _, err := io.WriteString(c, refusalReply); err != nil {
			return
		}
		if h, ok := c.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
		_, _ = io.CopyN(io.Discard, c, politeBytes)
	}()
}
