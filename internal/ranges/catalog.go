package ranges

import (
	_ "embed" // the snapshot of East US
	"fmt"
	"slices"
	"time"

	"sallyport/internal/diag"
)

// The feed's state of May 2026; see data/README.md.
//
//go:embed data/databricks-azure-eastus.json
var embedded string

// EmbeddedSource is the Source of lists that come with the program.
const EmbeddedSource = "embedded:databricks-azure-eastus.json"

// Embedded returns the lists that come with the program: Databricks in Azure
// East US, both directions, as of May 2026.
func Embedded() (*Feed, error) {
	feed, found := Parse([]byte(embedded), Origin{
		Source: EmbeddedSource, Embedded: true,
		Taken: time.Date(2026, time.May, 4, 0, 0, 0, 0, time.UTC),
	})
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read embedded address ranges: %w", err)
	}
	return feed, nil
}

// Catalog finds lists by name in several feeds. It is a value: adding a feed
// gives a new catalog, so that a refresh can be swapped in as a whole. The
// zero value knows no list.
type Catalog struct {
	feeds []*Feed // later ones win
}

// NewCatalog puts feeds in rising priority, the embedded one usually first.
func NewCatalog(feeds ...*Feed) Catalog { return Catalog{feeds: slices.Clone(feeds)} }

// With returns a catalog in which f has the last word.
func (c Catalog) With(f *Feed) Catalog {
	return Catalog{feeds: append(slices.Clone(c.feeds), f)}
}

// Names lists every name that can be resolved, sorted.
func (c Catalog) Names() []string {
	var all []string
	for _, f := range c.feeds {
		all = append(all, f.Names()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Group returns the list from the newest feed that has it. A list that is
// faulty there is not taken from an older feed instead: who applies lists
// keeps the last good one and reports the fault.
func (c Catalog) Group(name string) (Group, diag.List) {
	for _, f := range slices.Backward(c.feeds) {
		if f.Has(name) {
			return f.Group(name)
		}
	}
	onlyEmbedded := !slices.ContainsFunc(c.feeds, func(f *Feed) bool { return !f.Embedded })
	return Group{}, unknownList(name, c.Names(), onlyEmbedded, diag.Pos{})
}

// Resolve returns the set an ip-filter names. The error is a *ListError.
func (c Catalog) Resolve(name string) (*Set, Info, error) {
	g, found := c.Group(name)
	if found.HasErrors() {
		i := slices.IndexFunc(found, func(f diag.Finding) bool { return f.Severity == diag.Error })
		return nil, Info{}, &ListError{Name: name, Finding: found[i]}
	}
	return g.Set, g.Info, nil
}

// ListError says why a named list cannot be used. Its finding carries code,
// message and hint apart, for those who report at a place of their own.
type ListError struct {
	Name    string
	Finding diag.Finding
}

func (e *ListError) Error() string { return "address list " + clip(e.Name) + ": " + e.Finding.String() }
