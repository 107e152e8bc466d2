package telemetry

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"sync"
	"time"
)

// Traces keeps finished traces for a while and knows which calls are being
// traced, so that later hops of the same call (joined by W3C trace context)
// are recorded too. Bounded by bytes and age; safe for concurrent use.
type Traces struct {
	ttl      time.Duration
	maxBytes int
	now      func() time.Time

	mu     sync.Mutex
	byID   map[string]*Trace
	order  []*Trace // oldest first
	bytes  int
	active map[[16]byte]int // traced calls in flight, by W3C trace id
}

// NewTraces returns a store of at most maxBytes that forgets after ttl.
func NewTraces(maxBytes int, ttl time.Duration) *Traces {
	return &Traces{ttl: ttl, maxBytes: maxBytes, now: time.Now, byID: map[string]*Trace{}, active: map[[16]byte]int{}}
}

// Begin starts the record of one hop. span is the hop's own span; parent the
// caller's (zero when the caller sent none).
func (s *Traces) Begin(kind, service, title string, span SpanContext, parent [8]byte) *Trace {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand); the id is a capability to read the trace
	t := &Trace{
		ID: base64.RawURLEncoding.EncodeToString(id[:]) + "-1", Kind: kind, Service: service, Title: title,
		Span: span, Parent: parent, Start: s.now(),
	}
	s.mu.Lock()
	s.active[span.Trace]++
	s.mu.Unlock()
	return t
}

// IsActive reports whether a hop of the call with this W3C trace id is being
// traced now. Only somebody who was allowed to trace the first hop can bring
// that about, so later hops need no token of their own.
func (s *Traces) IsActive(traceID [16]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[traceID] > 0
}

// Finish ends the record and makes it readable.
func (s *Traces) Finish(t *Trace, status int) {
	t.mu.Lock()
	if t.finished {
		t.mu.Unlock()
		return
	}
	t.ended = s.now()
	t.finished, t.Status, t.Took = true, status, t.ended.Sub(t.Start)
	t.size = t.bytes + 1024
	t.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[t.Span.Trace]--; s.active[t.Span.Trace] <= 0 {
		delete(s.active, t.Span.Trace)
	}
	s.byID[t.ID] = t
	s.order = append(s.order, t)
	s.bytes += t.size
	s.evictLocked()
}

// evictLocked counts age from the end of a hop, so that a stream that ran for
// longer than the ttl can still be read; it also keeps order sorted by age.
func (s *Traces) evictLocked() {
	oldest := s.now().Add(-s.ttl)
	n := 0
	for n < len(s.order) && (s.bytes > s.maxBytes || s.order[n].ended.Before(oldest)) {
		s.bytes -= s.order[n].size
		delete(s.byID, s.order[n].ID)
		n++
	}
	s.order = slices.Delete(s.order, 0, n)
}

// settle is how long a finished hop waits for the other hops of its call. A
// called hop writes its end down a moment after its caller has the answer.
const settle = 2 * time.Second

// Get returns a finished trace once the other hops of its call have finished
// too, or have had the time to.
func (s *Traces) Get(id string) (*Trace, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evictLocked()
	t, ok := s.byID[id]
	if ok && s.active[t.Span.Trace] > 0 && s.now().Sub(t.ended) < settle {
		return nil, false
	}
	return t, ok
}

// Call returns all finished hops of the same call as t, t among them, in the
// order in which they began.
func (s *Traces) Call(t *Trace) []*Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hops []*Trace
	for _, o := range s.order {
		if o.Span.Trace == t.Span.Trace {
			hops = append(hops, o)
		}
	}
	if !slices.Contains(hops, t) { // evicted since the caller got hold of it
		hops = append(hops, t)
	}
	slices.SortStableFunc(hops, func(a, b *Trace) int { return a.Start.Compare(b.Start) })
	return hops
}
