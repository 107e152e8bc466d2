package ranges

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// world is the naive implementation: one bit an address, over two small
// windows of address space of each family, one of them at the very end so that
// the last address is part of the game.
type world map[netip.Addr]bool

func windows() [][]netip.Addr {
	var out [][]netip.Addr
	for _, start := range []string{"0.0.0.0", "20.42.3.224", "255.255.255.192", "::", "2603:1000:4:0:ffff:ffff:ffff:ffe0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffc0"} {
		var w []netip.Addr
		for a := netip.MustParseAddr(start); a.IsValid() && len(w) < 64; a = a.Next() {
			w = append(w, a)
		}
		out = append(out, w)
	}
	return out
}

func (w world) fill(b *Builder, data []byte, wins [][]netip.Addr) error {
	for ; len(data) >= 3; data = data[3:] {
		win := wins[int(data[0])%len(wins)]
		i, j := int(data[1])%len(win), int(data[2])%len(win)
		if data[1]&0x80 != 0 {
			p := netip.PrefixFrom(win[i], win[i].BitLen()-int(data[2])%6)
			if err := b.AddPrefix(p); err != nil {
				return err
			}
			for _, a := range win {
				if p.Masked().Contains(a) {
					w[a] = true
				}
			}
			continue
		}
		i, j = min(i, j), max(i, j)
		if err := b.AddRange(win[i], win[j]); err != nil {
			return err
		}
		for _, a := range win[i : j+1] {
			w[a] = true
		}
	}
	return nil
}

func checkSets(dataA, dataB []byte) error {
	wins := windows()
	wa, wb := world{}, world{}
	var ba, bb Builder
	if err := wa.fill(&ba, dataA, wins); err != nil {
		return err
	}
	if err := wb.fill(&bb, dataB, wins); err != nil {
		return err
	}
	a, b := ba.Build(), bb.Build()
	checks := []struct {
		name string
		set  *Set
		want func(netip.Addr) bool
	}{
		{"a", a, func(x netip.Addr) bool { return wa[x] }},
		{"a+b", a.Union(b), func(x netip.Addr) bool { return wa[x] || wb[x] }},
		{"a-b", a.Subtract(b), func(x netip.Addr) bool { return wa[x] && !wb[x] }},
		{"b-a", b.Subtract(a), func(x netip.Addr) bool { return wb[x] && !wa[x] }},
	}
	for _, c := range checks {
		n := uint64(0)
		for _, win := range wins {
			for _, x := range win {
				if c.set.Contains(x) != c.want(x) {
					return fmt.Errorf("%s: Contains(%s) = %v", c.name, x, !c.want(x))
				}
				if c.want(x) {
					n++
				}
			}
		}
		if err := checkForm(c.set, n); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// checkForm: counted right, minimal, sorted, and equal after both round trips.
func checkForm(s *Set, count uint64) error {
	if s.Count() != count {
		return fmt.Errorf("count %d, want %d", s.Count(), count)
	}
	var ranges, prefixes Builder
	var last Range
	for i, r := range s.Ranges() {
		if i > 0 && last.To.BitLen() == r.From.BitLen() && (!last.To.Less(r.From) || last.To.Next() == r.From) {
			return fmt.Errorf("%s and %s overlap or touch", last, r)
		}
		last = r
		if err := ranges.AddRange(r.From, r.To); err != nil {
			return err
		}
	}
	for i, p := range s.Prefixes() {
		if p != p.Masked() {
			return fmt.Errorf("%s has host bits", p)
		}
		if i > 0 && setOf(s.Prefixes()[i-1 : i+1]).Prefixes()[0].Bits() < p.Bits() && len(setOf(s.Prefixes()[i-1:i+1]).Prefixes()) == 1 {
			return fmt.Errorf("%s and its neighbour collapse", p)
		}
		if err := prefixes.AddPrefix(p); err != nil {
			return err
		}
	}
	if !ranges.Build().Equal(s) || !prefixes.Build().Equal(s) {
		return fmt.Errorf("ranges %v or prefixes %v do not give the set again", s.Ranges(), s.Prefixes())
	}
	return nil
}

func TestSetAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1500 {
		a, b := make([]byte, r.IntN(60)), make([]byte, r.IntN(60))
		for _, s := range [][]byte{a, b} {
			for i := range s {
				s[i] = byte(r.Uint32())
			}
		}
		if err := checkSets(a, b); err != nil {
			t.Fatalf("%x %x: %v", a, b, err)
		}
	}
}

// The directory only exists in large sets, so those are compared with a plain
// scan at every edge and at random addresses.
func TestLargeSetAgainstScan(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{31, 32, 33, 100, 1000, 5000} {
		s := randomSet(n, uint64(n))
		if n > 40 && s.v4.dir == nil {
			t.Fatalf("%d ranges carry no directory", s.Len())
		}
		spans := s.v4.spans()
		scan := func(a uint32) bool {
			for _, sp := range spans {
				if uint64(a) >= sp.from.lo && uint64(a) <= sp.to.lo {
					return true
				}
			}
			return false
		}
		probe := func(a uint32) {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], a)
			if got := s.Contains(netip.AddrFrom4(b)); got != scan(a) {
				t.Fatalf("%d ranges: Contains(%v) = %v", n, b, got)
			}
		}
		for i, sp := range spans {
			if i%max(1, n/300) == 0 {
				for _, edge := range []uint64{sp.from.lo, sp.to.lo} {
					probe(uint32(edge) - 1)
					probe(uint32(edge))
					probe(uint32(edge) + 1)
				}
			}
		}
		for range 500 {
			probe(r.Uint32())
		}
		probe(0)
		probe(^uint32(0))
	}
}

