//go:build linux && race

package h1

import (
	"errors"
	"syscall"
)

// With the race detector the calls go through package syscall, which tells it
// that bytes received happen after bytes sent.

func sysRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, errnoOf(err)
}

func sysWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, errnoOf(err)
}

func sysWritev(fd uintptr, v []syscall.Iovec) (int, syscall.Errno) {
	total := 0
	for i := range v {
		n, err := syscall.Write(int(fd), bytesOf(&v[i]))
		if err != nil && total == 0 {
			return 0, errnoOf(err)
		}
		total += max(n, 0)
		if err != nil || n < int(v[i].Len) {
			break
		}
	}
	return total, 0
}

func sysPeek(fd uintptr, p []byte) syscall.Errno {
	_, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return 0
}
