package telemetry

import (
	"maps"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// series is a set of values by label that is read without a lock: the map is
// copied when a label is new, which happens a bounded number of times.
type series[K comparable, V any] struct {
	all   atomic.Pointer[map[K]*V]
	mu    sync.Mutex // held while the map is replaced
	limit int
	over  K // takes the place of labels past the limit
	make  func(K) *V
}

func newSeries[K comparable, V any](limit int, over K, mk func(K) *V) *series[K, V] {
	s := &series[K, V]{limit: limit, over: over, make: mk}
	s.all.Store(&map[K]*V{})
	return s
}

func (s *series[K, V]) get(k K) *V {
	if v, ok := (*s.all.Load())[k]; ok {
		return v
	}
	return s.add(k)
}

func (s *series[K, V]) add(k K) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.all.Load()
	if _, ok := old[k]; !ok && len(old) >= s.limit {
		k = s.over
	}
	if v, ok := old[k]; ok {
		return v
	}
	next := make(map[K]*V, len(old)+1)
	maps.Copy(next, old)
	v := s.make(k)
	next[k] = v
	s.all.Store(&next)
	return v
}

// each calls f for every label; order is not defined.
func (s *series[K, V]) each(f func(K, *V)) {
	for k, v := range *s.all.Load() {
		f(k, v)
	}
}

// bounds of the duration buckets in seconds: a gateway step takes a tenth of a
// millisecond, an answer of a model minutes.
var bounds = [...]float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05,
	.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300,
}

// histogram counts durations in the buckets of bounds.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	h.buckets[sort.SearchFloat64s(bounds[:], d.Seconds())].Add(1)
	h.nanos.Add(int64(d))
}

// snapshot returns the number of observations, their sum in seconds and the
// cumulative buckets. The number is that of the buckets read here, so that the
// three agree while others go on observing.
func (h *histogram) snapshot() (count uint64, sum float64, cumulative map[float64]uint64) {
	cumulative = make(map[float64]uint64, len(bounds))
	for i := range bounds {
		count += h.buckets[i].Load()
		cumulative[bounds[i]] = count
	}
	count += h.buckets[len(bounds)].Load()
	return count, time.Duration(h.nanos.Load()).Seconds(), cumulative
}
