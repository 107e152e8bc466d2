//go:build linux

package h1

import (
	"syscall"
	"time"
)

// ticketTime is how long a record that waits on an idle TLS connection has to
// show that it is none of the application's.
const ticketTime = 2 * time.Millisecond

// stale reports, waiting hardly at all, whether an idle connection has ended or
// holds bytes that nobody asked for.
func (u *upstream) stale() bool {
	if u.raw != nil {
		return false // ask looks, at the last moment
	}
	// On TLS bytes can lie in the socket, where they may be a session ticket
	// that the backend sent late, and in records that were read ahead.
	by := past()
	if raw := socketOf(u.nc); raw == nil {
		by = time.Now().Add(ticketTime / 10) // only reading tells
	} else if raw.Control(u.peekFn) != nil {
		return true
	} else if u.peeked != syscall.EAGAIN {
		by = time.Now().Add(ticketTime)
	}
	u.readBy = by
	if u.nc.SetReadDeadline(by) != nil {
		return true
	}
	n, err := u.nc.Read(u.one[:])
	return n > 0 || !isTimeout(err)
}
