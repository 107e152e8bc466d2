package telemetry

import (
	"strconv"
	"sync/atomic"
	"time"
)

// Label limits. Past them everything new is counted under "other", so that no
// configuration and no client can make the series grow without bound.
const (
	maxAPIs      = 10_000
	maxOutcomes  = 256 // code and reason pairs of one API
	maxBackends  = 4_096
	maxEndpoints = 4_096
	otherLabel   = "other"
)

// Metrics counts what the gateway and the serving plane do. Observing is a few
// atomic additions on handles resolved beforehand; nothing here allocates once
// a series exists. A nil *Metrics counts nothing. Names and labels of the
// series are in metrics_text.go.
type Metrics struct {
	version   string
	apis      *series[string, APIMetrics]
	backends  *series[target, atomic.Uint64]
	served    *series[target, atomic.Uint64]
	servedFor *series[string, histogram]

	inFlight   atomic.Pointer[func() int64]
	logDropped atomic.Pointer[func() uint64]
	intake     atomic.Pointer[func() Intake]
	sockets    webSockets

	generation  atomic.Uint64
	lastSuccess atomic.Int64 // Unix nanoseconds; 0 = never
	reloads     [2]atomic.Uint64
	findings    [3]atomic.Int64
}

// target is something called by name, and how it answered.
type target struct {
	name string
	code int
}

// NewMetrics returns empty metrics of the program's version.
func NewMetrics(version string) *Metrics {
	return &Metrics{
		version:   version,
		apis:      newSeries(maxAPIs, otherLabel, newAPIMetrics),
		backends:  newSeries(maxBackends, target{name: otherLabel}, newCounter[target]),
		served:    newSeries(maxEndpoints, target{name: otherLabel}, newCounter[target]),
		servedFor: newSeries(maxEndpoints, otherLabel, func(string) *histogram { return &histogram{} }),
	}
}

func newCounter[K comparable](K) *atomic.Uint64 { return &atomic.Uint64{} }

// API returns the handle of an API; "" stands for requests that matched none.
func (m *Metrics) API(id string) *APIMetrics {
	if m == nil {
		return nil
	}
	return m.apis.get(id)
}

// Backend counts one call to a backend. Code 0 means that it gave no answer.
func (m *Metrics) Backend(id string, code int) {
	if m != nil {
		m.backends.get(target{id, boundCode(code)}).Add(1)
	}
}

// Serving counts one call of a serving endpoint. For a call that found no
// endpoint the name is "", never what the client sent.
func (m *Metrics) Serving(endpoint string, code int, took time.Duration) {
	if m != nil {
		m.served.get(target{endpoint, boundCode(code)}).Add(1)
		m.servedFor.get(endpoint).observe(took)
	}
}

// WatchInFlight makes f the source of the in-flight gauge.
func (m *Metrics) WatchInFlight(f func() int64) { m.inFlight.Store(&f) }

// WatchLog makes f (AsyncWriter.Dropped) the source of the lost-lines counter.
func (m *Metrics) WatchLog(f func() uint64) { m.logDropped.Store(&f) }

// Reload is the result of one attempt to load the configuration.
type Reload struct {
	Accepted   bool
	Generation uint64 // of the configuration in force
	At         time.Time
	// Errors, Warnings and Infos are the findings of this attempt.
	Errors, Warnings, Infos int
}

// ConfigReload records an attempt to load the configuration.
func (m *Metrics) ConfigReload(r Reload) {
	if m == nil {
		return
	}
	m.generation.Store(r.Generation)
	if r.Accepted {
		m.lastSuccess.Store(r.At.UnixNano())
		m.reloads[0].Add(1)
	} else {
		m.reloads[1].Add(1)
	}
	for i, n := range [...]int{r.Errors, r.Warnings, r.Infos} {
		m.findings[i].Store(int64(n))
	}
}

// APIMetrics is the handle of one API. A nil handle counts nothing.
type APIMetrics struct {
	outcomes *series[outcome, atomic.Uint64]
	steps    [3]histogram // total, gateway, backend
	tokens   [2]atomic.Uint64
}

// CountTokens adds what the answer to one request reported.
func (a *APIMetrics) CountTokens(t Tokens) {
	if a != nil && t != (Tokens{}) {
		a.tokens[0].Add(uint64(max(t.Prompt, 0)))
		a.tokens[1].Add(uint64(max(t.Completion, 0)))
	}
}

type outcome struct {
	code   int
	reason string
}

func newAPIMetrics(string) *APIMetrics {
	return &APIMetrics{outcomes: newSeries(maxOutcomes, outcome{reason: otherLabel}, newCounter[outcome])}
}

// Observe counts one request: its status, how long it took in all, in the
// gateway itself and waiting for the backend (0 = never called), and the
// reason of its last error ("" = none).
func (a *APIMetrics) Observe(status int, total, gateway, backend time.Duration, lastErrorReason string) {
	if a == nil {
		return
	}
	a.outcomes.get(outcome{boundCode(status), lastErrorReason}).Add(1)
	a.steps[0].observe(total)
	a.steps[1].observe(gateway)
	if backend > 0 {
		a.steps[2].observe(backend)
	}
}

// boundCode keeps real status codes and maps everything else to 0: backends
// may answer with any three digits.
func boundCode(code int) int {
	if code < 100 || code > 599 {
		return 0
	}
	return code
}

// codeLabel is the label of a bounded code; zero says what 0 stands for.
func codeLabel(code int, zero string) string {
	if code == 0 {
		return zero
	}
	return strconv.Itoa(code)
}
