package ranges

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// errEmpty keeps an empty list out of files that somebody will apply: the
// ip-filter needs at least one child (page ip-filter-policy), and an empty
// allow list locks everyone out.
var errEmpty = errors.New("the address list is empty")

// Options say how a list is written.
type Options struct {
	Info   Info   // for the header; a zero Info leaves it out
	Action string // of the ip-filter, "allow" (default) or "forbid"
}

// WritePolicy writes the set as an ip-filter element that runs on Azure as it
// is: single addresses and first-last ranges, no CIDR, sorted and minimal.
func WritePolicy(w io.Writer, s *Set, o Options) error {
	if s.IsEmpty() {
		return fmt.Errorf("write ip-filter: %w", errEmpty)
	}
	switch o.Action {
	case "":
		o.Action = "allow"
	case "allow", "forbid":
	default:
		return fmt.Errorf("write ip-filter: action must be 'allow' or 'forbid', not %q", o.Action)
	}
	b := bufio.NewWriter(w)
	if o.Info != (Info{}) {
		writeHeader(b, s, o.Info)
	}
	fmt.Fprintf(b, "<ip-filter action=\"%s\">\n", o.Action)
	for _, r := range s.Ranges() {
		if r.Single() {
			fmt.Fprintf(b, "    <address>%s</address>\n", r.From)
		} else {
			fmt.Fprintf(b, "    <address-range from=\"%s\" to=\"%s\" />\n", r.From, r.To)
		}
	}
	b.WriteString("</ip-filter>\n")
	return b.Flush()
}

func writeHeader(b *bufio.Writer, s *Set, i Info) {
	fmt.Fprintf(b, "<!-- %s: %d prefixes, %s addresses in %d entries.\n", commentText(i.Name), i.Entries, countText(s.Count()), s.Len())
	fmt.Fprintf(b, "     Source: %s", commentText(i.Source))
	if !i.Taken.IsZero() {
		fmt.Fprintf(b, ", copy of %s", i.Taken.UTC().Format(time.DateOnly))
	}
	fmt.Fprintf(b, "\n     Content: %s -->\n", commentText(i.Hash))
}

// commentText keeps foreign text from ending the XML comment it stands in.
func commentText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	for strings.Contains(s, "--") {
		s = strings.ReplaceAll(s, "--", "- -")
	}
	return s
}

// WriteCIDR writes the fewest CIDR prefixes, one a line.
func WriteCIDR(w io.Writer, s *Set) error {
	if s.IsEmpty() {
		return fmt.Errorf("write CIDR list: %w", errEmpty)
	}
	b := bufio.NewWriter(w)
	for _, p := range s.Prefixes() {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.Flush()
}

// WriteJSON writes where the list comes from, its ranges and its prefixes.
func WriteJSON(w io.Writer, s *Set, o Options) error {
	if s.IsEmpty() {
		return fmt.Errorf("write JSON list: %w", errEmpty)
	}
	cidrs := []string{}
	for _, p := range s.Prefixes() {
		cidrs = append(cidrs, p.String())
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Info
		Addresses uint64   `json:"addresses"`
		Ranges    []Range  `json:"ranges"`
		CIDRs     []string `json:"cidrs"`
	}{o.Info, s.Count(), s.Ranges(), cidrs})
}

// countText admits that Set.Count stops at its largest value.
func countText(n uint64) string {
	if n == math.MaxUint64 {
		return "2^64 or more"
	}
	return strconv.FormatUint(n, 10)
}
