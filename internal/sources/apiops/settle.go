package apiops

import (
	"strings"

	"sallyport/internal/model"
)

// settleReferences spells every reference as the resource it leads to is
// spelled: ARM compares ids without case, everything after this does not.
func (l *loader) settleReferences() {
	s := l.snap
	apis, products := names{}, names{}
	sets, backends, groups := names{}, names{}, names{}
	for _, a := range s.APIs {
		apis.add(a.ID)
	}
	for _, p := range s.Products {
		products.add(p.ID)
	}
	for _, v := range s.VersionSets {
		sets.add(v.ID)
	}
	for _, b := range s.Backends {
		backends.add(b.ID)
	}
	for _, g := range s.Groups {
		groups.add(g.ID)
	}
	for _, a := range s.APIs {
		sets.settle(&a.VersionSetID)
	}
	for _, p := range s.Products {
		settleLinks(p, "apis/", p.APIs, apis)
		settleLinks(p, "groups/", p.Groups, groups)
	}
	for _, b := range s.Backends {
		for i := range b.Pool {
			backends.settle(&b.Pool[i].BackendID)
		}
	}
	for _, sub := range s.Subscriptions {
		switch sub.Scope {
		case model.ScopeAPI:
			apis.settle(&sub.ScopeID)
		case model.ScopeProduct:
			products.settle(&sub.ScopeID)
		}
	}
}

// settleLinks also renames the places of the links.
func settleLinks(p *model.Product, prefix string, ids []string, known names) {
	for i := range ids {
		old := ids[i]
		known.settle(&ids[i])
		for j := range p.Places {
			if p.Places[j].Name == prefix+old {
				p.Places[j].Name = prefix + ids[i]
			}
		}
	}
}

// names maps ids without case to their spelling.
type names map[string]string

func (n names) add(id string) {
	if _, ok := n[strings.ToLower(id)]; !ok {
		n[strings.ToLower(id)] = id
	}
}

func (n names) settle(id *string) {
	if known, ok := n[strings.ToLower(*id)]; ok {
		*id = known
	}
}
