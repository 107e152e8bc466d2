//go:build unix

package listen

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dup returns a second descriptor of the socket, for a process to come. It is
// a plain number and no os.File on purpose: os.File.Fd switches the socket to
// blocking mode, which its copies share, and would hang the accept of this
// process.
func (l *Listener) Dup() (int, error) {
	s, ok := l.inner.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("copy the socket of %s: it is no socket of the system", l.Addr())
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("copy the socket of %s: %w", l.Addr(), err)
	}
	var fd int
	var inner error
	if err := raw.Control(func(from uintptr) { fd, inner = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, firstInherited) }); err != nil {
		return 0, fmt.Errorf("copy the socket of %s: %w", l.Addr(), err)
	}
	if inner != nil {
		return 0, fmt.Errorf("copy the socket of %s: %w", l.Addr(), inner)
	}
	return fd, nil
}
