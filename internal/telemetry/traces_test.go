package telemetry

import (
	"testing"
	"time"
)

// A caller's hop finishes before the hop that it called has written its end
// down; the trace is shown when both are there, and not withheld for ever.
func TestTraceWaitsForItsOtherHops(t *testing.T) {
	s, c := newTestTraces(1<<20, time.Hour)
	outer := s.Begin(HopGateway, "sallyport", "GET /outer", NewSpanContext(), [8]byte{})
	inner := s.Begin(HopGateway, "sallyport", "GET /inner", outer.Span.Child(), outer.Span.Span)
	s.Finish(outer, 200)
	if _, ok := s.Get(outer.ID); ok {
		t.Error("shown without the hop that it called")
	}
	s.Finish(inner, 200)
	got, ok := s.Get(outer.ID)
	if !ok || len(s.Document(got).Hops) != 1 {
		t.Errorf("found %v, hops %v", ok, s.Document(got).Hops)
	}

	stuck := s.Begin(HopGateway, "sallyport", "GET /stuck", outer.Span.Child(), outer.Span.Span)
	if _, ok := s.Get(outer.ID); ok {
		t.Error("shown while a hop of the call runs")
	}
	c.t = c.t.Add(settle)
	if _, ok := s.Get(outer.ID); !ok {
		t.Error("withheld although the other hop has had its time")
	}
	s.Finish(stuck, 200)
}
