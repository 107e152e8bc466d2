//go:build linux

package main

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/bench/harness/internal/ev"
)

// worker is one event loop with its share of the connections.
type worker struct {
	*run
	counts
	times
	poll    *ev.Poll
	byFD    []*client
	idle    []*client
	all     []*client
	started int // streams that have begun
	live    int // streams that still run (-once)
	buf     []byte
	rate    float64 // requests a nanosecond
	nextDue float64
	backlog []int64 // due times not sent yet
}

func newWorker(r *run) *worker {
	return &worker{run: r, counts: counts{kinds: map[string]int{}}, times: newTimes(),
		buf: make([]byte, 512<<10), rate: r.o.rate / float64(r.o.threads) / 1e9}
}

func (w *worker) work(n int) error {
	runtime.LockOSThread()
	ev.FineTimers()
	var err error
	if w.poll, err = ev.New(1024); err != nil {
		return fmt.Errorf("make an event loop: %w", err)
	}
	if err := w.prepare(n); err != nil {
		return err
	}
	var grace int64
	for {
		now, phase := ev.Now(), w.phase.Load()
		if phase == phaseEnd {
			if grace == 0 {
				grace = now // what is still under way is not counted …
				if w.o.mode == "open" {
					grace += int64(2 * time.Second) // … but what was due must be answered
				}
			}
			if now >= grace || w.o.mode == "open" && len(w.idle) == len(w.all) && len(w.backlog) == 0 {
				w.finish()
				return nil
			}
		}
		wait, over, err := w.advance(now, phase)
		if err != nil || over {
			return err
		}
		events, err := w.poll.Wait(wait)
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		for i := range events {
			if err := w.event(&events[i]); err != nil {
				return err
			}
		}
	}
}

// prepare makes the connections; those of streams are opened when they begin.
func (w *worker) prepare(n int) error {
	begin := ev.Now()
	w.live = n
	for i := range n {
		c := &client{fd: -1}
		w.all = append(w.all, c)
		if w.o.streaming() {
			c.startAt = begin + int64(w.o.ramp)*int64(i)/int64(n)
			continue
		}
		if err := w.open(c); err != nil {
			return err
		}
		w.idle = append(w.idle, c)
	}
	w.nextDue = float64(ev.Now())
	return nil
}

// advance sends what is to be sent now, and says how long to wait for events.
func (w *worker) advance(now int64, phase int32) (wait time.Duration, over bool, err error) {
	switch w.o.mode {
	case "closed":
		for phase != phaseEnd && len(w.idle) > 0 {
			c := w.idle[len(w.idle)-1]
			w.idle = w.idle[:len(w.idle)-1]
			if err := w.send(c, now); err != nil {
				return 0, false, err
			}
		}
		return 20 * time.Millisecond, false, nil
	case "open":
		wait, err = w.sendDue(now, phase)
		return wait, false, err
	}
	for w.started < len(w.all) && w.all[w.started].startAt <= now {
		c := w.all[w.started]
		w.started++
		if err := w.open(c); err != nil {
			return 0, false, err
		}
		if err := w.send(c, now); err != nil {
			return 0, false, err
		}
	}
	if w.o.once && w.live == 0 {
		return 0, true, nil
	}
	if w.started < len(w.all) {
		return time.Duration(max(0, w.all[w.started].startAt-now)), false, nil
	}
	return 20 * time.Millisecond, false, nil
}

// sendDue keeps the arrival rate: what is due and finds no connection waits,
// and its latency counts from when it was due.
func (w *worker) sendDue(now int64, phase int32) (time.Duration, error) {
	if phase != phaseEnd {
		for w.nextDue <= float64(now) {
			w.backlog = append(w.backlog, int64(w.nextDue))
			w.nextDue += 1 / w.rate
		}
	}
	k := 0
	for k < len(w.backlog) && len(w.idle) > 0 {
		c := w.idle[0]
		w.idle = append(w.idle[:0], w.idle[1:]...)
		if err := w.send(c, w.backlog[k]); err != nil {
			return 0, err
		}
		k++
	}
	w.backlog = append(w.backlog[:0], w.backlog[k:]...)
	if phase == phaseEnd {
		return 2 * time.Millisecond, nil
	}
	return max(0, time.Duration(w.nextDue-float64(ev.Now()))), nil
}

// finish counts what never got its turn, and the streams that flow.
func (w *worker) finish() {
	for range w.backlog {
		w.fail("never sent")
	}
	for _, c := range w.all {
		if w.o.streaming() && c.busy && c.sawFirst {
			w.flowing++
		}
	}
}

func (w *worker) event(e *unix.EpollEvent) error {
	fd := int(e.Fd)
	c := w.byFD[fd]
	if c == nil || c.fd != fd {
		return nil
	}
	if e.Events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
		if err := w.flush(c); err != nil {
			return err
		}
	}
	if c.fd == fd && e.Events&^unix.EPOLLOUT != 0 {
		return w.readable(c)
	}
	return nil
}

func (w *worker) fail(kind string) {
	w.errors++
	w.kinds[kind]++
}
