//go:build linux

package main

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/bench/harness/internal/ev"
)

// conn is one client connection.
type conn struct {
	fd    int
	in    []byte
	out   []byte
	close bool // after the answer
	// What is planned:
	how    *behaviour
	when   int64
	slot   int // place in the timeline, -1 when not there
	kind   int
	next   int // token
	answer []byte
}

// Kinds of planned work.
const (
	kindReply = iota + 1
	kindStream
)

// loop is one event loop with its connections by descriptor.
type loop struct {
	model *model
	poll  *ev.Poll
	lfd   int
	conns []*conn
	due   timeline
	buf   []byte
	tmp   []byte
}

func newLoop(m *model, addr string) (*loop, error) {
	p, err := ev.New(1024)
	if err != nil {
		return nil, fmt.Errorf("make an event loop: %w", err)
	}
	lfd, err := ev.Listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if err := p.Add(lfd, false); err != nil {
		return nil, fmt.Errorf("watch the listener: %w", err)
	}
	return &loop{model: m, poll: p, lfd: lfd, buf: make([]byte, 256<<10)}, nil
}

func (l *loop) run() error {
	runtime.LockOSThread()
	ev.FineTimers()
	for {
		d := time.Duration(-1)
		if len(l.due) > 0 {
			d = max(0, time.Duration(l.due[0].when-ev.Now()))
		}
		events, err := l.poll.Wait(d)
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		for i := range events {
			if err := l.event(&events[i]); err != nil {
				return err
			}
		}
		if len(l.due) > 0 {
			for now := ev.Now(); len(l.due) > 0 && l.due[0].when <= now; {
				l.fire(l.due[0])
			}
		}
	}
}

func (l *loop) event(e *unix.EpollEvent) error {
	fd := int(e.Fd)
	if fd == l.lfd {
		return l.accept()
	}
	c := l.conns[fd]
	if c == nil {
		return nil
	}
	if e.Events&unix.EPOLLOUT != 0 && !l.flush(c) {
		return nil
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.readable(c)
	}
	return nil
}

func (l *loop) accept() error {
	for {
		fd, _, err := unix.Accept4(l.lfd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return nil //nolint:nilerr // nothing waits any more, or the client has gone
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		for fd >= len(l.conns) {
			l.conns = append(l.conns, make([]*conn, len(l.conns)+256)...)
		}
		l.conns[fd] = &conn{fd: fd, slot: -1}
		if err = l.poll.Add(fd, false); err != nil {
			return fmt.Errorf("watch a connection: %w", err)
		}
	}
}

func (l *loop) drop(c *conn) {
	if c.slot >= 0 {
		if c.kind == kindStream {
			l.model.stats.aborted.Add(1)
		}
		l.due.remove(c)
	}
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd)
}

func (l *loop) readable(c *conn) {
	n, err := ev.Read(c.fd, l.buf)
	if n == 0 || err != nil {
		l.drop(c)
		return
	}
	if n < 0 {
		return
	}
	data := l.buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	for len(data) > 0 && c.slot < 0 {
		used, ok := l.take(c, data)
		if !ok {
			l.drop(c)
			return
		}
		if used == 0 {
			break
		}
		data = data[used:]
		if l.conns[c.fd] != c {
			return
		}
	}
	if len(data) == 0 {
		c.in = c.in[:0]
		return
	}
	c.in = append(c.in[:0:0], data...)
}

// sendOnly writes b, or keeps what does not fit; false when c is gone.
func (l *loop) sendOnly(c *conn, b []byte) bool {
	if len(c.out) > 0 {
		c.out = append(c.out, b...)
		return true
	}
	n, err := ev.Write(c.fd, b)
	if err != nil {
		l.drop(c)
		return false
	}
	if n < len(b) {
		c.out = append(c.out[:0], b[n:]...)
		_ = l.poll.Mod(c.fd, true)
	}
	return true
}

// send writes the last part of an answer.
func (l *loop) send(c *conn, b []byte) {
	if l.sendOnly(c, b) && c.close && len(c.out) == 0 {
		l.drop(c)
	}
}

func (l *loop) flush(c *conn) bool {
	n, err := ev.Write(c.fd, c.out)
	if err != nil {
		l.drop(c)
		return false
	}
	c.out = append(c.out[:0], c.out[n:]...)
	if len(c.out) == 0 {
		_ = l.poll.Mod(c.fd, false)
		if c.close && c.slot < 0 {
			l.drop(c)
			return false
		}
	}
	return true
}
