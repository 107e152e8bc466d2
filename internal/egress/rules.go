package egress

import (
	"fmt"
	"net/netip"
)

// rules decide about one resolved address.
type rules struct {
	linkLocal   bool
	deny, allow []netip.Prefix
	metadata    []netip.Prefix
}

// metadataRanges are where clouds answer their machines without credentials:
// whoever can make the gateway fetch from there gets its identity. The last
// three are not link-local but serve the same.
func metadataRanges() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure host
		netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS on IPv6
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	}
}

// check says why a must not be reached, nil when it may. pinned means that the
// operator wrote this very address into Hosts.
func (r *rules) check(a netip.Addr, pinned bool) error {
	for _, form := range [...]netip.Addr{a.WithZone("").Unmap(), embedded(a)} {
		if !form.IsValid() {
			continue
		}
		if p, hit := find(r.deny, form); hit {
			return fmt.Errorf("egress rules deny %v (range %v)", a, p)
		}
		if pinned {
			continue
		}
		if p, hit := find(r.metadata, form); hit && !r.linkLocal {
			return fmt.Errorf("%v is a link-local or metadata address (range %v); "+
				"such addresses are denied unless they stand in the egress hosts or link-local is allowed", a, p)
		}
	}
	if len(r.allow) > 0 && !pinned {
		if _, hit := find(r.allow, a.WithZone("").Unmap()); !hit {
			return fmt.Errorf("egress rules allow only certain ranges and %v is in none of them", a)
		}
	}
	return nil
}

func find(ps []netip.Prefix, a netip.Addr) (netip.Prefix, bool) {
	for _, p := range ps {
		if p.Contains(a) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// embedded returns the IPv4 address that a translator (NAT64) or a tunnel
// (6to4) would send packets for a to; a rule must see through both.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() || a.Is4In6() {
		return netip.Addr{}
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a.WithZone("")):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}
