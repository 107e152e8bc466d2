// Package stats turns repeated measurements into medians with their spread, and
// numbers into the text of tables. It knows nothing of what was measured.
// Start at Of.
package stats

import (
	"math"
	"slices"
	"strconv"
)

// Spread is the median of several runs with the lowest and the highest.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Of returns the spread of values; those that are no number are left out, and
// of nothing else every part is no number.
func Of(values []float64) Spread {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(v) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	return Spread{Median(v), slices.Min(v), slices.Max(v)}
}

// Median of values; of an even number the mean of the two in the middle.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// Known reports whether there is anything in s.
func (s Spread) Known() bool { return !math.IsNaN(s.Median) && !math.IsInf(s.Median, 0) }

// String is "median (low–high)".
func (s Spread) String() string {
	if !s.Known() {
		return "–"
	}
	return Number(s.Median) + " (" + Number(s.Low) + "–" + Number(s.High) + ")"
}

// Number writes x with three digits that count.
func Number(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case math.Abs(x) >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case math.Abs(x) >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}
