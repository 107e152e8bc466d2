package listen

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// CanReusePort reports whether several processes can share a port here in a
// way that spreads connections over them.
const CanReusePort = true

func reusePort(_, _ string, c syscall.RawConn) error {
	var err error
	if outer := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); outer != nil {
		return outer
	}
	return err
}
