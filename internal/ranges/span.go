package ranges

import (
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
)

// span is a Range as numbers; both ends belong to it.
type span struct{ from, to u128 }

// familySpan is a span together with the family its numbers belong to.
type familySpan struct {
	span
	v4 bool
}

func (s span) toRange(v4 bool) Range { return Range{address(s.from, v4), address(s.to, v4)} }

// size is the number of addresses, as a float because IPv6 exceeds 64 bits;
// exact up to 2^53, which covers all of IPv4.
func (s span) size() float64 {
	lo, borrow := bits.Sub64(s.to.lo, s.from.lo, 0)
	hi, _ := bits.Sub64(s.to.hi, s.from.hi, borrow)
	return math.Ldexp(float64(hi), 64) + float64(lo) + 1
}

// count is size as a whole number, at most the largest uint64.
func (s span) count() uint64 {
	lo, borrow := bits.Sub64(s.to.lo, s.from.lo, 0)
	hi, _ := bits.Sub64(s.to.hi, s.from.hi, borrow)
	if hi > 0 || lo == math.MaxUint64 {
		return math.MaxUint64
	}
	return lo + 1
}

// mapped is ::ffff:0:0/96, the IPv6 dress of IPv4.
func mapped() span { return span{u128{0, 0xffff << 32}, u128{0, 0xffff<<32 | math.MaxUint32}} }

func spanOfPrefix(p netip.Prefix) (familySpan, error) {
	if !p.IsValid() {
		return familySpan{}, fmt.Errorf("prefix %q is not valid", p)
	}
	a, length := p.Addr(), p.Bits()
	if a.Is4In6() {
		// netip keeps the length in IPv6 terms; below 96 bits such a prefix
		// would cover IPv4 and IPv6 at once, which nobody means.
		if length < 96 {
			return familySpan{}, fmt.Errorf("prefix %s covers IPv4-mapped and other IPv6 addresses", p)
		}
		length -= 96
	}
	a = normal(a)
	host := a.BitLen() - length
	masked, err := a.Prefix(length)
	if err != nil {
		return familySpan{}, fmt.Errorf("prefix %s: %w", p, err)
	}
	from := number(masked.Addr())
	return familySpan{span{from, from.orLow(host)}, a.Is4()}, nil
}

func spanOfRange(from, to netip.Addr) (familySpan, error) {
	if !from.IsValid() || !to.IsValid() {
		return familySpan{}, fmt.Errorf("address range %s-%s: both ends must be addresses", from, to)
	}
	a, b := normal(from), normal(to)
	if a.Is4() != b.Is4() {
		return familySpan{}, fmt.Errorf("address range %s-%s mixes IPv4 and IPv6", from, to)
	}
	if b.Less(a) {
		return familySpan{}, fmt.Errorf("address range %s-%s ends before it starts", from, to)
	}
	return familySpan{span{number(a), number(b)}, a.Is4()}, nil
}

// merge sorts in place and joins what overlaps or touches: the minimal form.
func merge(in []span) []span {
	slices.SortFunc(in, func(a, b span) int { return a.from.cmp(b.from) })
	out := in[:0]
	for _, s := range in {
		if n := len(out) - 1; n >= 0 {
			last := &out[n]
			// prev is safe: s.from > last.to >= 0.
			if !last.to.less(s.from) || s.from.prev() == last.to {
				if last.to.less(s.to) {
					last.to = s.to
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// subtract returns a without b; both must be minimal, so is the result.
func subtract(a, b []span) []span {
	var out []span
	j := 0
	for _, s := range a {
		for j < len(b) && b[j].to.less(s.from) {
			j++
		}
		gone := false
		// One span of b may cut several of a, so j itself stays where it is.
		for k := j; k < len(b) && !s.to.less(b[k].from); k++ {
			if s.from.less(b[k].from) {
				out = append(out, span{s.from, b[k].from.prev()})
			}
			if !b[k].to.less(s.to) {
				gone = true
				break
			}
			s.from = b[k].to.next()
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

// cover appends the fewest CIDR prefixes that hold exactly the span.
func (s span) cover(v4 bool, out []netip.Prefix) []netip.Prefix {
	width := 128
	if v4 {
		width = 32
	}
	for from := s.from; ; {
		free := min(trailingZeros(from), width)
		for free > 0 && s.to.less(from.orLow(free)) {
			free--
		}
		out = append(out, netip.PrefixFrom(address(from, v4), width-free))
		end := from.orLow(free)
		if end == s.to {
			return out
		}
		from = end.next()
	}
}

func trailingZeros(a u128) int {
	if a.lo != 0 {
		return bits.TrailingZeros64(a.lo)
	}
	return 64 + bits.TrailingZeros64(a.hi)
}
