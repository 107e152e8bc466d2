package ranges

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGuard(t *testing.T) {
	ten := []string{"20.0.0.0/32", "20.0.1.0/32", "20.0.2.0/32", "20.0.3.0/32", "20.0.4.0/32", "20.0.5.0/32", "20.0.6.0/32", "20.0.7.0/32", "20.0.8.0/32", "20.0.9.0/32"}
	clone := func(s []string) []string { return append([]string(nil), s...) }
	both := append(clone(ten), "2603:1000:4::/64", "2603:1000:5::/64")
	tests := map[string]struct {
		previous, next Group
		percent        int
		want           string
	}{
		"same":                     {group(t, clone(ten)...), group(t, clone(ten)...), 0, ""},
		"grown":                    {group(t, clone(ten[:5])...), group(t, clone(ten)...), 0, ""},
		"within the limit":         {group(t, clone(ten)...), group(t, clone(ten[:8])...), 20, ""},
		"beyond the limit":         {group(t, clone(ten)...), group(t, clone(ten[:7])...), 20, "lost 30% of its IPv4 addresses (3 of 10 prefixes gone), more than the 20% allowed"},
		"just beyond":              {group(t, "20.0.0.0/16", "20.1.0.0/32"), group(t, "20.0.0.0/16"), 0, "lost 0.1% of its IPv4"},
		"exchanged":                {group(t, clone(ten)...), group(t, "20.9.0.0/24"), 50, "lost 100% of its IPv4"},
		"regrouped":                {group(t, "20.0.0.0/31"), group(t, "20.0.0.0/32", "20.0.0.1/32"), 0, ""},
		"collapsed":                {group(t, "20.0.0.0/32", "20.0.0.1/32", "20.0.0.2/31"), group(t, "20.0.0.0/30"), 0, ""},
		"IPv6 does not hide IPv4":  {group(t, clone(both)...), group(t, append(clone(ten[:1]), both[10:]...)...), 50, "lost 90% of its IPv4"},
		"IPv6 lost":                {group(t, clone(both)...), group(t, clone(both[:11])...), 20, "lost 50% of its IPv6"},
		"nothing before":           {Group{}, group(t, clone(ten)...), 0, ""},
		"empty":                    {group(t, clone(ten)...), Group{}, 100, "lists no address"},
		"empty, nothing before":    {Group{}, Group{}, 100, "lists no address"},
		"negative limit":           {group(t, clone(ten)...), group(t, clone(ten[:9])...), -5, "more than the 0% allowed"},
		"limit of 100 never bites": {group(t, clone(ten)...), group(t, "20.9.0.0/24"), 100, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found := Guard(tt.previous, tt.next, tt.percent)
			if tt.want == "" && len(found) == 0 {
				return
			}
			if len(found) != 1 || tt.want == "" || !found.HasErrors() || !strings.Contains(found[0].Message, tt.want) {
				t.Errorf("got %v, want %q", found, tt.want)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	c := Changes(group(t, "20.0.0.0/24", "20.0.1.0/24"), group(t, "20.0.1.0/24", "20.0.2.0/24"))
	if d := cmp.Diff([]string{"20.0.2.0/24"}, texts(c.Added)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"20.0.0.0/24"}, texts(c.Removed)); d != "" {
		t.Error(d)
	}
}

func TestNewGroupMatchesFeed(t *testing.T) {
	want := group(t, "20.42.4.208/32", "20.42.74.128/26")
	got, err := NewGroup("literal", []netip.Prefix{netip.MustParsePrefix("20.42.74.129/26"), netip.MustParsePrefix("::ffff:20.42.4.208/128"), netip.MustParsePrefix("20.42.4.208/32")})
	if err != nil || got.Hash != want.Hash || !got.Set.Equal(want.Set) || got.Entries != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := NewGroup("x", []netip.Prefix{{}}); err == nil {
		t.Error("the zero prefix was taken")
	}
}

func TestJoin(t *testing.T) {
	in, out := eastUS(t, "inbound"), eastUS(t, "outbound")
	loaded := group(t, "20.42.4.208/32", "21.0.0.0/24")
	g := Join(out, in, loaded)
	if g.Entries != 138+6+1 || g.Set.Count() != 3459+51+256 {
		t.Errorf("%d prefixes, %d addresses", g.Entries, g.Set.Count())
	}
	if g.Source != EmbeddedSource+" + feed.json" || !strings.HasPrefix(g.Name, out.Name+" + "+in.Name) || !g.Embedded {
		t.Errorf("info = %+v", g.Info)
	}
	if Join(in, out).Hash != Join(out, in).Hash {
		t.Error("order changes the hash")
	}
	if !Join().Set.IsEmpty() {
		t.Error("joining nothing gives something")
	}
}
