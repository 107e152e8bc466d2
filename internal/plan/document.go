package plan

import (
	"fmt"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policy"
	"sallyport/internal/policyxml"
)

// document is one compiled policy document, before inheritance.
type document struct {
	sections [exchange.NumSections]section
}

// section of a document: steps with the places where base stands.
type section struct {
	present bool
	items   []item
}

type item struct {
	base bool
	step policy.Step
	info StepInfo
	// notOnHandshake: skipped in the pipelines of WebSocket APIs.
	notOnHandshake bool
}

// compiler turns documents into steps. One is used per build.
type compiler struct {
	deps      Deps
	names     *namedValues
	fragments map[string]*model.Fragment
	backends  backendTable
	findings  *diag.List
	usedFrags map[string]bool
}

// place is where in the configuration a document stands.
type place struct {
	scope policy.Scope
	path  string // "apis/chat", for findings
	api   *model.API
	op    *model.Operation
	base  exchange.BaseURL
}

func (c *compiler) read(doc *model.PolicyDoc) *policyxml.Node {
	f := policyxml.RawXML
	if doc.Format == model.XML {
		f = policyxml.XML
	}
	root, fs := policyxml.Read(policyxml.Document{Text: doc.Text, File: doc.File, Format: f})
	*c.findings = append(*c.findings, fs...)
	if root == nil || fs.HasErrors() {
		return nil
	}
	return root
}

// compile reads and checks one document. A nil doc is a scope without policies.
func (c *compiler) compile(doc *model.PolicyDoc, at place) *document {
	d := &document{}
	if doc == nil {
		return d
	}
	root := c.read(doc)
	if root == nil {
		return d
	}
	if root.Name != "policies" {
		c.findings.Add(diag.PolicyRoot, root.Pos, at.path, "Policy section is not allowed in the specified scope").
			WithHint("the root element of a policy document is <policies>, not <%s>", root.Name)
		return d
	}
	c.text(root)
	for _, n := range root.Elements() {
		s, ok := sectionNamed(n.Name)
		if !ok {
			c.findings.Add(diag.PolicySectionUnknown, n.Pos, at.path, "'%s' is not a section of a policy document.", n.Name).
				WithHint("%s", diag.DidYouMean(n.Name, sectionNames))
			continue
		}
		if d.sections[s].present {
			c.findings.Add(diag.PolicySectionRepeated, n.Pos, at.path, "The section '%s' is written twice.", n.Name)
			continue
		}
		d.sections[s] = section{present: true, items: c.section(n, s, at)}
	}
	c.missing(d, root, at)
	return d
}

func (c *compiler) missing(d *document, root *policyxml.Node, at place) {
	for s := range d.sections {
		if !d.sections[s].present && at.scope != policy.Global {
			c.findings.Add(diag.PolicySectionMissing, root.Pos, at.path, "The document has no section '%s'; the broader scope's is inherited.", exchange.Section(s))
		}
	}
}

var sectionNames = []string{"inbound", "backend", "outbound", "on-error"}

func sectionNamed(name string) (exchange.Section, bool) {
	for i, s := range sectionNames {
		if s == name {
			return exchange.Section(i), true
		}
	}
	return 0, false
}

// text reports text directly inside an element that may only hold elements.
func (c *compiler) text(n *policyxml.Node) {
	for _, k := range n.Children {
		if k.Kind == policyxml.Text && strings.TrimSpace(k.Text) != "" {
			c.findings.Add(diag.PolicyTextNotAllowed, k.Pos, n.Name, "The element '%s' cannot contain text.", n.Name)
		}
	}
}

func (c *compiler) section(n *policyxml.Node, s exchange.Section, at place) []item {
	c.text(n)
	w := &sectionWalk{compiler: c, section: s, at: at, count: map[string]int{}}
	w.elements(n.Elements(), "")
	return w.items
}

// sectionWalk compiles the statements of one section, fragments included.
type sectionWalk struct {
	*compiler
	section exchange.Section
	at      place
	items   []item
	count   map[string]int
	bases   int
}

func (w *sectionWalk) elements(nodes []*policyxml.Node, fragment string) {
	for _, n := range nodes {
		switch n.Name {
		case "base":
			w.base(n, fragment)
		case "include-fragment":
			w.fragment(n, fragment)
		default:
			w.policy(n, fragment)
		}
	}
}

