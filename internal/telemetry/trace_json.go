package telemetry

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// DocumentEntry is an entry as APIM writes it; duration and at are our additions.
type DocumentEntry struct {
	Source    string `json:"source"`
	Timestamp string `json:"timestamp"`
	Elapsed   string `json:"elapsed"`
	Duration  string `json:"duration,omitempty"`
	At        string `json:"at,omitempty"`
	Data      any    `json:"data"`
}

// Document is a trace in APIM's JSON form. The fields after TraceEntries are
// additions of ours; clients of APIM ignore them.
type Document struct {
	ServiceName  string                     `json:"serviceName"`
	TraceID      string                     `json:"traceId"`
	TraceEntries map[string][]DocumentEntry `json:"traceEntries"`
	Kind         string                     `json:"kind,omitempty"`
	Title        string                     `json:"title,omitempty"`
	Status       int                        `json:"status,omitempty"`
	Took         string                     `json:"took,omitempty"`
	TraceParent  string                     `json:"traceparent,omitempty"`
	Dropped      int                        `json:"droppedEntries,omitempty"`
	// Hops are the hops that this one called, nested.
	Hops   []*Document     `json:"hops,omitempty"`
	Timing *DocumentTiming `json:"timing,omitempty"`
}

// Document returns t in APIM's form, with the hops of the same call nested
// under the hop that called them.
func (s *Traces) Document(t *Trace) *Document {
	hops := s.Call(t)
	docs := make(map[[8]byte]*Document, len(hops))
	for _, h := range hops {
		docs[h.Span.Span] = h.document()
	}
	for _, h := range hops {
		if parent, ok := docs[h.Parent]; ok && h.Parent != h.Span.Span {
			parent.Hops = append(parent.Hops, docs[h.Span.Span])
		}
	}
	return docs[t.Span.Span]
}

func (t *Trace) document() *Document {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := &Document{
		ServiceName: t.Service, TraceID: t.ID, Kind: t.Kind, Title: t.Title, Status: t.Status,
		Took: Elapsed(t.Took), TraceParent: t.Span.TraceParent(), Dropped: t.dropped,
		TraceEntries: map[string][]DocumentEntry{}, Timing: t.Timing.document(),
	}
	for name, es := range t.sections {
		for _, e := range es {
			j := DocumentEntry{Source: e.Source, Timestamp: e.Timestamp.UTC().Format("2006-01-02T15:04:05.0000000Z"), Elapsed: Elapsed(e.Elapsed), At: e.At, Data: e.Data}
			if e.Took > 0 {
				j.Duration = Elapsed(e.Took)
			}
			d.TraceEntries[name] = append(d.TraceEntries[name], j)
		}
	}
	return d
}

// MarshalIndent is the JSON text of d. It leaves '&', '<' and '>' as they are:
// traces are full of URLs, and people read them.
func (d *Document) MarshalIndent() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("encode trace: %w", err)
	}
	return b.Bytes(), nil
}

// Elapsed prints d as hh:mm:ss.fffffff, seven digits as .NET does.
func Elapsed(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	ticks := d.Nanoseconds() / 100
	s := ticks / 1e7
	return fmt.Sprintf("%02d:%02d:%02d.%07d", s/3600, s/60%60, s%60, ticks%1e7)
}

// SpanID is the hexadecimal form of a span id.
func SpanID(id [8]byte) string { return hex.EncodeToString(id[:]) }
