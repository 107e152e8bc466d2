//go:build !linux

package listen

import (
	"errors"
	"fmt"
	"syscall"
)

// CanReusePort reports whether several processes can share a port here in a
// way that spreads connections over them. Other systems know the option too,
// but give all connections to one of the sockets.
const CanReusePort = false

func reusePort(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("share the port: %w", errors.ErrUnsupported)
}
