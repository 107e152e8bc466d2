package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"slices"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policy"
)

// Report tells what a build did.
type Report struct {
	Findings diag.List
	Compiled int // APIs compiled anew
	Reused   int // APIs taken from the previous plan
}

// Build compiles a snapshot. APIs whose inputs did not change are taken from
// prev (nil for the first build). With errors among the findings the plan is
// still returned, for tools that want to look at the rest of it; a caller that
// serves traffic must not use it.
func Build(prev *Plan, s *model.Snapshot, d Deps) (*Plan, Report) {
	var r Report
	b := &builder{snapshot: s, prev: prev, report: &r}
	b.compiler = &compiler{deps: d, names: newNamedValues(s.NamedValues), fragments: map[string]*model.Fragment{}, findings: &r.Findings, usedFrags: map[string]bool{}}
	for _, f := range s.Fragments {
		b.fragments[f.ID] = f
	}
	b.backends = buildBackends(s, b.names, d, &r.Findings)
	p := &Plan{Snapshot: s, backends: b.backends, keys: buildKeys(prev, s.Subscriptions), cache: map[string]*API{}, Transport: d.Transport(true, true), Hider: b.names.hider()}
	if prev != nil {
		p.Generation = prev.Generation + 1
	} else {
		p.Generation = 1
	}
	b.common(s, d)
	p.base = b.base
	p.Global = pipeline([]*document{b.global})
	for _, a := range s.APIs {
		api := b.api(a)
		api.Index = len(p.APIs)
		p.APIs = append(p.APIs, api)
		p.cache[a.Name()] = api
		runtime.Gosched() // requests that wait for the processor go first
	}
	p.routes = buildRoutes(d.Hostnames, p.APIs, s.VersionSets)
	b.unused()
	if prev != nil {
		gone(prev.Snapshot, s, &r.Findings)
	}
	b.names.redact(r.Findings)
	r.Findings.Sort()
	return p, r
}

// builder holds what the APIs of one build share.
type builder struct {
	*compiler
	snapshot *model.Snapshot
	prev     *Plan
	report   *Report
	global   *document
	products map[string]*document
	// containing lists the products of an API, in their order.
	containing map[string][]*model.Product
	base       string // digest of everything that any API may depend on
}

// common compiles what all APIs inherit and digests what they may refer to.
func (b *builder) common(s *model.Snapshot, d Deps) {
	global := s.Policy
	if global == nil {
		global = defaultGlobal
	}
	b.global = b.compile(global, place{scope: policy.Global, path: "policies"})
	b.products = make(map[string]*document, len(s.Products))
	b.containing = make(map[string][]*model.Product, len(s.APIs))
	h := sha256.New()
	docHash(h, global)
	for _, p := range s.Products {
		b.products[p.ID] = b.compile(p.Policy, place{scope: policy.Product, path: "products/" + p.ID})
		fmt.Fprintf(h, "product %q %v %q\n", p.ID, p.SubscriptionRequired, p.APIs)
		docHash(h, p.Policy)
		for _, id := range p.APIs {
			if in := b.containing[id]; len(in) == 0 || in[len(in)-1] != p { // an API named twice is in it once
				b.containing[id] = append(in, p)
			}
		}
	}
	for _, f := range s.Fragments {
		fmt.Fprintf(h, "fragment %q ", f.ID)
		docHash(h, &f.Policy)
	}
	for _, v := range s.NamedValues {
		fmt.Fprintf(h, "value %q %v %q\n", v.DisplayName, v.Secret, v.Value.Reveal())
	}
	for _, be := range s.Backends {
		fmt.Fprintf(h, "backend %q %q %s\n", be.ID, be.URL, be.Properties)
		backendHash(h, b.backends[be.ID])
	}
	fmt.Fprintf(h, "hosts %q\n", d.Hostnames)
	b.base = hex.EncodeToString(h.Sum(nil))
}

