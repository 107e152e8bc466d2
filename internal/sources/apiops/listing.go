package apiops

import (
	"maps"
	"slices"
	"strings"

	"sallyport/internal/model"
)

// Listing says what a configuration folder held.
type Listing struct {
	Counts []Count
	Files  []string // every file read, as shown in findings, sorted
	dirs   []string
}

// Count of one kind of resource. A kind that is not served is read and kept.
type Count struct {
	Kind   string `json:"kind"`
	N      int    `json:"count"`
	Served bool   `json:"served"`
}

// Dirs returns every folder that was read and those of the override files:
// what a watcher has to watch.
func (g Listing) Dirs() []string { return g.dirs }

func (l *loader) listing() Listing {
	return Listing{Counts: count(l.snap), Files: slices.Sorted(maps.Keys(l.files)), dirs: slices.Sorted(maps.Keys(l.dirs))}
}

func count(s *model.Snapshot) []Count {
	ops, policies := 0, 0
	add := func(p *model.PolicyDoc) {
		if p != nil {
			policies++
		}
	}
	add(s.Policy)
	for _, a := range s.APIs {
		add(a.Policy)
		ops += len(a.Operations)
		for _, o := range a.Operations {
			add(o.Policy)
		}
	}
	for _, p := range s.Products {
		add(p.Policy)
	}
	served := []Count{
		{"APIs", len(s.APIs), true}, {"operations", ops, true}, {"policies", policies, true},
		{"policy fragments", len(s.Fragments), true}, {"products", len(s.Products), true},
		{"subscriptions", len(s.Subscriptions), true}, {"named values", len(s.NamedValues), true},
		{"backends", len(s.Backends), true}, {"version sets", len(s.VersionSets), true},
		{"groups", len(s.Groups), false}, {"tags", len(s.Tags), false}, {"loggers", len(s.Loggers), false},
		{"diagnostics", len(s.Diagnostics), false}, {"gateways", len(s.Gateways), false},
	}
	served = slices.DeleteFunc(served, func(c Count) bool { return c.N == 0 })
	return append(served, countKept(s.Kept)...)
}

// countKept counts kept resources by kind, ids inside the kind left out:
// "apis/chat/schemas" and "apis/echo/schemas" are both "apis schemas".
func countKept(kept []*model.Resource) []Count {
	n := map[string]int{}
	for _, r := range kept {
		parts := strings.Split(r.Kind, "/")
		label := parts[0]
		if parts[0] != "workspaces" && len(parts) > 2 {
			label += " " + parts[2]
		}
		n[label]++
	}
	var out []Count
	for _, k := range slices.Sorted(maps.Keys(n)) {
		out = append(out, Count{k, n[k], false})
	}
	return out
}
