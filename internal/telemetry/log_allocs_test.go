//go:build !race

// The race detector empties pools at random, so that allocations mean nothing
// under it.

package telemetry

import (
	"io"
	"testing"
)

func TestAccessAllocatesNothing(t *testing.T) {
	l, err := NewLogger(io.Discard, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	r := usual()
	// The time stands still: each new second costs its two texts, once for all.
	if n := testing.AllocsPerRun(1000, func() { Access(l, r) }); n >= 1 {
		t.Errorf("%v allocations a line", n)
	}
}
