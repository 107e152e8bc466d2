package listen

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

// Reason is why something was turned away.
type Reason uint8

// Reasons, in the order of their counters.
const (
	QueueFull Reason = iota
	QueueTimeout
	Memory
	Draining
	reasons
)

// String is the reason as metrics and logs name it.
func (r Reason) String() string {
	return [...]string{"queue_full", "queue_timeout", "memory", "draining"}[r]
}

// AdmissionConfig of an Admission.
type AdmissionConfig struct {
	// MaxInFlight bounds the requests at work; 0 = no bound. Up to Queue more
	// wait their turn, at most QueueTimeout.
	MaxInFlight  int64
	Queue        int
	QueueTimeout time.Duration
	// Exempt requests are let in whatever happens; nil = none.
	Exempt func(r *wire.Request) bool
	// Own connections carry calls that were let in before.
	Own *Own
	// Refuse answers a request that is turned away.
	Refuse func(w wire.Responder, why Reason)
}

// Admission lets requests through to a handler, makes them wait, or turns them
// away. As long as there is room and nothing is wrong it costs one atomic
// addition at each end.
type Admission struct {
	cfg  AdmissionConfig
	next wire.Handler

	state   atomic.Uint32
	running atomic.Int64
	waiting atomic.Int64 // length of line, read without the lock
	shed    [reasons]atomic.Uint64

	mu   sync.Mutex
	line line
}

// States of an Admission; they add up.
const (
	closing  uint32 = 1 << iota // every answer is the last of its connection
	refusing                    // only calls of this process's own chain come in
	pressed                     // memory is short
)

// NewAdmission puts an Admission in front of next.
func NewAdmission(c AdmissionConfig, next wire.Handler) *Admission {
	return &Admission{cfg: c, next: next}
}

// ServeWire implements wire.Handler.
func (a *Admission) ServeWire(ctx context.Context, r *wire.Request, w wire.Responder) {
	if a.state.Load() == 0 && a.waiting.Load() == 0 {
		if n := a.running.Add(1); n <= a.cfg.MaxInFlight || a.cfg.MaxInFlight == 0 {
			defer a.leave()
			a.next.ServeWire(ctx, r, w)
			return
		}
		a.running.Add(-1)
		// Somebody may have been kept out by the place just given back.
		a.callNext()
	}
	a.slow(ctx, r, w)
}

func (a *Admission) slow(ctx context.Context, r *wire.Request, w wire.Responder) {
	if a.state.Load()&closing != 0 {
		if c, ok := w.(wire.Closer); ok {
			c.CloseAfter()
		}
	}
	if why, ok := a.enter(ctx, r); !ok {
		if ctx.Err() == nil { // else nobody waits for an answer any more
			a.shed[why].Add(1)
			a.cfg.Refuse(w, why)
		}
		return
	}
	defer a.leave()
	a.next.ServeWire(ctx, r, w)
}

// enter takes a place, waiting for it if need be.
func (a *Admission) enter(ctx context.Context, r *wire.Request) (Reason, bool) {
	if a.cfg.Exempt != nil && a.cfg.Exempt(r) || a.roomForChains() && a.cfg.Own.Has(r.Remote) {
		a.running.Add(1)
		return 0, true
	}
	switch s := a.state.Load(); {
	case s&refusing != 0:
		return Draining, false
	case s&pressed != 0:
		return Memory, false
	case a.cfg.MaxInFlight == 0:
		a.running.Add(1)
		return 0, true
	}
	return a.wait(ctx)
}

// chainRoom is how many times over the limit calls of chains may go. Without a
// bound an API that by mistake calls itself would run until nothing is left.
const chainRoom = 4

func (a *Admission) roomForChains() bool {
	return a.cfg.MaxInFlight == 0 || a.running.Load() < chainRoom*a.cfg.MaxInFlight
}

func (a *Admission) leave() {
	a.running.Add(-1)
	if a.waiting.Load() > 0 {
		a.callNext()
	}
}

// Running is the number of requests at work.
func (a *Admission) Running() int64 { return a.running.Load() }

// Queued is the number of requests that wait.
func (a *Admission) Queued() int64 { return a.waiting.Load() }

// Shed counts the requests turned away for a reason.
func (a *Admission) Shed(why Reason) uint64 { return a.shed[why].Load() }

// Shedding reports whether new requests are turned away for want of memory.
func (a *Admission) Shedding() bool { return a.state.Load()&pressed != 0 }

// CloseConnections makes every answer from now on the last of its connection,
// so that clients go elsewhere between two requests and not during one.
func (a *Admission) CloseConnections() { a.state.Or(closing) }

// RefuseOthers lets in nothing but calls of this process's own chain.
func (a *Admission) RefuseOthers() { a.state.Or(refusing) }

// Press says whether memory is short.
func (a *Admission) Press(short bool) {
	if short {
		a.state.Or(pressed)
		return
	}
	a.state.And(^pressed)
}
