package ranges

import "math/bits"

// index6 is index4 for IPv6. Published lists sit in a small part of the address
// space (Azure: 2603::/16 and neighbours), so the directory counts from the
// first range's network half and covers only what is in use.
type index6 struct {
	spans []span
	dir   []uint32 // dir[b] = number of ranges whose start lies in a bucket below b
	base  uint64   // upper half of the first start
	shift uint8
}

func newIndex6(spans []span) index6 {
	x := index6{spans: spans}
	if len(spans) < directoryFrom {
		return x
	}
	x.base = spans[0].from.hi
	used := bits.Len64(spans[len(spans)-1].from.hi - x.base)
	width := min(bits.Len(uint(len(spans)))+2, maxDirectoryBits, used)
	x.shift = uint8(used - width)
	x.dir = make([]uint32, 1<<width+1)
	for _, s := range spans {
		x.dir[x.bucket(s.from.hi)+1]++
	}
	for b := range 1 << width {
		x.dir[b+1] += x.dir[b]
	}
	return x
}

// bucket expects hi >= base; what lies behind the last start shares its bucket.
func (x *index6) bucket(hi uint64) int {
	return int(min((hi-x.base)>>x.shift, uint64(len(x.dir)-2)))
}

// find returns the index of the range that holds a, or -1.
func (x *index6) find(a u128) int {
	lo, n := 0, len(x.spans)
	if x.dir != nil {
		if a.hi < x.base {
			return -1
		}
		b := x.bucket(a.hi)
		lo = int(x.dir[b])
		n = int(x.dir[b+1]) - lo
	}
	for n > 1 {
		half := n >> 1
		if !a.less(x.spans[lo+half-1].from) {
			lo += half
		}
		n -= half
	}
	if n == 1 && !a.less(x.spans[lo].from) {
		lo++
	}
	if lo > 0 && !x.spans[lo-1].to.less(a) {
		return lo - 1
	}
	return -1
}