func (w *sectionWalk) base(n *policyxml.Node, fragment string) {
	switch {
	case fragment != "":
		w.findings.Add(diag.PolicyFragmentContent, n.Pos, w.at.path, "A policy fragment cannot contain 'base'.")
	case w.at.scope == policy.Global:
		w.findings.Add(diag.PolicyBaseGlobal, n.Pos, w.at.path, "'base' has no effect in the global policy document.")
	case w.bases > 0:
		w.findings.Add(diag.PolicyBaseRepeated, n.Pos, w.at.path, "Error in element 'base': a section may contain it once.")
	default:
		w.items = append(w.items, item{base: true})
	}
	w.bases++
}

func (w *sectionWalk) fragment(n *policyxml.Node, outer string) {
	if outer != "" {
		w.findings.Add(diag.PolicyFragmentContent, n.Pos, w.at.path, "A policy fragment cannot include another fragment.")
		return
	}
	e, fs := policy.Check(n, &policy.Spec{Name: "include-fragment", Attrs: []policy.Attr{{Name: "fragment-id", Required: true}}}, w.names)
	*w.findings = append(*w.findings, fs...)
	id := e.Str("fragment-id")
	if id == "" {
		return
	}
	f := w.fragments[id]
	if f == nil {
		var ids []string
		for k := range w.fragments {
			ids = append(ids, k)
		}
		w.findings.Add(diag.PolicyFragmentMissing, n.Pos, w.at.path, "Policy fragment with id '%s' could not be found.", id).
			WithHint("%s", diag.DidYouMean(id, ids))
		return
	}
	w.usedFrags[id] = true
	root := w.read(&f.Policy)
	if root == nil {
		return
	}
	if root.Name != "fragment" {
		w.findings.Add(diag.PolicyRoot, root.Pos, "policyFragments/"+id, "The root element of a policy fragment is <fragment>, not <%s>.", root.Name)
		return
	}
	w.text(root)
	w.elements(root.Elements(), id)
}

func (w *sectionWalk) policy(n *policyxml.Node, fragment string) {
	p, ok := w.deps.Registry.Lookup(n.Name)
	if !ok {
		if _, isSection := sectionNamed(n.Name); isSection {
			w.findings.Add(diag.PolicyFragmentContent, n.Pos, w.at.path, "The section '%s' cannot stand inside '%s'.", n.Name, w.section)
			return
		}
		w.findings.Add(diag.PolicyUnknown, n.Pos, w.at.path, "There is no policy '%s'.", n.Name).
			WithHint("%s", diag.DidYouMean(n.Name, append([]string{"base", "include-fragment"}, w.deps.Registry.Names()...)))
		return
	}
	if !w.allowed(n, p) {
		return
	}
	if p.Build == nil {
		w.findings.Add(diag.PolicyNotSupported, n.Pos, w.at.path, "The policy '%s' is not supported yet.", n.Name).
			WithHint("the document is refused as a whole: a policy is never skipped silently")
		return
	}
	w.count[n.Name]++
	if p.Spec.Once && w.count[n.Name] > 1 {
		w.findings.Add(diag.PolicyRepeated, n.Pos, w.at.path, "The policy '%s' may stand only once in a section.", n.Name)
	}
	e, fs := policy.Check(n, &p.Spec, w.names)
	*w.findings = append(*w.findings, fs...)
	if fs.HasErrors() {
		return
	}
	step, fs := p.Build(e, policy.Env{Scope: w.at.scope, Section: w.section, API: w.at.api, Operation: w.at.op, Tokens: w.deps.Tokens,
		Addresses: w.deps.Addresses, Backends: w.backends, Default: w.at.base})
	*w.findings = append(*w.findings, fs...)
	if step == nil {
		return
	}
	w.items = append(w.items, item{step: step, notOnHandshake: p.Spec.NotOnHandshake, info: StepInfo{
		Name: n.Name, Scope: w.at.scope, Path: fmt.Sprintf("%s[%d]", n.Name, w.count[n.Name]), PolicyID: e.ID, Pos: n.Pos,
	}})
}

func (w *sectionWalk) allowed(n *policyxml.Node, p *policy.Policy) bool {
	if !p.Spec.Sections.Has(w.section) {
		w.findings.Add(diag.PolicySectionNotAllowed, n.Pos, w.at.path, "Policy is not allowed in the specified section: '%s' in '%s'.", n.Name, w.section).
			WithHint("allowed in: %s", listSections(p.Spec.Sections))
		return false
	}
	if !p.Spec.Scopes.Has(w.at.scope) {
		w.findings.Add(diag.PolicyScopeNotAllowed, n.Pos, w.at.path, "Policy is not allowed in the specified scope: '%s' at %s scope.", n.Name, w.at.scope)
		return false
	}
	return w.onHandshake(n, p)
}

func listSections(ss policy.Sections) string {
	var names []string
	for i, n := range sectionNames {
		if ss.Has(exchange.Section(i)) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
