// Package ranges knows published address ranges: the interval set an address
// is looked up in, the Databricks and Azure feeds the sets come from, the
// guards a feed must pass, and the ip-filter text made of a set.
// It must not know HTTP (a Getter is handed in), policy documents or requests.
// Start at Set for look-ups, at Feed and Catalog for where addresses come from.
package ranges

import (
	"encoding/binary"
	"net/netip"
)

// Range is an inclusive run of addresses of one family.
type Range struct {
	From netip.Addr `json:"from"`
	To   netip.Addr `json:"to"`
}

// RangeOf returns the first and last address of p, host bits dropped; this is
// the portable form of a CIDR, which the ip-filter of Azure does not take
// (page ip-filter-policy). An invalid or mixed-family prefix gives the zero Range.
func RangeOf(p netip.Prefix) Range {
	s, err := spanOfPrefix(p)
	if err != nil {
		return Range{}
	}
	return s.span.toRange(s.v4)
}

// Single reports whether the range holds exactly one address.
func (r Range) Single() bool { return r.From == r.To }

// String prints one address or "first-last".
func (r Range) String() string {
	if r.Single() {
		return r.From.String()
	}
	return r.From.String() + "-" + r.To.String()
}

// u128 is an address as a number. IPv4 uses the low 32 bits only, so that one
// implementation of the interval arithmetic serves both families.
type u128 struct{ hi, lo uint64 }

func (a u128) less(b u128) bool { return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo) }

func (a u128) cmp(b u128) int {
	switch {
	case a.less(b):
		return -1
	case b.less(a):
		return 1
	default:
		return 0
	}
}

// next wraps around at the last address; callers compare before they rely on it.
func (a u128) next() u128 {
	if a.lo++; a.lo == 0 {
		a.hi++
	}
	return a
}

func (a u128) prev() u128 {
	if a.lo == 0 {
		a.hi--
	}
	a.lo--
	return a
}

// orLow returns a with its n lowest bits set.
func (a u128) orLow(n int) u128 {
	switch {
	case n >= 128:
		return u128{^uint64(0), ^uint64(0)}
	case n >= 64:
		return u128{a.hi | (1<<(n-64) - 1), ^uint64(0)}
	default:
		return u128{a.hi, a.lo | (1<<n - 1)}
	}
}

// normal strips the zone and unwraps IPv4-mapped IPv6: a caller that reaches a
// dual-stack listener as ::ffff:23.101.152.95 is the caller 23.101.152.95.
func normal(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// number expects an address that went through normal.
func number(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func address(n u128, v4 bool) netip.Addr {
	if v4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return netip.AddrFrom16(b)
}
