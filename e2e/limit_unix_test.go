//go:build unix

package e2e_test

import "syscall"

// fileLimit is how many files a child of this process may open: Go programs
// raise their own limit to the hard one.
func fileLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Max), 1<<30)) //nolint:unconvert // signed on some systems
}
