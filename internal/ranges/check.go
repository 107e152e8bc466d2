package ranges

import (
	"net/netip"
	"strings"

	"sallyport/internal/diag"
)

const (
	minBits4 = 16
	minBits6 = 32
	// maxFindings bounds the report on a document of five million bytes of nonsense.
	maxFindings = 100
)

// listCheck turns entries as written into prefixes fit for an allow list.
type listCheck struct {
	file     string
	found    diag.List
	dropped  int
	count    int // entries seen
	prefixes []netip.Prefix
	seen     map[netip.Prefix]entry
	reserved []reservedRange
}

func newListCheck(file string) *listCheck {
	return &listCheck{file: file, seen: map[netip.Prefix]entry{}, reserved: reservedRanges()}
}

func (c *listCheck) entries(g rawGroup) {
	for _, e := range g.entries {
		c.count++
		c.entry(g.name, e)
	}
}

func (c *listCheck) entry(group string, e entry) {
	pos := diag.Pos{File: c.file, Line: int(e.line), Col: int(e.col)}
	parsed, err := parsePrefix(e.text)
	if err != nil {
		c.add(diag.RangesPrefix, pos, group, "%q is not an address or CIDR prefix", clip(e.text))
		return
	}
	p, hostBits, err := canonicalPrefix(parsed)
	if err != nil {
		c.add(diag.RangesPrefix, pos, group, "%v", err)
		return
	}
	if hostBits {
		c.add(diag.RangesHostBits, pos, group, "%s has host bits set; taken as %s", e.text, p)
	}
	shortest := minBits6
	if p.Addr().Is4() {
		shortest = minBits4
	}
	if p.Bits() < shortest {
		c.add(diag.RangesTooWide, pos, group, "%s is wider than /%d", p, shortest)
		return
	}
	if why := isReserved(c.reserved, p); why != "" {
		c.add(diag.RangesReserved, pos, group, "%s is not public: it lies in or covers %s", p, why)
		return
	}
	if first, again := c.seen[p]; again {
		c.add(diag.RangesRepeated, pos, group, "%s is listed before, in line %d", p, first.line)
		return
	}
	c.seen[p] = e
	c.prefixes = append(c.prefixes, p)
}

// add keeps the first maxFindings, and every first error whatever its place:
// what refuses the list must be among what is shown.
func (c *listCheck) add(code diag.Code, pos diag.Pos, group, format string, args ...any) {
	if len(c.found) >= maxFindings && (code.Severity() != diag.Error || c.found.HasErrors()) {
		c.dropped++
		return
	}
	c.found.Add(code, pos, group, format, args...)
}

func (c *listCheck) done() diag.List {
	if c.dropped > 0 {
		c.found[len(c.found)-1].WithHint("%d more findings of this list are not shown", c.dropped)
	}
	return c.found
}

// canonicalPrefix drops host bits and writes IPv4-mapped prefixes as IPv4.
func canonicalPrefix(p netip.Prefix) (canonical netip.Prefix, hostBits bool, err error) {
	s, err := spanOfPrefix(p)
	if err != nil {
		return netip.Prefix{}, false, err
	}
	bits := p.Bits()
	if p.Addr().Is4In6() {
		bits -= 96
	}
	return netip.PrefixFrom(address(s.from, s.v4), bits), number(normal(p.Addr())) != s.from, nil
}

type reservedRange struct {
	prefix netip.Prefix
	what   string
}

// reservedRanges are the parts of the address space that no public service
// calls from (IANA special-purpose registries). For IPv6 only 2000::/3 is
// handed out at all, so its exceptions are listed and the rest is refused.
func reservedRanges() []reservedRange {
	table := []struct{ cidr, what string }{
		{"0.0.0.0/8", "this network"}, {"10.0.0.0/8", "private network"}, {"100.64.0.0/10", "carrier-grade NAT"},
		{"127.0.0.0/8", "loopback"}, {"169.254.0.0/16", "link-local"}, {"172.16.0.0/12", "private network"},
		{"192.0.0.0/24", "protocol assignments"}, {"192.0.2.0/24", "documentation"}, {"192.88.99.0/24", "6to4 relay"},
		{"192.168.0.0/16", "private network"}, {"198.18.0.0/15", "benchmarking"}, {"198.51.100.0/24", "documentation"},
		{"203.0.113.0/24", "documentation"}, {"224.0.0.0/4", "multicast"}, {"240.0.0.0/4", "reserved"},
		{"2001::/23", "protocol assignments"}, {"2001:db8::/32", "documentation"}, {"2002::/16", "6to4"}, {"3fff::/20", "documentation"},
	}
	out := make([]reservedRange, len(table))
	for i, t := range table {
		out[i] = reservedRange{netip.MustParsePrefix(t.cidr), t.cidr + " (" + t.what + ")"}
	}
	return out
}

// isReserved returns what p collides with, or "".
func isReserved(table []reservedRange, p netip.Prefix) string {
	if first := p.Addr().As16(); p.Addr().Is6() && first[0]&0xe0 != 0x20 {
		return "addresses outside 2000::/3 (global unicast)"
	}
	for _, r := range table {
		if r.prefix.Overlaps(p) {
			return r.what
		}
	}
	return ""
}

// clip keeps foreign text in messages short.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
