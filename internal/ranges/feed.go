package ranges

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/diag"
)

// Origin says where a feed came from. Source is printed in findings, comments
// and traces, so it must hold no credentials.
type Origin struct {
	Source string
	// Taken is when this copy was obtained: fetch time, file time, or the day
	// of the embedded snapshot. The feed's own timestampSeconds is no
	// substitute, it stood still through a change of content.
	Taken    time.Time
	Embedded bool
}

// Feed is a parsed document of address lists: the Databricks ip-ranges.json
// or an Azure service tag file. It is immutable. Lists are checked when they
// are asked for, so that a faulty list of one region does not take the others
// down with it.
type Feed struct {
	Origin
	Published    time.Time // Databricks timestampSeconds; for display only
	ChangeNumber int64     // of a service tag file, otherwise 0
	Cloud        string    // of a service tag file, for example "Public"

	groups []rawGroup
	index  map[string][]int // canonical name to groups
}

// rawGroup is a list as it was written.
type rawGroup struct {
	name    string // as shown: databricks/azure/eastus/outbound, azure-tag/Storage.EastUS
	service string
	pos     diag.Pos
	entries []entry
}

// entry is one prefix as it was written.
type entry struct {
	text      string
	line, col int32
}

// Info describes a list for traces, logs, comments and the console.
type Info struct {
	Name      string    `json:"name"`
	Source    string    `json:"source"`
	Hash      string    `json:"hash"` // of the addresses alone: changes when, and only when, they do
	Taken     time.Time `json:"taken,omitzero"`
	Published time.Time `json:"published,omitzero"`
	Entries   int       `json:"prefixes"`
	Embedded  bool      `json:"embedded,omitempty"`
}

// Age is how old this copy is, 0 when that is not known.
func (i Info) Age(now time.Time) time.Duration {
	if i.Taken.IsZero() {
		return 0
	}
	return max(0, now.Sub(i.Taken))
}

// Group is one checked list.
type Group struct {
	Info
	Prefixes []netip.Prefix // as published: canonical, sorted, each once, not collapsed
	Set      *Set
}

// NewGroup makes a list of prefixes that did not come from a feed.
func NewGroup(name string, prefixes []netip.Prefix) (Group, error) {
	var b Builder
	clean := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		c, _, err := canonicalPrefix(p)
		if err != nil {
			return Group{}, err
		}
		clean = append(clean, c)
		if err := b.AddPrefix(c); err != nil {
			return Group{}, err
		}
	}
	slices.SortFunc(clean, netip.Prefix.Compare)
	clean = slices.Compact(clean)
	return Group{Info: Info{Name: name, Hash: hashOf(clean), Entries: len(clean)}, Prefixes: clean, Set: b.Build()}, nil
}

// Join unites lists, for workspaces that fail over between regions.
func Join(groups ...Group) Group {
	var all Group
	var names, sources []string
	for i, g := range groups {
		names = append(names, g.Name)
		if !slices.Contains(sources, g.Source) {
			sources = append(sources, g.Source)
		}
		all.Prefixes = append(all.Prefixes, g.Prefixes...)
		all.Embedded = all.Embedded || g.Embedded
		// The oldest part decides how old the whole is.
		if i == 0 || g.Taken.Before(all.Taken) {
			all.Taken = g.Taken
		}
		if i == 0 || g.Published.Before(all.Published) {
			all.Published = g.Published
		}
	}
	slices.SortFunc(all.Prefixes, netip.Prefix.Compare)
	all.Prefixes = slices.Compact(all.Prefixes)
	all.Name, all.Source = strings.Join(names, " + "), strings.Join(sources, " + ")
	all.Hash, all.Entries, all.Set = hashOf(all.Prefixes), len(all.Prefixes), setOf(all.Prefixes)
	return all
}

// Names lists what Group answers to, sorted.
func (f *Feed) Names() []string {
	out := make([]string, 0, len(f.index))
	for _, at := range f.index {
		out = append(out, f.groups[at[0]].name)
	}
	slices.Sort(out)
	return out
}

// Has reports whether the feed lists name, be it usable or not.
func (f *Feed) Has(name string) bool { return len(f.index[canonicalName(name)]) > 0 }

// Group checks and returns the list of that name; "databricks/azure/eastus/outbound"
// and "azure-tag/ApiManagement.EastUS" are names, colons and any case are taken
// too. With an error among the findings the group is empty: a list is applied
// whole or not at all.
func (f *Feed) Group(name string) (Group, diag.List) {
	at := f.index[canonicalName(name)]
	if len(at) == 0 {
		return Group{}, unknownList(name, f.Names(), f.Embedded, diag.Pos{File: f.Source})
	}
	check := newListCheck(f.Source)
	for i, g := range at {
		if i > 0 {
			check.add(diag.RangesRepeated, f.groups[g].pos, f.groups[g].name, "group %s is listed again (service %q, before %q); both are joined",
				f.groups[g].name, clip(f.groups[g].service), clip(f.groups[at[0]].service))
		}
		check.entries(f.groups[g])
	}
	first := f.groups[at[0]]
	if check.count == 0 {
		check.add(diag.RangesEmpty, first.pos, first.name, "%s lists no address", first.name)
	}
	found := check.done()
	if found.HasErrors() {
		return Group{}, found
	}
	slices.SortFunc(check.prefixes, netip.Prefix.Compare)
	return Group{
		Info: Info{Name: first.name, Source: f.Source, Hash: hashOf(check.prefixes), Taken: f.Taken, Published: f.Published,
			Entries: len(check.prefixes), Embedded: f.Embedded},
		Prefixes: check.prefixes,
		Set:      setOf(check.prefixes),
	}, found
}

// Select returns the Databricks list of a region; direction is "outbound"
// (Databricks calls you) or "inbound" (you call Databricks).
func (f *Feed) Select(platform, region, direction string) (Group, diag.List) {
	return f.Group(strings.Join([]string{databricksFamily, platform, region, direction}, "/"))
}

// Check returns the findings of every list, for a look at a feed as a whole.
func (f *Feed) Check() diag.List {
	var all diag.List
	for _, name := range f.Names() {
		_, found := f.Group(name)
		all = append(all, found...)
	}
	all.Sort()
	return all
}

// Hash identifies the content of all lists: order, layout and timestamps of
// the document do not count.
func (f *Feed) Hash() string {
	var rows []string
	for _, g := range f.groups {
		for _, e := range g.entries {
			rows = append(rows, canonicalName(g.name)+" "+e.text)
		}
	}
	slices.Sort(rows)
	return sum(slices.Compact(rows))
}

// hashOf expects sorted prefixes.
func hashOf(prefixes []netip.Prefix) string {
	rows := make([]string, len(prefixes))
	for i, p := range prefixes {
		rows[i] = p.String()
	}
	return sum(rows)
}

func sum(rows []string) string {
	h := sha256.New()
	for _, r := range rows {
		h.Write([]byte(r))
		h.Write([]byte{'\n'})
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
