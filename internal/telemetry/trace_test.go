package telemetry

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a settable time.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTestTraces(maxBytes int, ttl time.Duration) (*Traces, *clock) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 123456700, time.UTC)}
	s := NewTraces(maxBytes, ttl)
	s.now = c.now
	return s, c
}

func TestDocumentHasTheShapeOfAPIM(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	span, _ := ParseTraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	tr := s.Begin(HopGateway, "sallyport", "GET /x", span, [8]byte{})
	tr.Add(SectionInbound, Entry{Source: "api-inspector", Timestamp: c.t.Add(321 * time.Microsecond), Data: map[string]any{"url": "https://gw.local/x?a=1&b=<2>"}})
	tr.Add(SectionBackend, Entry{Source: "forward-request", Timestamp: c.t.Add(80 * time.Millisecond), Took: 1500 * time.Millisecond, At: "apis/x/policy.xml:4:5", Data: "sent"})
	c.t = c.t.Add(time.Second)
	s.Finish(tr, 200)
	b, err := s.Document(tr).MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "serviceName": "sallyport",
  "traceId": "` + tr.ID + `",
  "traceEntries": {
    "backend": [
      {
        "source": "forward-request",
        "timestamp": "2026-01-02T03:04:05.2034567Z",
        "elapsed": "00:00:00.0800000",
        "duration": "00:00:01.5000000",
        "at": "apis/x/policy.xml:4:5",
        "data": "sent"
      }
    ],
    "inbound": [
      {
        "source": "api-inspector",
        "timestamp": "2026-01-02T03:04:05.1237777Z",
        "elapsed": "00:00:00.0003210",
        "data": {
          "url": "https://gw.local/x?a=1&b=<2>"
        }
      }
    ]
  },
  "kind": "gateway",
  "title": "GET /x",
  "status": 200,
  "took": "00:00:01.0000000",
  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}
`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Error(d)
	}
	if !strings.HasSuffix(tr.ID, "-1") || len(tr.ID) != 18 {
		t.Errorf("trace id %q has not the shape of the public samples", tr.ID)
	}
}

// TestHopsNest joins gateway → serving endpoint → gateway, finished in the
// order in which hops really finish: the innermost first.
// The times stand at the end of the document, in milliseconds; a hop that did
// not measure them has none.
func TestDocumentTiming(t *testing.T) {
	s, _ := newTestTraces(1<<20, time.Hour)
	tr := s.Begin(HopGateway, "sallyport", "GET /x", NewSpanContext(), [8]byte{})
	tr.Timing = Timing{Accept: 21 * time.Microsecond, Match: 3 * time.Microsecond, Policies: 40 * time.Microsecond, Connect: time.Millisecond, Backend: 2 * time.Second, FirstByte: 2100 * time.Millisecond, LastByte: 3 * time.Second}
	s.Finish(tr, 200)
	b, err := json.Marshal(s.Document(tr))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"timing":{"acceptTime":0.021,"matchTime":0.003,"policiesTime":0.04,"connectTime":1,"backendTime":2000,"firstByteTime":2100,"lastByteTime":3000}}`
	if !strings.HasSuffix(string(b), want) {
		t.Errorf("%s does not end in %s", b, want)
	}
	tr = s.Begin(HopServing, "sallyport", "GET /x", NewSpanContext(), [8]byte{})
	s.Finish(tr, 200)
	if b, err = json.Marshal(s.Document(tr)); err != nil || strings.Contains(string(b), "timing") {
		t.Errorf("%s %v", b, err)
	}
}

func TestHopsNest(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	outer := NewSpanContext()
	begin := func(kind string, span SpanContext, parent SpanContext) *Trace {
		c.t = c.t.Add(time.Millisecond)
		return s.Begin(kind, "svc", kind, span, parent.Span)
	}
	a := begin(HopGateway, outer, SpanContext{})
	b := begin(HopServing, outer.Child(), a.Span)
	d := begin(HopGateway, outer.Child(), b.Span)
	stranger := begin(HopGateway, NewSpanContext(), SpanContext{})
	for _, h := range []*Trace{d, stranger, b, a} {
		s.Finish(h, 200)
	}
	var shape func(*Document) string
	shape = func(d *Document) string {
		out := d.Kind
		for _, h := range d.Hops {
			out += "(" + shape(h) + ")"
		}
		return out
	}
	if got := shape(s.Document(a)); got != "gateway(serving-endpoint(gateway))" {
		t.Errorf("from the outermost hop: %s", got)
	}
	if got := shape(s.Document(b)); got != "serving-endpoint(gateway)" {
		t.Errorf("from the middle hop: %s", got)
	}
	if got := s.Call(a); len(got) != 3 || got[0] != a || got[2] != d {
		t.Errorf("Call is not in the order of beginning: %v", got)
	}
}

