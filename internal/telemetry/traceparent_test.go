package telemetry

import (
	"strings"
	"testing"
)

func TestParseTraceParent(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	tests := map[string]struct {
		in      string
		ok      bool
		sampled bool
	}{
		"sampled":              {"00-" + trace + "-" + span + "-01", true, true},
		"not sampled":          {"00-" + trace + "-" + span + "-00", true, false},
		"other flags":          {"00-" + trace + "-" + span + "-fe", true, false},
		"later version":        {"cc-" + trace + "-" + span + "-01-what", true, true},
		"later version, glued": {"cc-" + trace + "-" + span + "-01.what", false, false},
		"version 00, longer":   {"00-" + trace + "-" + span + "-01-what", false, false},
		"version ff":           {"ff-" + trace + "-" + span + "-01", false, false},
		"upper case":           {"00-" + strings.ToUpper(trace) + "-" + span + "-01", false, false},
		"not hexadecimal":      {"00-" + strings.Replace(trace, "0", "g", 1) + "-" + span + "-01", false, false},
		"zero trace":           {"00-" + strings.Repeat("0", 32) + "-" + span + "-01", false, false},
		"zero span":            {"00-" + trace + "-" + strings.Repeat("0", 16) + "-01", false, false},
		"short":                {"00-" + trace + "-" + span + "-0", false, false},
		"empty":                {"", false, false},
	}
	for name, tc := range tests {
		c, ok := ParseTraceParent(tc.in)
		if ok != tc.ok || c.Sampled != tc.sampled || ok == c.IsZero() {
			t.Errorf("%s: %v %+v", name, ok, c)
		}
		if ok && (c.TraceID() != trace || SpanID(c.Span) != span) {
			t.Errorf("%s: ids %s %s", name, c.TraceID(), SpanID(c.Span))
		}
	}
}

func TestChildKeepsTheTrace(t *testing.T) {
	a := NewSpanContext()
	a.Sampled = true
	b := a.Child()
	if a.Trace != b.Trace || a.Span == b.Span || !b.Sampled || b.Span == [8]byte{} {
		t.Errorf("%+v %+v", a, b)
	}
}

func FuzzParseTraceParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := ParseTraceParent(s)
		if !ok {
			return
		}
		if again, ok := ParseTraceParent(c.TraceParent()); !ok || again != c {
			t.Errorf("%q read as %+v, which reads as %+v", s, c, again)
		}
		if c.TraceParent()[3:52] != s[3:52] {
			t.Errorf("%q printed as %q", s, c.TraceParent())
		}
	})
}
