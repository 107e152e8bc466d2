//go:build linux

package main

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/bench/harness/internal/ev"
)

// client is one connection with the request that is under way on it.
type client struct {
	answer
	events

	fd       int
	busy     bool
	fresh    bool // nothing answered yet on this connection
	out      []byte
	due      int64
	sent     int64
	sawByte  bool
	startAt  int64
	measured bool // begun inside the window
	finished bool
}

func (w *worker) open(c *client) error {
	for tries := 0; ; tries++ {
		fd, err := ev.Dial(w.sa)
		if err != nil {
			if tries > 50 {
				return fmt.Errorf("connect: %w", err)
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		c.fd, c.fresh = fd, true
		for fd >= len(w.byFD) {
			w.byFD = append(w.byFD, make([]*client, len(w.byFD)+256)...)
		}
		w.byFD[fd] = c
		if err := w.poll.Add(fd, false); err != nil {
			return fmt.Errorf("watch a connection: %w", err)
		}
		return nil
	}
}

func (w *worker) hangup(c *client) {
	if c.fd >= 0 {
		w.byFD[c.fd] = nil
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

func (w *worker) send(c *client, due int64) error {
	c.busy, c.due, c.sent = true, due, ev.Now()
	if w.o.mode != "open" {
		c.due = c.sent
	}
	c.answer.reset()
	c.events.reset()
	c.sawByte = false
	c.measured = w.phase.Load() == phaseRun
	return w.write(c)
}

func (w *worker) write(c *client) error {
	n, err := ev.Write(c.fd, w.request)
	if err != nil {
		return w.broken(c)
	}
	if n < len(w.request) {
		c.out = w.request[n:]
		_ = w.poll.Mod(c.fd, true)
	}
	return nil
}

func (w *worker) flush(c *client) error {
	n, err := ev.Write(c.fd, c.out)
	if err != nil {
		return w.broken(c)
	}
	if c.out = c.out[n:]; len(c.out) == 0 {
		_ = w.poll.Mod(c.fd, false)
	}
	return nil
}

// broken handles a connection that ended or failed.
func (w *worker) broken(c *client) error {
	stale := !c.fresh && c.busy && !c.sawByte
	w.hangup(c)
	c.out = nil
	if c.finished {
		return nil
	}
	if stale || !c.busy { // the other end closed an idle connection: an ordinary client goes on with a new one
		w.recon++
		if err := w.open(c); err != nil || !stale {
			return err
		}
		return w.write(c)
	}
	if c.untilClose() {
		return w.complete(c)
	}
	if c.measured && w.phase.Load() == phaseRun {
		w.fail("connection cut")
		if w.o.streaming() {
			w.streams++
			w.cut++
		}
	}
	return w.next(c)
}

// next gives c its next request, or its rest.
func (w *worker) next(c *client) error {
	c.busy = false
	if w.o.streaming() && (w.o.once || w.phase.Load() == phaseEnd) {
		c.finished = true
		w.live--
		w.hangup(c)
		return nil
	}
	if c.fd < 0 {
		if err := w.open(c); err != nil {
			return err
		}
	}
	if w.o.streaming() || w.o.mode == "closed" && w.phase.Load() != phaseEnd {
		return w.send(c, 0)
	}
	w.idle = append(w.idle, c)
	return nil
}

// complete counts an answer that has ended.
func (w *worker) complete(c *client) error {
	now := ev.Now()
	c.fresh = false
	if c.measured && (w.phase.Load() == phaseRun || w.o.mode == "open" || w.o.once) {
		w.count(c, now)
	}
	if c.closes || w.o.noKeep {
		w.hangup(c)
	}
	return w.next(c)
}

func (w *worker) count(c *client, now int64) {
	switch {
	case c.status != 200:
		w.fail("status " + strconv.Itoa(c.status))
	case c.got < w.o.expectMin:
		w.fail("short answer")
	default:
		w.requests++
		w.bytesIn += int64(c.got)
		if !w.o.streaming() {
			_ = w.lat.RecordValue(now - c.due)
			_ = w.svc.RecordValue(now - c.sent)
			if w.o.mode == "open" {
				_ = w.lag.RecordValue(max(100, c.sent-c.due))
			}
		}
	}
	if !w.o.streaming() {
		return
	}
	w.streams++
	if c.status != 200 {
		return
	}
	switch c.verdict(w.o.token) {
	case corrupt:
		w.corrupt++
		w.fail("corrupt stream")
	case cut:
		w.cut++
		w.fail("stream without its end")
	default:
		w.ok++
		_ = w.total.RecordValue(now - c.sent)
	}
}

func (w *worker) readable(c *client) error {
	n, err := ev.Read(c.fd, w.buf)
	if n < 0 {
		return nil
	}
	if n == 0 || err != nil {
		return w.broken(c)
	}
	if !c.busy { // bytes nobody asked for
		w.hangup(c)
		w.fail("unexpected bytes")
		return w.open(c)
	}
	if !c.sawByte {
		c.sawByte = true
		if w.o.streaming() && c.measured {
			_ = w.ttfb.RecordValue(ev.Now() - c.sent)
		}
	}
	return w.feed(c, w.buf[:n])
}

// feed hands bytes to the answer, and its content to the events.
func (w *worker) feed(c *client, d []byte) error {
	before := w.chunks
	for len(d) > 0 {
		var content []byte
		var more answerState
		content, d, more = c.answer.take(d)
		if w.o.streaming() && len(content) > 0 {
			w.content(c, content)
		}
		switch more {
		case answerBad:
			w.fail("bad answer")
			w.hangup(c)
			return w.next(c)
		case answerDone:
			if w.chunks != before {
				w.reads++
			}
			return w.complete(c)
		}
	}
	if w.chunks != before {
		w.reads++
	}
	return nil
}

// content looks at a piece of a stream: every token that arrives inside the
// window counts, of whatever stream.
func (w *worker) content(c *client, d []byte) {
	c.events.take(d, func(at int64, first bool) {
		if w.phase.Load() != phaseRun {
			return
		}
		now := ev.Now()
		w.chunks++
		_ = w.chunk.RecordValue(max(100, now-at))
		if first && c.measured {
			_ = w.ttfc.RecordValue(now - c.sent)
		}
	})
}
