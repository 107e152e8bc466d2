package e2e_test

import "syscall"

// dieWithParent ends a process together with the tests, even when these are
// killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
