package telemetry

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestObserveAllocatesNothing(t *testing.T) {
	m := NewMetrics("test")
	a := m.API("chat")
	n := testing.AllocsPerRun(1000, func() {
		a.Observe(200, 12*time.Millisecond, time.Millisecond, 11*time.Millisecond, "")
		a.Observe(401, time.Millisecond, time.Millisecond, 0, "SubscriptionKeyInvalid")
		m.Backend("foundry", 200)
		m.Serving("dublin-chat", 200, time.Second)
		m.API("chat")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNilMetricsCountNothing(t *testing.T) {
	var m *Metrics
	m.API("x").Observe(200, 1, 1, 1, "")
	m.Backend("x", 200)
	m.Serving("x", 200, 1)
	m.ConfigReload(Reload{})
}

func TestSeriesIsBounded(t *testing.T) {
	s := newSeries(3, otherLabel, func(string) *int { return new(int) })
	for i := range 100 {
		*s.get(fmt.Sprint(i))++
	}
	got := map[string]int{}
	s.each(func(k string, v *int) { got[k] = *v })
	if len(got) != 4 || got["0"] != 1 || got[otherLabel] != 97 {
		t.Errorf("%v", got)
	}
}

func TestSeriesUnderConcurrency(t *testing.T) {
	m := NewMetrics("test")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				m.Backend(fmt.Sprint("b", i%20), 200)
			}
		})
	}
	wg.Wait()
	var sum uint64
	for i := range 20 {
		sum += m.backends.get(target{fmt.Sprint("b", i), 200}).Load()
	}
	if sum != 4000 {
		t.Errorf("counted %d", sum)
	}
}

func TestHistogramBuckets(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{0, 100 * time.Microsecond, 101 * time.Microsecond, time.Second, time.Hour} {
		h.observe(d)
	}
	n, sum, c := h.snapshot()
	if n != 5 || c[.0001] != 2 || c[.00025] != 3 || c[1] != 4 || c[300] != 4 {
		t.Errorf("%d %v", n, c)
	}
	if sum < 3601.0002 || sum > 3601.00021 {
		t.Errorf("sum %v", sum)
	}
}

func BenchmarkObserve(b *testing.B) {
	a := NewMetrics("test").API("chat")
	b.ReportAllocs()
	for b.Loop() {
		a.Observe(200, 12*time.Millisecond, time.Millisecond, 11*time.Millisecond, "")
	}
}
