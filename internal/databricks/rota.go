package databricks

import "sync/atomic"

// rota hands out indexes in proportion to weights: smooth weighted round
// robin, worked out once, so that every full turn is exact and taking a place
// is one atomic addition.
type rota struct {
	order []uint16
	// turn outlives the endpoint's configuration: an update must not send
	// every first call to the first entity.
	turn *atomic.Uint64
}

func newRota(weights []int, turn *atomic.Uint64) rota {
	total, div := 0, 0
	for _, w := range weights {
		total += w
		div = gcd(div, w)
	}
	r := rota{turn: turn}
	if total == 0 {
		return r
	}
	n := total / div
	r.order = make([]uint16, n)
	credit := make([]int, len(weights))
	for k := range r.order {
		best := -1
		for i, w := range weights {
			credit[i] += w / div
			if w > 0 && (best < 0 || credit[i] > credit[best]) {
				best = i
			}
		}
		credit[best] -= n
		r.order[k] = uint16(best)
	}
	return r
}

// next returns -1 when no weight is above zero.
func (r *rota) next() int {
	switch len(r.order) {
	case 0:
		return -1
	case 1:
		return int(r.order[0])
	}
	return int(r.order[(r.turn.Add(1)-1)%uint64(len(r.order))])
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