func TestLargeSet6AgainstScan(t *testing.T) {
	sets := map[string]*Set{"spread": randomSet6(2000, 9)}
	var narrow Builder // all starts share the upper half: the directory has one bucket
	for i := range 500 {
		_ = narrow.AddAddr(address(u128{0x2603_1000_0000_0000, uint64(i * 3)}, false))
	}
	sets["narrow"] = narrow.Build()
	_ = narrow.AddText("2603:1000:0:1::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	_ = narrow.AddText("::-1::")
	sets["wide"] = narrow.Build()
	if sets["narrow"].Contains(netip.MustParseAddr("ffff::")) || sets["narrow"].Contains(netip.MustParseAddr("::1")) {
		t.Error("an address far outside is found")
	}
	for name, s := range sets {
		if s.v6.dir == nil {
			t.Fatalf("%s: no directory", name)
		}
		for i, sp := range s.v6.spans {
			if i%7 != 0 && i > 3 && i < len(s.v6.spans)-3 {
				continue
			}
			for _, n := range []u128{sp.from.prev(), sp.from, sp.from.next(), sp.to.prev(), sp.to, sp.to.next()} {
				want := false
				for _, o := range s.v6.spans {
					want = want || !n.less(o.from) && !o.to.less(n)
				}
				if got := s.Contains(address(n, false)); got != want {
					t.Fatalf("%s: Contains(%s) = %v", name, address(n, false), got)
				}
			}
		}
	}
}

// One range may span many directory buckets, and the first and last address
// have a bucket edge of their own.
func TestDirectoryEdges(t *testing.T) {
	var b Builder
	for i := range 64 {
		_ = b.AddAddr(netip.AddrFrom4([4]byte{1, 0, 0, byte(2 * i)}))
	}
	_ = b.AddText("0.0.0.0")
	_ = b.AddText("64.0.0.0-200.0.0.5")
	_ = b.AddText("255.255.255.255")
	s := b.Build()
	for addr, want := range map[string]bool{
		"0.0.0.0": true, "0.0.0.1": false, "1.0.0.126": true, "1.0.0.127": false, "63.255.255.255": false, "64.0.0.0": true,
		"128.0.0.0": true, "199.255.255.255": true, "200.0.0.5": true, "200.0.0.6": false, "255.255.255.254": false, "255.255.255.255": true,
	} {
		if got := s.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Contains(%s) = %v, want %v", addr, got, want)
		}
	}
}

func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 1, 2}, []byte{2, 0x83, 4})
	f.Add([]byte{5, 0xbf, 0, 5, 0, 63}, []byte{3, 0x80, 5})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > 300 || len(b) > 300 {
			return
		}
		if err := checkSets(a, b); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAddText(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "1.2.3.4/28", "1.0.0.0-1.0.0.9", "::ffff:1.2.3.4/120", "fe80::1%eth0", "::/0", "2001:db8::-2001:db8::f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b Builder
		if b.AddText(text) != nil {
			return
		}
		s := b.Build()
		for _, r := range s.Ranges() {
			if !s.Contains(r.From) || !s.Contains(r.To) {
				t.Fatalf("%q gives %s but does not contain its ends", text, r)
			}
		}
		if !setOf(s.Prefixes()).Equal(s) {
			t.Fatalf("%q: prefixes %v do not give the set again", text, s.Prefixes())
		}
	})
}
