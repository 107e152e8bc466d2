package ranges

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// Half of the probes hit, in an order the branch predictor cannot learn.
func probes(s *Set, n int) []netip.Addr {
	r := rand.New(rand.NewPCG(7, 7))
	all := s.Ranges()
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = all[r.IntN(len(all))].From
		if i%2 == 1 {
			out[i] = out[i].Prev()
		}
	}
	return out
}

func BenchmarkContains(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		for family, s := range map[string]*Set{"v4": randomSet(n, 5), "v6": randomSet6(n, 5)} {
			b.Run(fmt.Sprintf("%s/%d", family, n), func(b *testing.B) {
				p := probes(s, 1<<14)
				b.ReportAllocs()
				i, hits := 0, 0
				for b.Loop() {
					if s.Contains(p[i&(1<<14-1)]) {
						hits++
					}
					i++
				}
				b.ReportMetric(float64(s.Len()), "ranges")
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{138, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := randomSet(n, 5).Prefixes()
			b.ReportAllocs()
			for b.Loop() {
				setOf(p)
			}
		})
	}
}
