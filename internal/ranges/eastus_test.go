package ranges

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEastUSCounts(t *testing.T) {
	in, out := eastUS(t, "inbound"), eastUS(t, "outbound")
	if in.Entries != 6 || in.Set.Count() != 51 {
		t.Errorf("inbound: %d prefixes, %d addresses; want 6, 51", in.Entries, in.Set.Count())
	}
	if out.Entries != 138 || out.Set.Count() != 3459 {
		t.Errorf("outbound: %d prefixes, %d addresses; want 138, 3459", out.Entries, out.Set.Count())
	}
	byLength := map[int]int{}
	single := 0
	for _, p := range out.Prefixes {
		byLength[p.Bits()]++
		if RangeOf(p).Single() {
			single++
		}
	}
	if d := cmp.Diff(map[int]int{24: 3, 25: 2, 26: 8, 27: 12, 28: 82, 29: 28, 32: 3}, byLength); d != "" {
		t.Errorf("prefix lengths (-want +got):\n%s", d)
	}
	if single != 3 || len(out.Prefixes)-single != 135 {
		t.Errorf("one by one: %d addresses and %d ranges, want 3 and 135", single, len(out.Prefixes)-single)
	}
	// Nothing collapses as CIDR, but neighbours of unequal size join as ranges.
	if d := cmp.Diff(texts(out.Prefixes), texts(out.Set.Prefixes())); d != "" {
		t.Errorf("minimal CIDR cover differs from what is published:\n%s", d)
	}
	naive := 0
	for i, p := range out.Prefixes {
		if i == 0 || RangeOf(out.Prefixes[i-1]).To.Next() != RangeOf(p).From {
			naive++
		}
	}
	if out.Set.Len() != naive || naive >= 138 {
		t.Errorf("%d ranges, counting neighbours gives %d", out.Set.Len(), naive)
	}
}

func TestEastUSVectors(t *testing.T) {
	type run struct {
		from, to string
		want     bool
	}
	in, out := eastUS(t, "inbound").Set, eastUS(t, "outbound").Set
	for _, r := range []run{
		{"23.101.152.95", "", true}, {"23.101.152.94", "", false}, {"23.101.152.96", "", false},
		{"20.42.4.208", "", true}, {"20.42.4.210", "", true}, {"20.42.4.209", "", false}, {"20.42.4.211", "", false},
		{"40.70.58.221", "", false}, {"4.150.168.160", "", false},
		{"128.203.118.160", "128.203.118.175", true}, {"128.203.118.159", "", false}, {"128.203.118.176", "", false},
		{"128.203.119.16", "", true}, {"128.203.119.64", "", true}, {"128.203.119.128", "", true}, {"128.203.119.255", "", true},
		{"128.203.119.0", "", false},
		{"135.234.150.255", "135.234.151.255", true}, {"135.234.152.0", "", false},
		{"172.203.186.112", "172.203.186.119", true}, {"172.203.186.111", "", false}, {"172.203.186.120", "", false},
		{"20.42.74.128", "20.42.74.191", true}, {"20.42.74.127", "", false}, {"20.42.74.192", "", false},
		{"::ffff:23.101.152.95", "", true}, {"::ffff:23.101.152.94", "", false}, {"8.8.8.8", "", false},
		{"::23.101.152.95", "", false}, {"64:ff9b::1765:985f", "", false},
	} {
		if r.to == "" {
			r.to = r.from
		}
		for a := netip.MustParseAddr(r.from); ; a = a.Next() {
			if got := out.Contains(a); got != r.want {
				t.Errorf("outbound Contains(%s) = %v, want %v", a, got, r.want)
			}
			if a == netip.MustParseAddr(r.to) {
				break
			}
		}
	}
	for _, a := range []string{"20.42.4.209", "20.42.4.211", "40.70.58.221", "4.150.168.160"} {
		if addr := netip.MustParseAddr(a); !in.Contains(addr) || !in.Union(out).Contains(addr) {
			t.Errorf("inbound list does not hold %s", a)
		}
	}
	if both := in.Union(out); both.Count() != 51+3459 {
		t.Errorf("inbound and outbound share %d addresses", 51+3459-both.Count())
	}
}

// The file in testdata is what a user pastes; a change of it is a change of
// output and has to be looked at.
func TestEastUSPolicyText(t *testing.T) {
	g := eastUS(t, "outbound")
	var b bytes.Buffer
	if err := WritePolicy(&b, g.Set, Options{Info: g.Info}); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/eastus-outbound.xml"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", golden, d)
	}
}

func TestEmbeddedTellsItsAge(t *testing.T) {
	g := eastUS(t, "outbound")
	if !g.Embedded || g.Source != EmbeddedSource {
		t.Errorf("info = %+v", g.Info)
	}
	now := time.Date(2026, 6, 3, 0, 0, 0, 0, time.UTC)
	if got := g.Age(now); got != 30*24*time.Hour {
		t.Errorf("age = %v", got)
	}
	if got := g.Age(g.Taken.Add(-time.Hour)); got != 0 {
		t.Errorf("age before it was taken = %v", got)
	}
	if (Info{}).Age(now) != 0 {
		t.Error("unknown age is not 0")
	}
	if got := g.Published.Unix(); got != 1770871875 {
		t.Errorf("published = %d", got)
	}
}

func ExampleCatalog_Resolve() {
	feed, err := Embedded()
	if err != nil {
		fmt.Println(err)
		return
	}
	set, info, err := NewCatalog(feed).Resolve("databricks/azure/eastus/outbound")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Entries, set.Count(), set.Contains(netip.MustParseAddr("20.42.4.208")))
	// Output: 138 3459 true
}
