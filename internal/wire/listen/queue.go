package listen

import (
	"context"
	"time"
)

// waiter is a request in line. Its turn has come when turn is closed.
type waiter struct {
	turn       chan struct{}
	prev, next *waiter
	queued     bool
}

// line is a queue that can be left from the middle.
type line struct {
	first, last *waiter
	size        int
}

func (l *line) add(w *waiter) {
	w.prev, w.queued = l.last, true
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.size++
}

func (l *line) remove(w *waiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	l.size--
}

// wait stands in line for a place. Being told of a place and giving up are
// decided under the lock, so that no place is lost between the two.
func (a *Admission) wait(ctx context.Context) (Reason, bool) {
	w, why, ok := a.join()
	if w == nil {
		return why, ok
	}
	timeout := time.NewTimer(a.cfg.QueueTimeout)
	defer timeout.Stop()
	select {
	case <-w.turn:
		return 0, true
	case <-timeout.C:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !w.queued { // the turn came at the same moment
		return 0, true
	}
	a.line.remove(w)
	a.waiting.Store(int64(a.line.size))
	return QueueTimeout, false
}

// join takes a free place when nobody waits, or stands at the end of the line.
func (a *Admission) join() (*waiter, Reason, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line.size == 0 && a.take() {
		return nil, 0, true
	}
	if a.line.size >= a.cfg.Queue {
		return nil, QueueFull, false
	}
	w := &waiter{turn: make(chan struct{})}
	a.line.add(w)
	a.waiting.Store(int64(a.line.size))
	// A place that was given back before the line began to show would wait for
	// nobody: whoever leaves looks at the line, whoever joins looks at the places.
	a.callLocked()
	return w, 0, true
}

// callNext gives free places to the first in line.
func (a *Admission) callNext() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callLocked()
}

func (a *Admission) callLocked() {
	for a.line.first != nil && a.take() {
		w := a.line.first
		a.line.remove(w)
		a.waiting.Store(int64(a.line.size))
		close(w.turn)
	}
}

// take takes a place if one is free.
func (a *Admission) take() bool {
	for {
		n := a.running.Load()
		if n >= a.cfg.MaxInFlight {
			return false
		}
		if a.running.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
