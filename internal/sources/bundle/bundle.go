// Package bundle reads model serving endpoints from a Databricks Asset Bundle.
// It knows nothing of how endpoints are called or where secrets are kept; other
// resources of a bundle are not its business.
// Start at Load: files.go gathers the document, interpolate.go fills in
// ${…}, endpoint.go and its neighbours check what is read.
package bundle

import (
	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// Options of Load.
type Options struct {
	// Variables gives values that win over the bundle's own (BUNDLE_VAR_x).
	Variables func(name string) (string, bool)
	// Target to read; "" is the default target.
	Target string
	// AllowInsecureLoopback accepts plain http to the loopback address, which
	// Databricks itself refuses.
	AllowInsecureLoopback bool
	// Folder is told every folder that files came, or could come, from, so that
	// they can be watched; may be nil.
	Folder func(dir string)
}

// Load reads the bundle in file with everything it includes.
func Load(file string, opts Options) ([]*model.ServingEndpoint, diag.List) {
	if opts.Variables == nil {
		opts.Variables = func(string) (string, bool) { return "", false }
	}
	if opts.Folder == nil {
		opts.Folder = func(string) {}
	}
	l := &loader{opts: opts}
	endpoints := l.run(file)
	l.out.Sort()
	return endpoints, l.out
}

// loader carries one run of Load.
type loader struct {
	opts   Options
	out    diag.List
	root   *tree.Node // the whole document, target applied
	target string
}

func (l *loader) run(file string) []*model.ServingEndpoint {
	doc := l.gather(file)
	if doc == nil {
		return nil
	}
	l.root = doc
	if !l.chooseTarget() {
		return nil
	}
	resources := tree.Read(l.root.Get("resources"), "resources", &l.out)
	l.checkResourceKinds(resources)
	list := tree.Read(l.interpolated(l.root.Get("resources").Get("model_serving_endpoints")), "resources.model_serving_endpoints", &l.out)
	var out []*model.ServingEndpoint
	names := map[string]string{}
	for _, key := range list.Node().Names() {
		e := l.endpoint(key, list.Node().Get(key))
		if e == nil {
			continue
		}
		if first, taken := names[e.Name]; taken && e.Name != "" {
			l.out.Add(diag.ServingDuplicate, e.Pos, resPath(key), "endpoint name '%s' is taken by '%s'", e.Name, first)
		}
		names[e.Name] = key
		out = append(out, e)
	}
	return out
}

func resPath(key string) string { return "model_serving_endpoints/" + key }

// checkResourceKinds mentions secret scopes and slips of the keys. Jobs,
// pipelines and the like belong to other tools.
func (l *loader) checkResourceKinds(r tree.Reader) {
	ours := []string{"model_serving_endpoints", "secret_scopes"}
	if r.Node() == nil {
		return
	}
	for _, m := range r.Node().Members {
		switch {
		case m.Name == "secret_scopes":
			for _, s := range m.Value.Names() {
				l.out.Add(diag.ServingScope, m.Pos, "secret_scopes/"+s, "secret scope '%s' is kept; its secrets are not part of a bundle", s)
			}
		case m.Name != ours[0]:
			if near := diag.Suggest(m.Name, ours); near != "" {
				l.out.Add(diag.ServingUnknownField, m.Pos, "resources", "resource kind '%s' is not known", m.Name).WithHint("did you mean '%s'?", near)
			}
		}
	}
}

// known warns about fields that are not in the list.
func (l *loader) known(r tree.Reader, res string, fields ...string) {
	if r.Node() == nil {
		return
	}
	for _, m := range r.Node().Members {
		found := false
		for _, f := range fields {
			found = found || f == m.Name
		}
		if !found {
			l.out.Add(diag.ServingUnknownField, m.Pos, res, "field '%s' is not known here and has no effect", m.Name).Hint = diag.DidYouMean(m.Name, fields)
		}
	}
}
