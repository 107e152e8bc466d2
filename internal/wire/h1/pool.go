//go:build linux

package h1

import (
	"context"
	"errors"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// host is the pool of one authority.
type host struct {
	t   *Transport
	key hostKey

	mu   sync.Mutex
	idle []*upstream // the one used last is at the end and goes first
	open int         // connections, idle ones too, and those being made
	wait []chan *upstream
	last time.Time // of the latest get or put
	dead bool      // forgotten: whoever still has it must ask again
}

// errForgotten sends a caller back for the pool that has taken the place.
var errForgotten = errors.New("the pool has been forgotten")

// get returns a connection: an idle one that is alive, a new one, or, when
// there are too many, the next that becomes free.
func (h *host) get(ctx context.Context) (*upstream, error) {
	for {
		u, turn, err := h.take()
		switch {
		case err != nil:
			return nil, err
		case u != nil && u.usable():
			return u, nil
		case u != nil:
			u.drop()
		case turn == nil:
			return h.dial(ctx)
		default:
			u, err := h.await(ctx, turn)
			if u != nil || err != nil {
				return u, err
			}
		}
	}
}

// take returns an idle connection, or the place in the queue, or neither when
// a new connection may be made.
func (h *host) take() (*upstream, chan *upstream, error) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return nil, nil, errForgotten
	}
	h.last = now
	if n := len(h.idle); n > 0 {
		u := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		u.now = now
		return u, nil, nil
	}
	if h.open < h.t.cfg.MaxConnsPerHost {
		h.open++
		return nil, nil, nil
	}
	turn := make(chan *upstream, 1)
	h.wait = append(h.wait, turn)
	return nil, turn, nil
}

// await waits for its turn. A nil connection without an error means that
// there is room for a new one, or that the one handed over was dead.
func (h *host) await(ctx context.Context, turn chan *upstream) (*upstream, error) {
	select {
	case u := <-turn:
		return h.accept(ctx, u)
	case <-ctx.Done():
	}
	h.mu.Lock()
	for i, w := range h.wait {
		if w == turn {
			h.wait = append(h.wait[:i], h.wait[i+1:]...)
			h.mu.Unlock()
			return nil, gaveUp(ctx, "wait for a connection")
		}
	}
	h.mu.Unlock()
	if u := <-turn; u != nil { // it came at the same moment
		h.put(u)
	} else {
		h.gone()
	}
	return nil, gaveUp(ctx, "wait for a connection")
}

func (h *host) accept(ctx context.Context, u *upstream) (*upstream, error) {
	if u == nil { // a place, not a connection
		return h.dial(ctx)
	}
	if u.now = time.Now(); u.usable() {
		return u, nil
	}
	u.drop()
	return nil, nil
}

// dial makes a connection in the place taken for it.
func (h *host) dial(ctx context.Context) (*upstream, error) {
	start := time.Now()
	c, err := h.t.dial(ctx, h.key)
	if err != nil {
		h.gone()
		return nil, err
	}
	now := time.Now()
	u := &upstream{h: h, made: now, now: now, connect: now.Sub(start)}
	u.init(c, readSocketOf(c), &h.t.pool)
	return u, nil
}

// put takes back a connection that can be used again.
func (h *host) put(u *upstream) {
	u.idleSince = time.Now()
	h.mu.Lock()
	h.last = u.idleSince
	if len(h.wait) > 0 {
		turn := h.wait[0]
		h.wait = h.wait[1:]
		turn <- u
		h.mu.Unlock()
		return
	}
	if len(h.idle) >= h.t.cfg.MaxIdlePerHost {
		h.mu.Unlock()
		u.drop()
		return
	}
	h.idle = append(h.idle, u)
	h.mu.Unlock()
}

// gone gives back the place of a connection that has ended or was never made.
func (h *host) gone() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.wait) > 0 {
		turn := h.wait[0]
		h.wait = h.wait[1:]
		turn <- nil
		return
	}
	h.open--
}

// expire closes idle connections: those that are too old, or all when now is
// zero.
func (h *host) expire(now time.Time, timeout time.Duration) {
	h.mu.Lock()
	keep, old := h.idle[:0], []*upstream(nil)
	for _, u := range h.idle {
		if now.IsZero() || now.Sub(u.idleSince) >= timeout || u.aged(now) {
			old = append(old, u)
			continue
		}
		keep = append(keep, u)
	}
	clear(h.idle[len(keep):])
	h.idle = keep
	h.mu.Unlock()
	for _, u := range old {
		u.drop()
	}
}

// forget reports whether nobody needs the pool; from then on it serves nobody.
func (h *host) forget(now time.Time, timeout time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = h.open == 0 && len(h.wait) == 0 && now.Sub(h.last) >= timeout
	return h.dead
}

// usable reports whether an idle connection may carry another request: young
// enough, still open, and without bytes that nobody asked for, which would be
// taken for the next answer.
func (u *upstream) usable() bool {
	cfg := &u.h.t.cfg
	return u.now.Sub(u.idleSince) < cfg.IdleTimeout && !u.aged(u.now) && !u.stale()
}

func (u *upstream) aged(now time.Time) bool {
	age := u.h.t.cfg.MaxAge
	return age > 0 && now.Sub(u.made) >= age
}

var _ wire.Transport = (*Transport)(nil)
