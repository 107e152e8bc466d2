//go:build linux

package h1

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// watcher tells connections that their client has hung up. It keeps an epoll
// set of its own that listens for nothing but the end of the other side, so
// that a request which only waits for its backend needs no second goroutine to
// notice, and nothing is paid per request.
type watcher struct {
	file *os.File
	raw  syscall.RawConn
	fd   int

	mu     sync.Mutex
	conns  map[int32]watched
	last   int32
	closed bool // fd may be somebody else's by now
}

type watched struct {
	gen int32
	c   hanger
}

// hanger is told when its other side has hung up; lost says that both
// directions are gone, so that nothing can be answered.
type hanger interface{ gone(lost bool) }

const (
	epollRDHUP = 0x2000
	epollET    = 1 << 31
)

func newWatcher() (*watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	// An epoll set can be polled itself: the runtime waits for it like for a
	// socket, and no thread is blocked.
	w := &watcher{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, conns: make(map[int32]watched)}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	go w.run()
	return w, nil
}

func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	_ = w.file.Close()
}

// add watches the socket of raw until remove or until it is closed.
func (w *watcher) add(raw syscall.RawConn, c hanger) (fd int32, ok bool) {
	_ = raw.Control(func(p uintptr) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closed {
			return
		}
		fd = int32(p)
		w.last++
		ev := syscall.EpollEvent{Events: epollRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR | epollET&0xffffffff, Fd: fd, Pad: w.last}
		if ok = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, int(fd), &ev) == nil; ok {
			w.conns[fd] = watched{w.last, c}
		}
	})
	return fd, ok
}

// remove forgets a connection; it must come before the socket is closed.
func (w *watcher) remove(fd int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	delete(w.conns, fd)
	_ = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_DEL, int(fd), nil)
}

func (w *watcher) run() {
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		err := w.raw.Read(func(uintptr) bool {
			var err error
			n, err = syscall.EpollWait(w.fd, events, 0)
			return err == nil && n > 0 || err != nil && err != syscall.EINTR
		})
		if err != nil || n < 0 {
			return
		}
		for _, ev := range events[:n] {
			w.mu.Lock()
			c, ok := w.conns[ev.Fd]
			w.mu.Unlock()
			if ok && c.gen == ev.Pad {
				c.c.gone(ev.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0)
			}
		}
	}
}
