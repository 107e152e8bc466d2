//go:build linux

// Package ev is a tiny epoll event loop used by the mock model and the load
// client, so that neither of them becomes the bottleneck of a measurement.
// It knows sockets and readiness, and nothing of HTTP.
// Start at Poll.Wait.
package ev

import (
	"errors"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Now is the shared clock: wall-clock nanoseconds. Both ends of a measurement
// run on one machine, so the two processes' readings are comparable.
func Now() int64 { return time.Now().UnixNano() }

// Poll is one epoll instance.
type Poll struct {
	fd      int
	events  []unix.EpollEvent
	noWait2 bool
}

// New makes a Poll that returns up to n events a call.
func New(n int) (*Poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Poll{fd: fd, events: make([]unix.EpollEvent, n)}, nil
}

// FineTimers asks the kernel for nanosecond timer slack on the calling thread.
func FineTimers() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// Add watches fd for reading (and writing when out is set).
func (p *Poll) Add(fd int, out bool) error { return p.ctl(unix.EPOLL_CTL_ADD, fd, out) }

// Mod changes what fd is watched for.
func (p *Poll) Mod(fd int, out bool) error { return p.ctl(unix.EPOLL_CTL_MOD, fd, out) }

func (p *Poll) ctl(op, fd int, out bool) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)}
	if out {
		e.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(p.fd, op, fd, &e)
}

// Wait blocks for at most d (d < 0: for ever) and returns the ready events.
func (p *Poll) Wait(d time.Duration) ([]unix.EpollEvent, error) {
	if !p.noWait2 {
		var ts *unix.Timespec
		if d >= 0 {
			t := unix.NsecToTimespec(int64(d))
			ts = &t
		}
		n, _, e := syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
			uintptr(unsafe.Pointer(ts)), 0, 0)
		switch e {
		case 0:
			return p.events[:n], nil
		case syscall.EINTR:
			return nil, nil
		case syscall.ENOSYS:
			p.noWait2 = true
		default:
			return nil, e
		}
	}
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.fd, p.events, ms)
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil, nil
		}
		return nil, err
	}
	return p.events[:n], nil
}

// Read reads once without blocking. n < 0 means "nothing now"; n == 0 is EOF.
func Read(fd int, b []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return -1, nil
		default:
			return 0, e
		}
	}
}

// Write writes once without blocking and returns how much was taken.
func Write(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, e
		}
	}
}

// SockAddr resolves host:port to an IPv4 socket address.
func SockAddr(hostport string) (*unix.SockaddrInet4, error) {
	a, err := net.ResolveTCPAddr("tcp4", hostport)
	if err != nil {
		return nil, err
	}
	s := &unix.SockaddrInet4{Port: a.Port}
	copy(s.Addr[:], a.IP.To4())
	return s, nil
}

// Dial opens a connected, non-blocking TCP socket (the connect itself blocks).
func Dial(sa *unix.SockaddrInet4) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, sa); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err = unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Listen opens a non-blocking listening socket with SO_REUSEPORT.
func Listen(hostport string) (int, error) {
	sa, err := SockAddr(hostport)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err = unix.Bind(fd, sa); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	if err = unix.Listen(fd, 4096); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
