package model

import (
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// Validate checks the rules that hold across the resources of s. The findings
// are sorted; s is not changed.
func Validate(s *Snapshot) diag.List {
	v := &validator{s: s}
	v.sets = index(v, "apiVersionSets", s.VersionSets, func(x *VersionSet) (string, diag.Pos) { return x.ID, x.Pos })
	v.productByID = index(v, "products", s.Products, func(x *Product) (string, diag.Pos) { return x.ID, x.Pos })
	v.backendByID = index(v, "backends", s.Backends, func(x *Backend) (string, diag.Pos) { return x.ID, x.Pos })
	v.groups = index(v, "groups", s.Groups, func(x *Resource) (string, diag.Pos) { return x.ID, x.Pos })
	index(v, "policyFragments", s.Fragments, func(x *Fragment) (string, diag.Pos) { return x.ID, x.Pos })
	index(v, "subscriptions", s.Subscriptions, func(x *Subscription) (string, diag.Pos) { return x.ID, x.Pos })
	index(v, "namedValues", s.NamedValues, func(x *NamedValue) (string, diag.Pos) { return x.ID, x.Pos })
	v.revisions()
	v.paths()
	for _, a := range s.APIs {
		v.api(a)
		v.operations(a)
	}
	v.versionSets()
	v.products()
	v.subscriptions()
	v.namedValues()
	v.backends()
	v.out.Sort()
	return v.out
}

// validator carries one run of Validate. Its maps are keyed by ids in lower
// case: ARM compares ids without case.
type validator struct {
	s           *Snapshot
	out         diag.List
	current     map[string]*API
	sets        map[string]*VersionSet
	productByID map[string]*Product
	backendByID map[string]*Backend
	groups      map[string]*Resource
}

func fold(id string) string { return strings.ToLower(id) }

// index makes a map by id and reports ids that two resources share.
func index[T any](v *validator, kind string, list []T, id func(T) (string, diag.Pos)) map[string]T {
	m := make(map[string]T, len(list))
	for _, x := range list {
		name, pos := id(x)
		if first, taken := m[fold(name)]; taken {
			other, at := id(first)
			v.out.Add(diag.RuleDuplicateID, pos, kind+"/"+name, "id '%s' is taken by '%s' (%s)", name, other, at)
			continue
		}
		m[fold(name)] = x
	}
	return m
}

// names lists the ids of an index in their own spelling, for did-you-mean.
func names[T any](list []T, id func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = id(x)
	}
	return out
}

// length reports a text that is longer than ARM allows.
func (v *validator) length(pos diag.Pos, res, property, text string, limit int) {
	if n := utf8.RuneCountInString(text); n > limit {
		v.out.Add(diag.RuleLength, pos, res, "'%s' has %d characters, at most %d are allowed", property, n, limit)
	}
}