func TestRepeatedCallsOfOneHopStaySiblings(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	a := s.Begin(HopGateway, "s", "a", NewSpanContext(), [8]byte{})
	for _, title := range []string{"first", "second"} {
		c.t = c.t.Add(time.Second)
		h := s.Begin(HopServing, "s", title, a.Span.Child(), a.Span.Span)
		s.Finish(h, 200)
	}
	s.Finish(a, 200)
	d := s.Document(a)
	if len(d.Hops) != 2 || d.Hops[0].Title != "first" || d.Hops[1].Title != "second" {
		t.Errorf("hops %+v", d.Hops)
	}
}

func TestTracesAreActiveFromBeginToFinish(t *testing.T) {
	s, _ := newTestTraces(1<<20, time.Hour)
	span := NewSpanContext()
	a := s.Begin(HopGateway, "s", "", span, [8]byte{})
	b := s.Begin(HopServing, "s", "", span.Child(), span.Span)
	s.Finish(b, 200)
	s.Finish(b, 500)
	if !s.IsActive(span.Trace) {
		t.Error("a second Finish of one hop ended the other")
	}
	s.Finish(a, 200)
	if s.IsActive(span.Trace) {
		t.Error("still active after the last hop")
	}
	if b.Status != 200 {
		t.Errorf("second Finish changed the status to %d", b.Status)
	}
}

func TestTracesForgetByAge(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	long := s.Begin(HopGateway, "s", "", NewSpanContext(), [8]byte{})
	c.t = c.t.Add(2 * time.Hour) // a stream that outlives the ttl
	s.Finish(long, 200)
	if _, ok := s.Get(long.ID); !ok {
		t.Error("a long stream was forgotten when it ended")
	}
	c.t = c.t.Add(time.Hour + time.Second)
	if _, ok := s.Get(long.ID); ok {
		t.Error("kept for longer than the ttl")
	}
	if s.bytes != 0 || len(s.order) != 0 || len(s.byID) != 0 {
		t.Errorf("left behind: %d bytes, %d in order, %d by id", s.bytes, len(s.order), len(s.byID))
	}
}

func TestTracesForgetBySize(t *testing.T) {
	s, _ := newTestTraces(10_000, time.Hour)
	var ids []string
	for range 20 {
		tr := s.Begin(HopGateway, "s", "", NewSpanContext(), [8]byte{})
		tr.Add(SectionInbound, Entry{Source: "x", Data: strings.Repeat("x", 1000)})
		s.Finish(tr, 200)
		tr.Add(SectionInbound, Entry{Source: "late", Data: "must not change the account"})
		ids = append(ids, tr.ID)
		if s.bytes > 10_000 {
			t.Fatalf("holds %d bytes", s.bytes)
		}
	}
	if _, ok := s.Get(ids[0]); ok {
		t.Error("the oldest is still there")
	}
	last, ok := s.Get(ids[19])
	if !ok {
		t.Fatal("the newest is gone")
	}
	if n := len(last.Entries(SectionInbound)); n != 1 {
		t.Errorf("%d entries: something was added after Finish", n)
	}
}

func TestTraceIsBounded(t *testing.T) {
	s, _ := newTestTraces(8<<20, time.Hour)
	tr := s.Begin(HopGateway, "s", "", NewSpanContext(), [8]byte{})
	for range 2000 {
		tr.Add(SectionInbound, Entry{Source: "x", Data: strings.Repeat("x", 1000)})
	}
	s.Finish(tr, 200)
	d := s.Document(tr)
	if kept := len(d.TraceEntries[SectionInbound]); kept+d.Dropped != 2000 || d.Dropped == 0 || kept < 400 {
		t.Errorf("kept %d, dropped %d", kept, d.Dropped)
	}
}

func TestDocumentOfAnEvictedTrace(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	tr := s.Begin(HopGateway, "s", "", NewSpanContext(), [8]byte{})
	s.Finish(tr, 200)
	got, _ := s.Get(tr.ID)
	c.t = c.t.Add(2 * time.Hour)
	_, _ = s.Get("another") // evicts
	if d := s.Document(got); d == nil || d.TraceID != tr.ID {
		t.Errorf("document %+v", d)
	}
}

func TestDocumentWithoutEntriesIsNotNull(t *testing.T) {
	s, _ := newTestTraces(1<<20, time.Hour)
	tr := s.Begin(HopGateway, "s", "", NewSpanContext(), [8]byte{})
	s.Finish(tr, 0)
	b, err := json.Marshal(s.Document(tr))
	if err != nil || !strings.Contains(string(b), `"traceEntries":{}`) {
		t.Errorf("%s %v", b, err)
	}
}

func TestElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"00:00:00.0000000": -time.Second,
		"00:00:00.0003210": 321 * time.Microsecond,
		"00:00:00.0000001": 199 * time.Nanosecond,
		"01:02:03.5000000": time.Hour + 2*time.Minute + 3*time.Second + 500*time.Millisecond,
		"27:00:00.0000000": 27 * time.Hour,
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("Elapsed(%v) = %s, want %s", d, got, want)
		}
	}
}
