// Package rollout is the loop source → plan → swap: it reads a candidate,
// checks and compiles it, and puts it in force or keeps what is running.
// It knows nothing of file formats or of how a plan is served.
// Start at Rollout.Load; Watch repeats it when files change.
package rollout

import (
	"log/slog"
	"sync"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/plan"
)

// Candidate is what a source read.
type Candidate struct {
	Snapshot *model.Snapshot
	Findings diag.List
	Dirs     []string // to watch
	Read     []Count  // what was read, for people
}

// Count of one kind of resource. One that is not served is read and kept, and
// has no effect yet.
type Count struct {
	Kind   string
	N      int
	Served bool
}

// Status tells how the last attempts went.
type Status struct {
	Generation  uint64    // of the configuration in force; 0 = none
	LoadedAt    time.Time // when it came into force
	LastAttempt time.Time
	Accepted    bool // result of the last attempt
	Findings    diag.List
	Compiled    int // APIs compiled by the last accepted attempt
	Reused      int
	Took        time.Duration
}

// Config of a rollout.
type Config struct {
	Read     func() Candidate
	Deps     plan.Deps
	Apply    func(p *plan.Plan) // puts an accepted plan in force
	Done     func(s Status)     // told after every attempt, may be nil
	Debounce time.Duration
	Log      *slog.Logger
}

// Rollout brings configuration into force, one attempt at a time.
type Rollout struct {
	cfg Config

	build sync.Mutex // held during an attempt

	mu     sync.Mutex
	status Status
	plan   *plan.Plan
	dirs   []string
	readAt time.Time // when the last reading began
}

// New returns a rollout that has loaded nothing yet.
func New(cfg Config) *Rollout { return &Rollout{cfg: cfg} }

// Load makes one attempt. A candidate with an error among its findings changes
// nothing: what was in force stays in force.
func (r *Rollout) Load() Status {
	r.build.Lock()
	defer r.build.Unlock()
	start := time.Now()
	c := r.cfg.Read()
	findings := c.Findings
	var next *plan.Plan
	var report plan.Report
	if c.Snapshot != nil {
		findings = append(findings, model.Validate(c.Snapshot)...)
		next, report = plan.Build(r.current(), c.Snapshot, r.cfg.Deps)
		findings = append(findings, report.Findings...)
	}
	findings.Sort()
	accepted := next != nil && !findings.HasErrors()
	if accepted {
		r.cfg.Apply(next)
	}
	s := r.record(accepted, next, report, findings, c.Dirs, start)
	r.log(s)
	if r.cfg.Done != nil {
		r.cfg.Done(s)
	}
	return s
}

func (r *Rollout) record(accepted bool, next *plan.Plan, report plan.Report, findings diag.List, dirs []string, start time.Time) Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.status.LastAttempt, r.status.Accepted, r.status.Findings, r.status.Took = now, accepted, findings, now.Sub(start)
	if accepted {
		r.plan = next
		r.status.Generation, r.status.LoadedAt = next.Generation, now
		r.status.Compiled, r.status.Reused = report.Compiled, report.Reused
	}
	r.readAt = start
	if len(dirs) > 0 {
		r.dirs = dirs
	}
	return r.status
}

func (r *Rollout) log(s Status) {
	l := r.cfg.Log
	for _, f := range s.Findings {
		switch f.Severity {
		case diag.Error:
			l.Error("configuration finding", slog.String("finding", f.String()))
		case diag.Warning:
			l.Warn("configuration finding", slog.String("finding", f.String()))
		}
	}
	attrs := []any{
		slog.Uint64("generation", s.Generation), slog.Int("errors", s.Findings.Count(diag.Error)), slog.Int("warnings", s.Findings.Count(diag.Warning)),
		slog.Int("compiled", s.Compiled), slog.Int("reused", s.Reused), slog.Duration("took", s.Took),
	}
	if s.Accepted {
		l.Info("configuration accepted", attrs...)
		return
	}
	l.Error("configuration rejected, the previous one stays in force", attrs...)
}

func (r *Rollout) current() *plan.Plan {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan
}

// Status returns how the last attempts went.
func (r *Rollout) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Snapshot returns the configuration in force, nil before the first.
func (r *Rollout) Snapshot() *model.Snapshot {
	if p := r.current(); p != nil {
		return p.Snapshot
	}
	return nil
}
