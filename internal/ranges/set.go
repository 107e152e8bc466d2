package ranges

import (
	"math"
	"math/bits"
	"net/netip"
	"slices"
)

// Set is an immutable set of addresses of both families, held as the fewest
// possible ranges. It is safe for concurrent use; a nil Set is empty, so a
// list that was never loaded admits nobody.
type Set struct {
	v4 index4
	v6 index6
}

// newSet takes ownership of both slices and brings them into minimal form.
// IPv4-mapped IPv6 is cut out: look-ups never reach it, and left in it would
// come back as IPv4 when the set's ranges are read again.
func newSet(v4, v6 []span) *Set {
	return &Set{v4: newIndex4(merge(v4)), v6: newIndex6(slices.Clip(subtract(merge(v6), []span{mapped()})))}
}

// Contains reports whether a is in the set. IPv4-mapped IPv6 counts as IPv4,
// a zone is ignored, the zero Addr is in no set. It does not allocate.
func (s *Set) Contains(a netip.Addr) bool {
	_, _, ok := s.find(a)
	return ok
}

// Lookup returns the range that holds a, for traces and decision logs.
func (s *Set) Lookup(a netip.Addr) (Range, bool) {
	i, v4, ok := s.find(a)
	switch {
	case !ok:
		return Range{}, false
	case v4:
		return span{u128{0, uint64(s.v4.from[i])}, u128{0, uint64(s.v4.to[i])}}.toRange(true), true
	default:
		return s.v6.spans[i].toRange(false), true
	}
}

func (s *Set) find(a netip.Addr) (i int, v4, ok bool) {
	if s == nil || !a.IsValid() {
		return 0, false, false
	}
	a = a.Unmap()
	if a.Is4() {
		i = s.v4.find(uint32(number(a).lo))
		return i, true, i >= 0
	}
	i = s.v6.find(number(a))
	return i, false, i >= 0
}

// Len is the number of ranges.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.v4.from) + len(s.v6.spans)
}

// IsEmpty reports whether the set holds no address.
func (s *Set) IsEmpty() bool { return s.Len() == 0 }

// Count is the number of addresses, at most the largest uint64.
func (s *Set) Count() uint64 {
	n := uint64(0)
	for _, spans := range [][]span{s.spans4(), s.spans6()} {
		for _, sp := range spans {
			sum, carry := bits.Add64(n, sp.count(), 0)
			if carry != 0 {
				return math.MaxUint64
			}
			n = sum
		}
	}
	return n
}

// sizes counts the families apart: one IPv6 /64 would drown all of IPv4.
func (s *Set) sizes() (v4, v6 float64) {
	for _, sp := range s.spans4() {
		v4 += sp.size()
	}
	for _, sp := range s.spans6() {
		v6 += sp.size()
	}
	return v4, v6
}

// Ranges lists the set in numerical order, IPv4 before IPv6.
func (s *Set) Ranges() []Range {
	out := make([]Range, 0, s.Len())
	for _, sp := range s.spans4() {
		out = append(out, sp.toRange(true))
	}
	for _, sp := range s.spans6() {
		out = append(out, sp.toRange(false))
	}
	return out
}

// Prefixes lists the fewest CIDR prefixes that hold exactly the set, in the
// order of Ranges.
func (s *Set) Prefixes() []netip.Prefix {
	out := make([]netip.Prefix, 0, s.Len())
	for _, sp := range s.spans4() {
		out = sp.cover(true, out)
	}
	for _, sp := range s.spans6() {
		out = sp.cover(false, out)
	}
	return out
}

// Equal reports whether both sets hold the same addresses.
func (s *Set) Equal(o *Set) bool {
	return slices.Equal(s.spans4(), o.spans4()) && slices.Equal(s.spans6(), o.spans6())
}

// Union returns the addresses that are in s or in o.
func (s *Set) Union(o *Set) *Set {
	return newSet(slices.Concat(s.spans4(), o.spans4()), slices.Concat(s.spans6(), o.spans6()))
}

// Subtract returns the addresses of s that are not in o.
func (s *Set) Subtract(o *Set) *Set {
	return newSet(subtract(s.spans4(), o.spans4()), subtract(s.spans6(), o.spans6()))
}

// Diff returns what only b holds and what only a holds, read as the change
// from a to b.
func Diff(a, b *Set) (added, removed *Set) { return b.Subtract(a), a.Subtract(b) }

func (s *Set) spans4() []span {
	if s == nil {
		return nil
	}
	return s.v4.spans()
}

// spans6 is the set's own slice: read only.
func (s *Set) spans6() []span {
	if s == nil {
		return nil
	}
	return s.v6.spans
}