// defaultGlobal is the document of a new service (Azure documentation:
// Policies in Azure API Management).
var defaultGlobal = &model.PolicyDoc{Format: model.RawXML, Text: `<policies>
  <inbound />
  <backend>
    <forward-request />
  </backend>
  <outbound />
  <on-error />
</policies>`}

func docHash(w io.Writer, d *model.PolicyDoc) {
	if d != nil {
		fmt.Fprintf(w, "doc %q %q\n", d.Format, d.Text)
	}
}

// backendHash adds the credentials of a backend: they are no part of its
// properties, and steps hold them.
func backendHash(w io.Writer, e *exchange.BackendEntity) {
	if e == nil { // refused, with a finding
		return
	}
	for _, list := range [][]exchange.Credential{e.Header, e.Query} {
		for _, c := range list {
			for _, v := range c.Values {
				fmt.Fprintf(w, "credential %q %q\n", c.Name, v.Reveal())
			}
		}
		fmt.Fprintln(w, "end")
	}
	fmt.Fprintf(w, "authorization %q identity %q %q\n", e.Authorization.Reveal(), e.IdentityResource, e.IdentityClientID)
}

// api compiles one API, or takes it from the previous plan.
func (b *builder) api(m *model.API) *API {
	sum := sha256.Sum256([]byte(b.base + m.Hash + m.Name() + m.ServiceURL))
	hash := hex.EncodeToString(sum[:])
	if b.prev != nil && m.Hash != "" {
		if old, ok := b.prev.cache[m.Name()]; ok && old.hash == hash {
			b.report.Reused++
			again := *old // pipelines and trees are shared; the model is this snapshot's
			again.Model = m
			b.rebind(&again)
			*b.findings = append(*b.findings, again.findings...)
			return &again
		}
	}
	before, seen := b.findings.Count(diag.Error), len(*b.findings)
	a := &API{Model: m}
	b.serviceURL(a)
	b.linkProducts(a)
	b.pipelines(a)
	b.operations(a)
	if b.findings.Count(diag.Error) == before {
		a.hash = hash // only a sound API may be re-used
		a.findings = slices.Clone((*b.findings)[seen:])
	}
	b.report.Compiled++
	return a
}

// rebind points the shared operations of a re-used API at the new snapshot's
// products; operations keep the models they were compiled with, whose content
// is the same by hash.
func (b *builder) rebind(a *API) { b.linkProducts(a) }

func (b *builder) serviceURL(a *API) {
	path := "apis/" + a.Model.Name()
	url := b.names.fill(a.Model.ServiceURL, a.Model.Pos, path, b.findings)
	if url == "" {
		return
	}
	base, err := exchange.ParseBaseURL(url)
	if err != nil {
		b.findings.Add(diag.PolicyServiceURL, a.Model.Pos, path, "The service URL '%s' cannot be used: %v.", url, err)
		return
	}
	a.Base = base
	a.Transport = b.deps.Transport(true, true)
}

// linkProducts finds the products of an API; slot 0 is "no product".
func (b *builder) linkProducts(a *API) {
	a.Products, a.Open = nil, nil
	for _, p := range b.containing[a.Model.ID] {
		pr := &Product{Model: p, slot: len(a.Products) + 1}
		a.Products = append(a.Products, pr)
		if !p.SubscriptionRequired && a.Open == nil {
			a.Open = pr
		}
	}
	a.byProduct = nil
	if len(a.Products) >= indexFrom {
		a.byProduct = make(map[string]*Product, len(a.Products))
		for _, pr := range a.Products {
			a.byProduct[pr.Model.ID] = pr
		}
	}
}

