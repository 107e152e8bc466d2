package telemetry

import (
	"regexp"
	"testing"
)

func TestNewGUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := NewGUID(), NewGUID()
	if !form.MatchString(a) || a == b {
		t.Errorf("%q, %q", a, b)
	}
	if n := testing.AllocsPerRun(100, func() { NewGUID() }); n > 2 { // the race detector needs one more
		t.Errorf("%v allocations", n)
	}
}
