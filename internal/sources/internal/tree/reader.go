package tree

import (
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// Reader takes typed values out of an Object and reports what does not fit.
// Absent and null are the same, as they are to ARM.
type Reader struct {
	node *Node
	at   string // dotted path of node, for messages
	path string // the resource, for findings
	out  *diag.List
}

// Read returns a reader of n, which belongs to the resource called path.
// When n is not an object that is a finding and the reader is empty.
func Read(n *Node, path string, out *diag.List) Reader {
	r := Reader{path: path, out: out}
	if n == nil || n.Kind == Object {
		r.node = n
		return r
	}
	out.Add(diag.SourceType, n.Pos, path, "an object is expected here, not %s", n.Kind)
	r.node = &Node{Kind: Object, Pos: n.Pos}
	return r
}

// Node returns what r reads.
func (r Reader) Node() *Node { return r.node }

// Has reports whether the property is there and not null.
func (r Reader) Has(name string) bool { return !r.node.Get(name).IsNull() }

// Pos is the position of the property's value, or of the object without it.
func (r Reader) Pos(name string) diag.Pos {
	if v := r.node.Get(name); v != nil {
		return v.Pos
	}
	if r.node != nil {
		return r.node.Pos
	}
	return diag.Pos{}
}

// get returns the property when it has kind k, and reports another kind.
func (r Reader) get(name string, k Kind) *Node {
	v := r.node.Get(name)
	if v.IsNull() {
		return nil
	}
	if v.Kind == k || v.Filled && k <= String {
		return v
	}
	f := r.out.Add(diag.SourceType, v.Pos, r.path, "property '%s' must be %s, not %s", r.at+name, k, v.Kind)
	if k == String && v.Kind != List && v.Kind != Object {
		f.WithHint("put the value in quotes")
	}
	return nil
}

// String returns a text property, or "".
func (r Reader) String(name string) string {
	if v := r.get(name, String); v != nil {
		return v.Text
	}
	return ""
}

// Show returns a text property for a finding: what came from outside the file
// (a token, a variable) may be a secret and is not shown.
func (r Reader) Show(name string) string {
	v := r.node.Get(name)
	switch {
	case v == nil:
		return ""
	case v.Filled:
		return "…"
	default:
		return v.Text
	}
}

// Secret returns a text property whose characters are never shown.
func (r Reader) Secret(name string) secret.Text { return secret.New(r.String(name)) }

// Need returns a text property that must be there and not be empty.
func (r Reader) Need(name string) string {
	s := r.String(name)
	if s == "" && (!r.Has(name) || r.node.Get(name).Kind == String) {
		r.Missing(name)
	}
	return s
}

// Missing reports that a required property is not there.
func (r Reader) Missing(name string) {
	r.out.Add(diag.SourceMissing, r.Pos(name), r.path, "property '%s' is required", r.at+name)
}

// Bool returns a boolean property, or def.
func (r Reader) Bool(name string, def bool) bool {
	v := r.get(name, Bool)
	if v == nil {
		return def
	}
	b, err := strconv.ParseBool(strings.ToLower(v.Text))
	if err != nil {
		r.out.Add(diag.SourceType, v.Pos, r.path, "property '%s' must be %s", r.at+name, Bool)
		return def
	}
	return b
}

// Int returns a whole number, or def.
func (r Reader) Int(name string, def int) int {
	v := r.get(name, Number)
	if v == nil {
		return def
	}
	i, err := strconv.Atoi(v.Text)
	if err != nil {
		r.out.Add(diag.SourceType, v.Pos, r.path, "property '%s' must be a whole number", r.at+name)
		return def
	}
	return i
}

// OneOf returns a text property that must be one of known, compared without
// case and returned in the known spelling; def when it is absent.
func (r Reader) OneOf(name, def string, known ...string) string {
	v := r.get(name, String)
	if v == nil {
		return def
	}
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, v.Text) }); i >= 0 {
		return known[i]
	}
	list := strings.Join(known, ", ")
	if v.Filled {
		r.out.Add(diag.SourceValue, v.Pos, r.path, "property '%s' must be one of %s", r.at+name, list)
		return def
	}
	f := r.out.Add(diag.SourceValue, v.Pos, r.path, "property '%s' must be one of %s, not '%s'", r.at+name, list, v.Text)
	f.Hint = diag.DidYouMean(v.Text, known)
	return def
}

// List returns the items of a list property.
func (r Reader) List(name string) []*Node {
	if v := r.get(name, List); v != nil {
		return v.Items
	}
	return nil
}

// Strings returns a list of texts.
func (r Reader) Strings(name string) []string {
	var out []string
	for i, it := range r.List(name) {
		if it.Kind != String {
			r.out.Add(diag.SourceType, it.Pos, r.path, "property '%s[%d]' must be %s, not %s", r.at+name, i, String, it.Kind)
			continue
		}
		out = append(out, it.Text)
	}
	return out
}

// Sub returns a reader of an object property. Its Node is nil when the property
// is absent; when it is something else, that is reported once and the reader is
// empty and silent.
func (r Reader) Sub(name string) Reader {
	v := r.get(name, Object)
	if v == nil && r.Has(name) {
		return r.silent(r.Pos(name))
	}
	return Reader{node: v, at: r.at + name + ".", path: r.path, out: r.out}
}

// Item returns a reader of the i-th item of the list property called name.
func (r Reader) Item(name string, i int, n *Node) Reader {
	at := r.at + name + "[" + strconv.Itoa(i) + "]"
	if n.Kind != Object {
		r.out.Add(diag.SourceType, n.Pos, r.path, "property '%s' must be %s, not %s", at, Object, n.Kind)
		return r.silent(n.Pos)
	}
	return Reader{node: n, at: at + ".", path: r.path, out: r.out}
}

// silent stands in for an object that is something else: what it lacks is not
// worth another finding.
func (r Reader) silent(pos diag.Pos) Reader {
	return Reader{node: &Node{Kind: Object, Pos: pos}, path: r.path, out: new(diag.List)}
}

// Known warns about property names that are not in the list but look like a
// slip of one that is. Other unknown properties are legal: APIM grows.
func (r Reader) Known(names ...string) {
	if r.node == nil {
		return
	}
	for _, m := range r.node.Members {
		if slices.Contains(names, m.Name) {
			continue
		}
		if near := diag.Suggest(m.Name, names); near != "" && r.node.Get(near) == nil {
			r.out.Add(diag.SourceNearMiss, m.Pos, r.path, "property '%s' is not known", r.at+m.Name).WithHint("did you mean '%s'?", near)
		}
	}
}
