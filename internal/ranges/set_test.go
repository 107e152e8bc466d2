package ranges

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func build(t testing.TB, entries ...string) *Set {
	t.Helper()
	var b Builder
	for _, e := range entries {
		if err := b.AddText(e); err != nil {
			t.Fatalf("add %q: %v", e, err)
		}
	}
	return b.Build()
}

func texts[T interface{ String() string }](in []T) []string {
	out := []string{}
	for _, v := range in {
		out = append(out, v.String())
	}
	return out
}

func TestMinimalForm(t *testing.T) {
	tests := map[string]struct {
		in       []string
		ranges   []string
		prefixes []string
		count    uint64
	}{
		"empty":            {nil, []string{}, []string{}, 0},
		"repeated":         {[]string{"1.2.3.4", "1.2.3.4/32", "::ffff:1.2.3.4"}, []string{"1.2.3.4"}, []string{"1.2.3.4/32"}, 1},
		"adjacent":         {[]string{"10.0.1.0/24", "10.0.0.0/24"}, []string{"10.0.0.0-10.0.1.255"}, []string{"10.0.0.0/23"}, 512},
		"adjacent, uneven": {[]string{"10.0.0.255", "10.0.1.0/24"}, []string{"10.0.0.255-10.0.1.255"}, []string{"10.0.0.255/32", "10.0.1.0/24"}, 257},
		"overlap":          {[]string{"1.0.0.5-1.0.0.9", "1.0.0.1-1.0.0.6"}, []string{"1.0.0.1-1.0.0.9"}, []string{"1.0.0.1/32", "1.0.0.2/31", "1.0.0.4/30", "1.0.0.8/31"}, 9},
		"nested":           {[]string{"1.0.0.0/8", "1.2.3.4", "1.255.0.0/16"}, []string{"1.0.0.0-1.255.255.255"}, []string{"1.0.0.0/8"}, 1 << 24},
		"host bits":        {[]string{"1.2.3.9/28"}, []string{"1.2.3.0-1.2.3.15"}, []string{"1.2.3.0/28"}, 16},
		"all of IPv4":      {[]string{"128.0.0.0/1", "0.0.0.0/1"}, []string{"0.0.0.0-255.255.255.255"}, []string{"0.0.0.0/0"}, 1 << 32},
		"mapped prefix":    {[]string{"::ffff:1.2.3.0/120"}, []string{"1.2.3.0-1.2.3.255"}, []string{"1.2.3.0/24"}, 256},
		"IPv6 after IPv4":  {[]string{"2603:1000:4::160/123", "9.9.9.9"}, []string{"9.9.9.9", "2603:1000:4::160-2603:1000:4::17f"}, []string{"9.9.9.9/32", "2603:1000:4::160/123"}, 33},
		"IPv6 across 64":   {[]string{"2001:db8:0:1::/64", "2001:db8::/64"}, []string{"2001:db8::-2001:db8:0:1:ffff:ffff:ffff:ffff"}, []string{"2001:db8::/63"}, math.MaxUint64},
		"zone":             {[]string{"fe80::1%eth0"}, []string{"fe80::1"}, []string{"fe80::1/128"}, 1},
		"end of IPv6":      {[]string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"}, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := build(t, tt.in...)
			if d := cmp.Diff(tt.ranges, texts(s.Ranges())); d != "" {
				t.Errorf("ranges (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.prefixes, texts(s.Prefixes())); d != "" {
				t.Errorf("prefixes (-want +got):\n%s", d)
			}
			if got := s.Count(); got != tt.count {
				t.Errorf("count = %d, want %d", got, tt.count)
			}
		})
	}
}

func TestContains(t *testing.T) {
	s := build(t, "23.101.152.95", "10.0.0.0/28", "2603:1000:4::160/123", "fe80::/64")
	for addr, want := range map[string]bool{
		"23.101.152.95": true, "::ffff:23.101.152.95": true, "::ffff:23.101.152.95%eth0": true,
		"23.101.152.94": false, "23.101.152.96": false,
		"10.0.0.0": true, "10.0.0.15": true, "9.255.255.255": false, "10.0.0.16": false,
		"2603:1000:4::160": true, "2603:1000:4::17f": true, "2603:1000:4::15f": false, "2603:1000:4::180": false,
		"fe80::1%eth0": true, "::": false, "::10.0.0.1": false, "0.0.0.0": false, "255.255.255.255": false,
	} {
		if got := s.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Contains(%s) = %v, want %v", addr, got, want)
		}
	}
	if s.Contains(netip.Addr{}) {
		t.Error("the zero address is in the set")
	}
	if r, ok := s.Lookup(netip.MustParseAddr("10.0.0.7")); !ok || r.String() != "10.0.0.0-10.0.0.15" {
		t.Errorf("Lookup = %v, %v", r, ok)
	}
	if r, ok := s.Lookup(netip.MustParseAddr("fe80::7")); !ok || r.String() != "fe80::-fe80::ffff:ffff:ffff:ffff" {
		t.Errorf("Lookup = %v, %v", r, ok)
	}
	if _, ok := s.Lookup(netip.MustParseAddr("8.8.8.8")); ok {
		t.Error("Lookup found 8.8.8.8")
	}
}

