package sandbox

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// Reason says why a request was refused.
type Reason string

// Reasons of refusals.
const (
	ReasonNetwork        Reason = "network rule"
	ReasonNoCredentials  Reason = "no credentials"
	ReasonKeyDisabled    Reason = "key authentication disabled"
	ReasonKey            Reason = "wrong key"
	ReasonTokenMalformed Reason = "malformed token"
	ReasonTokenSignature Reason = "token signature"
	ReasonTokenAudience  Reason = "token audience"
	ReasonTokenIssuer    Reason = "token issuer"
	ReasonTokenExpired   Reason = "token expired"
	ReasonTokenEarly     Reason = "token not valid yet"
	ReasonPrincipal      Reason = "principal without permission"
	ReasonRoute          Reason = "unknown route or api-version"
	ReasonDeployment     Reason = "unknown or unfit deployment"
	ReasonRequest        Reason = "invalid request"
	ReasonTooLarge       Reason = "body too large"
	ReasonFilter         Reason = "content filter"
	ReasonInjected       Reason = "injected failure"
	ReasonIdentity       Reason = "token request"
)

// Stats is what the sandbox has seen so far.
type Stats struct {
	Calls    int // requests to the data plane, refused ones included
	Answered int // complete answers and streams begun
	Streams  int // streams begun
	Open     int // streams running now
	Canceled int // calls whose caller left before the end
	Tokens   int // access tokens issued
	Refused  map[Reason]int
	// Recent holds the last requests to the data plane, oldest first.
	Recent []Seen
}

// Last returns the newest request, or the zero value.
func (s Stats) Last() Seen {
	if len(s.Recent) == 0 {
		return Seen{}
	}
	return s.Recent[len(s.Recent)-1]
}

// Seen is one request as it reached the data plane, before any check. It
// holds credentials as they came, so that a test can tell whose they were:
// do not print it.
type Seen struct {
	Method, Host, Target string
	Header               wire.Header
	Remote               netip.AddrPort
}

// recent is how many requests are kept.
const recent = 32

type recorder struct {
	mu   sync.Mutex
	s    Stats
	ring [recent]Seen
	next int
}

// Stats returns a copy of the counts.
func (s *Sandbox) Stats() Stats {
	r := &s.stats
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.s
	out.Refused = maps.Clone(r.s.Refused)
	for i := range r.ring {
		if e := r.ring[(r.next+i)%recent]; e.Method != "" {
			e.Header = e.Header.Clone()
			out.Recent = append(out.Recent, e)
		}
	}
	return out
}

// ResetStats forgets the counts and the recent requests; streams that still
// run stay counted as open.
func (s *Sandbox) ResetStats() {
	r := &s.stats
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s = Stats{Open: r.s.Open}
	r.ring, r.next = [recent]Seen{}, 0
}

// arrive copies what it keeps: the request belongs to the engine again once
// the handler has returned.
func (r *recorder) arrive(q *wire.Request) {
	e := Seen{
		Method: strings.Clone(q.Method), Host: strings.Clone(q.Host), Target: strings.Clone(q.Target),
		Remote: q.Remote, Header: make(wire.Header, len(q.Header)),
	}
	for i, f := range q.Header {
		e.Header[i] = wire.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.Calls++
	r.ring[r.next] = e
	r.next = (r.next + 1) % recent
}

func (r *recorder) refuse(why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.s.Refused == nil {
		r.s.Refused = map[Reason]int{}
	}
	r.s.Refused[why]++
}

func (r *recorder) answered() { r.add(func(s *Stats) { s.Answered++ }) }
func (r *recorder) canceled() { r.add(func(s *Stats) { s.Canceled++ }) }
func (r *recorder) issued()   { r.add(func(s *Stats) { s.Tokens++ }) }
func (r *recorder) begun()    { r.add(func(s *Stats) { s.Answered++; s.Streams++; s.Open++ }) }
func (r *recorder) ended()    { r.add(func(s *Stats) { s.Open-- }) }

func (r *recorder) add(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.s)
}

// Nominal limits a minute. They feed the x-ratelimit headers and are never
// enforced: a load test must not meet a made-up quota.
const (
	limitRequests = 2500
	limitTokens   = 250000
)

// window counts what the current minute has spent.
type window struct {
	mu               sync.Mutex
	minute           time.Time
	requests, tokens int
}

func (w *window) spend(now time.Time, tokens int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := now.Truncate(time.Minute); !m.Equal(w.minute) {
		w.minute, w.requests, w.tokens = m, 0, 0
	}
	w.requests++
	w.tokens += tokens
}

func (w *window) left() (requests, tokens int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(limitRequests-w.requests, 0), max(limitTokens-w.tokens, 0)
}
