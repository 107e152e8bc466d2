package apiops

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/sources/internal/tree"
)

// overrides is what the override files say, merged in the order they are named.
type overrides struct {
	serviceName string
	sections    map[string][]*entry
}

// entry overrides one resource: {name, properties, and nested sections}.
type entry struct {
	name       string
	pos        diag.Pos
	filled     bool // the name came from a token
	properties *tree.Node
	sections   map[string][]*entry
	used       bool
}

// section describes which keys an entry may hold beside name and properties.
type section struct {
	name string
	sub  []section
	raw  bool // entries are kept as they are: the kind is not served yet
}

// overrideSections is the publisher configuration of APIOps.
func overrideSections() []section {
	policies := section{name: "policies"}
	return []section{
		{name: "namedValues"}, {name: "backends"}, {name: "subscriptions"}, {name: "loggers"},
		{name: "diagnostics"}, {name: "gateways"}, {name: "versionSets"}, {name: "groups"}, {name: "tags"},
		{name: "policyFragments"}, policies,
		{name: "products", sub: []section{policies}},
		{name: "apis", sub: []section{{name: "diagnostics"}, {name: "operations", sub: []section{policies}}, policies, {name: "releases"}, {name: "schemas"}}},
		{name: "workspaces", raw: true},
	}
}

func (l *loader) readOverrides() {
	l.over = &overrides{sections: map[string][]*entry{}}
	for _, name := range l.opts.Overrides {
		l.readOverrideFile(name)
	}
}

func (l *loader) readOverrideFile(name string) {
	data, err := l.readOverride(name)
	if err != nil {
		l.addReadError(diag.Pos{File: name}, "", err)
		return
	}
	l.files[name] = true
	doc := l.parseOverride(data, name)
	if doc == nil {
		return
	}
	r := tree.Read(doc, "", &l.out)
	if s := r.String("apimServiceName"); s != "" {
		l.over.serviceName = s
	}
	known := []string{"apimServiceName"}
	for _, sec := range overrideSections() {
		known = append(known, sec.name)
		l.over.sections[sec.name] = l.readSection(doc, sec, "", l.over.sections[sec.name])
	}
	l.reportUnknownKeys(doc, known)
}

func (l *loader) reportUnknownKeys(n *tree.Node, known []string) {
	for _, m := range n.Members {
		if !slices.Contains(known, m.Name) {
			f := l.out.Add(diag.OverrideKey, m.Pos, "", "key '%s' is not known here", unmask(m.Name))
			if f.Hint = diag.DidYouMean(m.Name, known); f.Hint == "" {
				f.Hint = "known: " + strings.Join(known, ", ")
			}
		}
	}
}

// readSection reads one list of entries and lays it over what earlier files said.
func (l *loader) readSection(n *tree.Node, sec section, at string, into []*entry) []*entry {
	v := n.Get(sec.name)
	if v.IsNull() {
		return into
	}
	at += sec.name
	if v.Kind != tree.List {
		l.out.Add(diag.OverrideShape, v.Pos, at, "'%s' must be a list of entries with a name, not %s", at, v.Kind)
		return into
	}
	for _, it := range v.Items {
		e := l.readEntry(it, sec, at)
		if e == nil {
			continue
		}
		if old := lookup(into, e.name); old != nil {
			old.merge(e)
			continue
		}
		into = append(into, e)
	}
	return into
}

func (l *loader) readEntry(n *tree.Node, sec section, at string) *entry {
	if n.Kind != tree.Object {
		l.out.Add(diag.OverrideShape, n.Pos, at, "an entry of '%s' must be an object with a name, not %s", at, n.Kind)
		return nil
	}
	name := n.Get("name")
	if name == nil || name.Kind != tree.String || name.Text == "" {
		l.out.Add(diag.OverrideShape, n.Pos, at, "an entry of '%s' needs a name", at)
		return nil
	}
	e := &entry{name: name.Text, pos: name.Pos, filled: name.Filled, sections: map[string][]*entry{}}
	if p := n.Get("properties"); !p.IsNull() {
		if p.Kind != tree.Object {
			l.out.Add(diag.OverrideShape, p.Pos, at, "'properties' must be an object, not %s", p.Kind)
		} else {
			e.properties = p
		}
	}
	if sec.raw {
		return e
	}
	known := []string{"name", "properties"}
	for _, sub := range sec.sub {
		known = append(known, sub.name)
		e.sections[sub.name] = l.readSection(n, sub, at+"["+e.shownName()+"].", nil)
	}
	l.reportUnknownKeys(n, known)
	return e
}

// shownName keeps token values out of findings.
func (e *entry) shownName() string {
	if e.filled {
		return "…"
	}
	return e.name
}

func (e *entry) merge(later *entry) {
	e.properties = tree.Merge(e.properties, later.properties)
	for name, list := range later.sections {
		for _, sub := range list {
			if old := lookup(e.sections[name], sub.name); old != nil {
				old.merge(sub)
			} else {
				e.sections[name] = append(e.sections[name], sub)
			}
		}
	}
}

func lookup(list []*entry, name string) *entry {
	for _, e := range list {
		if strings.EqualFold(e.name, name) {
			return e
		}
	}
	return nil
}

// top returns a section of the file, whose entries are then found by take.
func (o *overrides) top(name string) []*entry { return o.sections[name] }

// take finds the override of a resource and notes that it was used.
func take(list []*entry, name string) *entry {
	e := lookup(list, name)
	if e != nil {
		e.used = true
	}
	return e
}

// sub returns a nested section; a nil entry has none.
func (e *entry) sub(name string) []*entry {
	if e == nil {
		return nil
	}
	return e.sections[name]
}

// reportUnused reports entries that named nothing. known are the names that
// would have been found; noun is the word for the resource.
func (l *loader) reportUnused(list []*entry, noun string, known []string) {
	for _, e := range list {
		if e.used {
			continue
		}
		if e.filled {
			l.out.Add(diag.OverrideUnknown, e.pos, "", "there is no %s of this name (the name comes from a token)", noun)
			continue
		}
		l.out.Add(diag.OverrideUnknown, e.pos, "", "there is no %s '%s'", noun, e.name).Hint = diag.DidYouMean(e.name, known)
	}
}

// reportUnusedOverrides checks the top-level sections once everything is read.
func (l *loader) reportUnusedOverrides() {
	nouns := []struct{ section, noun, kind string }{
		{"namedValues", "named value", "namedValues"}, {"backends", "backend", "backends"},
		{"subscriptions", "subscription", "subscriptions"}, {"loggers", "logger", "loggers"},
		{"diagnostics", "diagnostic", "diagnostics"}, {"gateways", "gateway", "gateways"},
		{"versionSets", "version set", "apiVersionSets"}, {"groups", "group", "groups"}, {"tags", "tag", "tags"},
		{"policyFragments", "policy fragment", "policyFragments"}, {"products", "product", "products"},
		{"apis", "API", "apis"}, {"workspaces", "workspace", "workspaces"},
	}
	for _, n := range nouns {
		l.reportUnused(l.over.top(n.section), n.noun, l.ids[n.kind])
	}
}
