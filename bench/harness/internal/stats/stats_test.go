package stats

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for want, in := range map[string][]float64{
		"–":                 {nan},
		"7.00 (7.00–7.00)":  {7},
		"2.00 (1.00–30.0)":  {30, 1, 2},
		"2.50 (1.00–400)":   {400, 1, 2, 3},
		"2.00 (1.00–3.00)":  {nan, 3, 1, nan},
		"1500 (1000–2000)":  {2000, 1000},
		"-50.0 (-100–0.00)": {-100, 0},
	} {
		if got := Of(in).String(); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
	if Of(nil).Known() || !Of([]float64{0}).Known() {
		t.Error("only a spread of something is known")
	}
}

func TestNumber(t *testing.T) {
	for want, in := range map[string]float64{"0.00": 0, "9.99": 9.994, "12.3": 12.34, "100": 99.999 + 0.001, "12346": 12345.6, "–": math.Inf(1)} {
		if got := Number(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}
