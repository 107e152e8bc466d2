// Package telemetry is what the house tells about itself: logs, metrics and
// request traces. It knows nothing of policies or configuration, and nothing
// in it may fail or delay a call.
// Start at Trace (one traced hop) and Traces (where finished ones are kept).
package telemetry

import (
	"fmt"
	"sync"
	"time"
)

// Trace section names (Azure documentation: Debug your APIs using request tracing).
const (
	SectionInbound  = "inbound"
	SectionBackend  = "backend"
	SectionOutbound = "outbound"
	SectionOnError  = "onError"
)

// Hop kinds.
const (
	HopGateway = "gateway"
	HopServing = "serving-endpoint"
)

// Entry is one line of a trace.
type Entry struct {
	Source    string    // component or policy element name
	Timestamp time.Time // when it was written
	Elapsed   time.Duration
	// Took is the time the step itself needed; 0 when it is not a step.
	Took time.Duration
	// At is where the step stands: "apis/chat/policy.xml:4:5". Empty for built-in steps.
	At   string
	Data any
}

// Trace records one hop of a call: one passage of the gateway, or of the
// serving plane. It is written by the goroutine that serves the hop and read
// by others only after Finish.
type Trace struct {
	ID      string
	Kind    string // HopGateway or HopServing
	Service string // serviceName of the JSON form
	Title   string // what was called: "POST /foundry/openai/…"
	Span    SpanContext
	Parent  [8]byte // span of the caller; zero at the outermost hop
	Start   time.Time
	Status  int
	Took    time.Duration
	Timing  Timing // set before Finish; zero = not measured
	// Open traces may be read by whoever knows the id (Ocp-Apim-Trace-Location).
	Open bool

	mu       sync.Mutex
	sections map[string][]Entry
	bytes    int
	dropped  int
	finished bool
	size     int       // what the store counts for it, fixed by Finish
	ended    time.Time // when Finish was called
}

// maxTraceBytes bounds what one hop may record.
const maxTraceBytes = 512 << 10

// Add appends an entry to a section. Entries past the size bound are counted,
// not kept, and the JSON form says so. After Finish the record is closed: its
// size is accounted for and readers may be at work.
func (t *Trace) Add(section string, e Entry) {
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	e.Elapsed = e.Timestamp.Sub(t.Start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return
	}
	size := 120 + roughSize(e.Data)
	if t.bytes+size > maxTraceBytes {
		t.dropped++
		return
	}
	t.bytes += size
	if t.sections == nil {
		t.sections = map[string][]Entry{}
	}
	t.sections[section] = append(t.sections[section], e)
}

// Entries returns a copy of the entries of a section.
func (t *Trace) Entries(section string) []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Entry(nil), t.sections[section]...)
}

func roughSize(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return len(v)
	default:
		return len(fmt.Sprint(v))
	}
}
