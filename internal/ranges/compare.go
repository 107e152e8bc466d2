package ranges

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"sallyport/internal/diag"
)

// Report compares what a policy admits with what is published.
type Report struct {
	Missing          []Range `json:"missing"` // published, not admitted
	Excess           []Range `json:"excess"`  // admitted, not published
	MissingAddresses uint64  `json:"missingAddresses"`
	ExcessAddresses  uint64  `json:"excessAddresses"`
	Lacking          []Gap   `json:"lacking"`   // Missing in terms of published prefixes
	Published        int     `json:"published"` // number of published prefixes
	Addresses        uint64  `json:"addresses"` // published addresses
}

// Gap is a published prefix that is not, or only in part, admitted.
type Gap struct {
	Prefix    netip.Prefix `json:"prefix"`
	Missing   uint64       `json:"missing"`
	Addresses uint64       `json:"addresses"`
}

// Compare reports how policy, the addresses a policy admits, differs from
// want. Give the list's published prefixes to have gaps named after them;
// without, the minimal prefixes of want serve.
func Compare(policy, want *Set, published ...netip.Prefix) Report {
	if len(published) == 0 {
		published = want.Prefixes()
	}
	excess, missing := Diff(want, policy)
	r := Report{
		Missing: missing.Ranges(), MissingAddresses: missing.Count(),
		Excess: excess.Ranges(), ExcessAddresses: excess.Count(),
		Lacking: []Gap{}, Published: len(published), Addresses: want.Count(),
	}
	missing4, missing6 := missing.spans4(), missing.spans6()
	for _, p := range published {
		s, err := spanOfPrefix(p)
		if err != nil {
			continue // cannot be part of want either
		}
		in := missing6
		if s.v4 {
			in = missing4
		}
		if n := overlap(in, s.span); n > 0 {
			r.Lacking = append(r.Lacking, Gap{Prefix: p, Missing: n, Addresses: s.count()})
		}
	}
	return r
}

// overlap counts the addresses of p that are in the spans, which are minimal.
func overlap(spans []span, p span) uint64 {
	i, _ := slices.BinarySearchFunc(spans, p.from, func(s span, from u128) int { return s.to.cmp(from) })
	n := uint64(0)
	for ; i < len(spans) && !p.to.less(spans[i].from); i++ {
		common := spans[i]
		if common.from.less(p.from) {
			common.from = p.from
		}
		if p.to.less(common.to) {
			common.to = p.to
		}
		sum, carry := bits.Add64(n, common.count(), 0)
		if carry != 0 {
			return math.MaxUint64
		}
		n = sum
	}
	return n
}

// OK reports whether the policy admits exactly what is published.
func (r Report) OK() bool { return len(r.Missing) == 0 && len(r.Excess) == 0 }

// Findings states the differences at the place of the policy's ip-filter.
func (r Report) Findings(pos diag.Pos, path string) diag.List {
	var found diag.List
	for _, g := range r.Lacking {
		found.Add(diag.RangesLacking, pos, path, "published prefix %s is not admitted", g)
	}
	for _, e := range r.Excess {
		found.Add(diag.RangesExcess, pos, path, "%s is admitted but not published", e)
	}
	return found
}

// String names the prefix, and how much of it is missing when that is a part.
func (g Gap) String() string {
	if g.Missing == g.Addresses {
		return g.Prefix.String()
	}
	return fmt.Sprintf("%s (%s of %s addresses)", g.Prefix, countText(g.Missing), countText(g.Addresses))
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	if r.OK() {
		fmt.Fprintf(b, "The policy admits exactly what is published: %s, %s.\n", plural(uint64(r.Published), "prefix", "prefixes"), plural(r.Addresses, "address", "addresses"))
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(b, "The policy lacks %d of %s (%s):\n", len(r.Lacking), plural(uint64(r.Published), "published prefix", "published prefixes"), plural(r.MissingAddresses, "address", "addresses"))
		for _, g := range r.Lacking {
			fmt.Fprintf(b, "  - %s\n", g)
		}
	}
	if len(r.Excess) > 0 {
		fmt.Fprintf(b, "The policy admits %s beyond what is published (%s):\n", plural(uint64(len(r.Excess)), "range", "ranges"), plural(r.ExcessAddresses, "address", "addresses"))
		for _, e := range r.Excess {
			fmt.Fprintf(b, "  + %s\n", e)
		}
	}
	return b.Flush()
}

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		OK bool `json:"ok"`
		Report
	}{r.OK(), r})
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return countText(n) + " " + many
}
