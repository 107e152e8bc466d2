package ranges

import "math/bits"

// index4 is the look-up form of the IPv4 half of a Set: sorted starts and ends
// side by side, and above directoryFrom ranges a directory over the leading
// bits of the address, which leaves only a handful of starts to compare. That
// is what makes 10,000 ranges cost about as much as 10.
type index4 struct {
	from, to []uint32
	dir      []uint32 // dir[b] = number of ranges that start below b<<shift
	shift    uint8
}

const (
	directoryFrom    = 32
	maxDirectoryBits = 16 // 65,537 entries, 256 KiB: stays in a second-level cache
)

func newIndex4(spans []span) index4 {
	x := index4{from: make([]uint32, len(spans)), to: make([]uint32, len(spans))}
	for i, s := range spans {
		x.from[i], x.to[i] = uint32(s.from.lo), uint32(s.to.lo)
	}
	if len(spans) < directoryFrom {
		return x
	}
	// Four buckets a range: published lists cluster in a few /8s, so an even
	// spread of one range a bucket is never what we get.
	width := min(bits.Len(uint(len(spans)))+2, maxDirectoryBits)
	x.shift = uint8(32 - width)
	x.dir = make([]uint32, 1<<width+1)
	i := 0
	for b := range 1 << width {
		for i < len(spans) && x.from[i] < uint32(b)<<x.shift {
			i++
		}
		x.dir[b] = uint32(i)
	}
	x.dir[1<<width] = uint32(len(spans))
	return x
}

// find returns the index of the range that holds a, or -1.
func (x *index4) find(a uint32) int {
	lo, n := 0, len(x.from)
	if x.dir != nil {
		b := a >> x.shift
		lo = int(x.dir[b])
		n = int(x.dir[b+1]) - lo
	}
	// Halve without an early exit: the compiler turns the inner if into a
	// conditional move, so unpredictable addresses cost no mispredicted branch.
	for n > 1 {
		half := n >> 1
		next := lo + half
		if x.from[next-1] <= a {
			lo = next
		}
		n -= half
	}
	if n == 1 && x.from[lo] <= a {
		lo++
	}
	// lo ranges start at or below a; only the last of them can still reach it.
	if lo > 0 && a <= x.to[lo-1] {
		return lo - 1
	}
	return -1
}

func (x *index4) spans() []span {
	out := make([]span, len(x.from))
	for i := range out {
		out[i] = span{u128{0, uint64(x.from[i])}, u128{0, uint64(x.to[i])}}
	}
	return out
}
