//go:build unix

package listen

import "syscall"

// fileLimit is how many descriptors the process may open. The Go runtime has
// raised the soft limit to the hard one by now.
func fileLimit() (uint64, bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > maxFiles {
		return 0, false // unlimited, in the spelling of any system
	}
	return uint64(l.Cur), true //nolint:unconvert // signed on some systems
}

// maxFiles is more than any system can open.
const maxFiles = 1 << 40