func (b *builder) pipelines(a *API) {
	own := b.compile(a.Model.Policy, place{scope: policy.API, path: "apis/" + a.Model.Name(), api: a.Model, base: a.Base})
	a.pipelines = b.forProducts(a, own)
	for _, op := range a.Model.Operations {
		c := &Operation{Model: op, pipelines: a.pipelines}
		if op.Policy != nil {
			doc := b.compile(op.Policy, place{scope: policy.Operation, path: "apis/" + a.Model.Name() + "/operations/" + op.ID, api: a.Model, op: op, base: a.Base})
			c.pipelines = b.forProducts(a, own, doc)
		}
		a.ops = append(a.ops, c)
	}
	b.noForward(a)
}

// forProducts makes the pipeline for "no product" and for each product.
func (b *builder) forProducts(a *API, narrow ...*document) []*Pipeline {
	flat := func(docs ...*document) *Pipeline {
		if docs = append(docs, narrow...); a.Model.IsWebSocket() {
			docs = forHandshake(docs)
		}
		return pipeline(docs)
	}
	ps := []*Pipeline{flat(b.global)}
	for _, p := range a.Products {
		ps = append(ps, flat(b.global, b.products[p.Model.ID]))
	}
	return ps
}

func (b *builder) noForward(a *API) {
	for _, p := range a.pipelines {
		if !slices.ContainsFunc(p.Sections[exchange.Backend].Infos, func(i StepInfo) bool { return i.Name == "forward-request" }) {
			pos := a.Model.Pos
			if a.Model.Policy != nil {
				pos = diag.Pos{File: a.Model.Policy.File, Line: 1, Col: 1}
			}
			b.findings.Add(diag.PolicyNoForward, pos, "apis/"+a.Model.Name(), "The effective backend section of API '%s' has no forward-request.", a.Model.Name())
			return
		}
	}
}

func (b *builder) operations(a *API) {
	for _, op := range a.ops {
		t, err := parseTemplate(op.Model.URLTemplate)
		if err != nil {
			b.findings.Add(diag.PolicyURLTemplate, op.Model.Pos, "apis/"+a.Model.Name()+"/operations/"+op.Model.ID, "The URL template '%s' cannot be used: %v.", op.Model.URLTemplate, err)
			continue
		}
		op.query, op.template = t.query, t
		a.tree.add(t, op)
	}
	a.tree.index()
}

// unused compiles fragments that no document includes, so that their faults
// are found when they are saved and not when they are first used.
func (b *builder) unused() {
	for id, f := range b.fragments {
		if b.usedFrags[id] || (b.prev != nil && b.prev.base == b.base) {
			continue
		}
		if root := b.read(&f.Policy); root != nil && root.Name != "fragment" {
			b.findings.Add(diag.PolicyRoot, root.Pos, "policyFragments/"+id, "The root element of a policy fragment is <fragment>, not <%s>.", root.Name)
		}
	}
}

// pipeline flattens documents, broad to narrow, into steps.
func pipeline(docs []*document) *Pipeline {
	p := &Pipeline{}
	for s := range p.Sections {
		p.Sections[s] = flatten(docs, s)
	}
	for _, step := range p.Sections[exchange.Inbound].Steps {
		if pf, ok := step.(policy.Preflighter); ok {
			p.Preflight = append(p.Preflight, pf)
		}
	}
	return p
}

// flatten expands base by position, starting from the narrowest document
// (Azure documentation: Set or edit policies, "Use base element"). A section
// that a document leaves out is inherited; that is inferred, and this is the
// line to change.
func flatten(docs []*document, s int) Steps {
	if len(docs) == 0 {
		return Steps{}
	}
	last := docs[len(docs)-1].sections[s]
	if !last.present {
		return flatten(docs[:len(docs)-1], s)
	}
	var out Steps
	for _, it := range last.items {
		if it.base {
			broader := flatten(docs[:len(docs)-1], s)
			out.Steps = append(out.Steps, broader.Steps...)
			out.Infos = append(out.Infos, broader.Infos...)
			continue
		}
		out.Steps = append(out.Steps, it.step)
		out.Infos = append(out.Infos, it.info)
	}
	return out
}
