//go:build unix

package cli

import (
	"os"
	"syscall"
)

// handOverSignals make a running process hand over to a new one.
func handOverSignals() []os.Signal { return []os.Signal{syscall.SIGUSR2} }