func TestNilSetAdmitsNobody(t *testing.T) {
	var s *Set
	if s.Contains(netip.MustParseAddr("1.2.3.4")) || s.Len() != 0 || s.Count() != 0 || !s.IsEmpty() || len(s.Prefixes()) != 0 {
		t.Error("a nil set is not empty")
	}
	one := build(t, "1.2.3.4")
	if !s.Union(one).Equal(one) || !one.Subtract(s).Equal(one) || !s.Subtract(one).IsEmpty() {
		t.Error("a nil set does not behave as the empty set in arithmetic")
	}
}

// All of IPv6 must not admit IPv4 callers, nor turn into all of IPv4 when its
// ranges travel through a builder again.
func TestIPv6NeverStandsForIPv4(t *testing.T) {
	all6 := build(t, "::/0")
	if all6.Contains(netip.MustParseAddr("1.2.3.4")) || all6.Contains(netip.MustParseAddr("::ffff:1.2.3.4")) {
		t.Error("::/0 admits IPv4")
	}
	if !all6.Contains(netip.MustParseAddr("::1")) || !all6.Contains(netip.MustParseAddr("2001::1")) {
		t.Error("::/0 does not admit IPv6")
	}
	cut := all6.Subtract(build(t, "::/81", "::1:0:0:0/80"))
	var b Builder
	for _, r := range cut.Ranges() {
		if err := b.AddRange(r.From, r.To); err != nil {
			t.Fatal(err)
		}
	}
	again := b.Build()
	if !again.Equal(cut) || again.Contains(netip.MustParseAddr("1.2.3.4")) {
		t.Errorf("ranges changed on the way: %v", again.Ranges())
	}
}

func TestBuilderRefuses(t *testing.T) {
	var b Builder
	for _, text := range []string{"", "x", "1.2.3", "1.2.3.4/33", "1.2.3.256", "01.2.3.4", "1.2.3.4/-1", "1.2.3.9-1.2.3.1", "1.2.3.4-::1", "-", "1.2.3.4-", "::ffff:1.2.3.4/90", "fe80::1%eth0/64", "2001::/129"} {
		if err := b.AddText(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if err := b.AddAddr(netip.Addr{}); err == nil {
		t.Error("the zero address was taken")
	}
	if err := b.AddPrefix(netip.Prefix{}); err == nil {
		t.Error("the zero prefix was taken")
	}
	if s := b.Build(); !s.IsEmpty() {
		t.Errorf("refused entries left something behind: %v", s.Ranges())
	}
}

func TestBuilderKeepsGrowingAfterBuild(t *testing.T) {
	var b Builder
	_ = b.AddText("1.0.0.0/24")
	first := b.Build()
	_ = b.AddText("1.0.1.0/24")
	second := b.Build()
	if first.Count() != 256 || second.Count() != 512 || second.Len() != 1 {
		t.Errorf("first %v, second %v", first.Ranges(), second.Ranges())
	}
}

func TestDiff(t *testing.T) {
	added, removed := Diff(build(t, "1.0.0.0/24", "2.0.0.0/24"), build(t, "1.0.0.0/25", "3.0.0.1"))
	if d := cmp.Diff([]string{"3.0.0.1"}, texts(added.Ranges())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"1.0.0.128-1.0.0.255", "2.0.0.0-2.0.0.255"}, texts(removed.Ranges())); d != "" {
		t.Error(d)
	}
}

func TestContainsDoesNotAllocate(t *testing.T) {
	s := randomSet(10_000, 1)
	addrs := []netip.Addr{netip.MustParseAddr("20.42.4.208"), netip.MustParseAddr("::ffff:20.42.4.208"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("2603::1")}
	if n := testing.AllocsPerRun(1000, func() {
		for _, a := range addrs {
			s.Contains(a)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Lookup(addrs[0]) }); n != 0 {
		t.Errorf("Lookup: %v allocations", n)
	}
}

// randomSet spreads n ranges the way clouds do: bunched into a few /8s.
func randomSet(n int, seed uint64) *Set {
	r := rand.New(rand.NewPCG(seed, 1))
	heads := []byte{4, 13, 20, 40, 48, 52, 57, 68, 74, 128, 135, 172}
	var b Builder
	for range n {
		a := netip.AddrFrom4([4]byte{heads[r.IntN(len(heads))], byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		_ = b.AddPrefix(netip.PrefixFrom(a, 27+r.IntN(6)))
	}
	return b.Build()
}

func randomSet6(n int, seed uint64) *Set {
	r := rand.New(rand.NewPCG(seed, 1))
	var b Builder
	for range n {
		_ = b.AddPrefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 0x03, 0x10, byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}), 64))
	}
	return b.Build()
}
