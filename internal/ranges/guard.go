package ranges

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"sallyport/internal/diag"
)

// Guard decides whether next may replace previous. It refuses an empty list,
// and one that lost more than maxShrinkPercent of its addresses, counted apart
// for IPv4 and IPv6. Regrouping the same addresses into other prefixes is no
// loss. Without a previous list only emptiness is refused.
func Guard(previous, next Group, maxShrinkPercent int) diag.List {
	var found diag.List
	pos := diag.Pos{File: next.Source}
	if next.Set.IsEmpty() {
		found.Add(diag.RangesEmpty, pos, next.Name, "%s lists no address; the list in use is kept", next.Name)
		return found
	}
	had4, had6 := previous.Set.sizes()
	lost4, lost6 := previous.Set.Subtract(next.Set).sizes()
	limit := float64(max(0, maxShrinkPercent))
	for _, f := range []struct {
		family    string
		had, lost float64
	}{{"IPv4", had4, lost4}, {"IPv6", had6, lost6}} {
		if f.had == 0 || f.lost/f.had*100 <= limit {
			continue
		}
		change := Changes(previous, next)
		found.Add(diag.RangesShrunk, pos, next.Name, "%s lost %s%% of its %s addresses (%d of %d prefixes gone), more than the %d%% allowed",
			next.Name, percent(f.lost/f.had), f.family, len(change.Removed), len(previous.Prefixes), max(0, maxShrinkPercent)).
			WithHint("the list in use (%s) is kept; compare both, then raise the limit for this refresh if the loss is genuine", shortHash(previous.Hash))
	}
	return found
}

// percent rounds up, so that a refusal never reads like a value within the limit.
func percent(share float64) string { return fmt.Sprintf("%.4g", math.Ceil(share*1000)/10) }

// Change lists what a refresh does, in published prefixes.
type Change struct {
	Added   []netip.Prefix `json:"added"`
	Removed []netip.Prefix `json:"removed"`
}

// Changes compares two versions of a list.
func Changes(previous, next Group) Change {
	without := func(a, b []netip.Prefix) []netip.Prefix {
		out := []netip.Prefix{}
		for _, p := range a {
			if _, ok := slices.BinarySearchFunc(b, p, netip.Prefix.Compare); !ok {
				out = append(out, p)
			}
		}
		return out
	}
	return Change{Added: without(next.Prefixes, previous.Prefixes), Removed: without(previous.Prefixes, next.Prefixes)}
}

// shortHash is enough to tell versions apart by eye.
func shortHash(hash string) string {
	const most = len("sha256:") + 12
	return hash[:min(len(hash), most)]
}
