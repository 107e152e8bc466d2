package bundle

import (
	"regexp"
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/sources/internal/tree"
)

// reference is ${path}; a path has names, dots and list positions.
var reference = regexp.MustCompile(`\$\{([a-zA-Z][\w.\[\]-]*)\}`)

// opening finds ${ that is no reference.
var opening = regexp.MustCompile(`\$\{[^}]*\}?`)

const maxChain = 20

// interpolated returns n with every ${…} replaced.
func (l *loader) interpolated(n *tree.Node) *tree.Node { return l.fill(n, nil) }

// fill replaces references; open are the paths being followed.
func (l *loader) fill(n *tree.Node, open []string) *tree.Node {
	if n == nil {
		return nil
	}
	out := *n
	switch n.Kind {
	case tree.Object:
		out.Members = slices.Clone(n.Members)
		for i, m := range out.Members {
			out.Members[i].Value = l.fill(m.Value, open)
		}
	case tree.List:
		out.Items = slices.Clone(n.Items)
		for i, it := range out.Items {
			out.Items[i] = l.fill(it, open)
		}
	case tree.String:
		return l.fillText(n, open)
	}
	return &out
}

func (l *loader) fillText(n *tree.Node, open []string) *tree.Node {
	if !strings.Contains(n.Text, "${") {
		return n
	}
	if m := reference.FindStringSubmatch(n.Text); m != nil && m[0] == n.Text {
		// A text that is nothing but a reference takes over the type as well.
		if v := l.lookup(m[1], n.Pos, open); v != nil {
			whole := *v
			whole.Pos = n.Pos
			return &whole
		}
		return &tree.Node{Kind: tree.String, Pos: n.Pos, Filled: true}
	}
	out := *n
	out.Text = reference.ReplaceAllStringFunc(n.Text, func(s string) string {
		v := l.lookup(s[2:len(s)-1], n.Pos, open)
		switch {
		case v == nil:
			return ""
		case v.Kind == tree.List || v.Kind == tree.Object:
			l.out.Add(diag.ServingInterpolation, n.Pos, "", "%s is %s and cannot be part of a text", s, v.Kind)
			return ""
		}
		out.Filled = out.Filled || v.Filled
		return v.Text
	})
	rest := reference.ReplaceAllString(n.Text, "")
	if bad := opening.FindString(rest); bad != "" {
		l.out.Add(diag.ServingInterpolation, n.Pos, "", "'%s' is not a reference", bad)
	}
	return &out
}

// lookup returns what a reference stands for, or nil with a finding.
func (l *loader) lookup(path string, pos diag.Pos, open []string) *tree.Node {
	if slices.Contains(open, path) || len(open) >= maxChain {
		l.out.Add(diag.ServingInterpolation, pos, "", "${%s} refers to itself", path)
		return nil
	}
	open = append(slices.Clone(open), path)
	if name, ok := strings.CutPrefix(path, "var."); ok {
		return l.variable(name, pos, open)
	}
	if path == "bundle.target" || path == "bundle.environment" {
		return &tree.Node{Kind: tree.String, Text: l.target, Pos: pos}
	}
	n := l.root
	for part := range strings.SplitSeq(path, ".") {
		n = n.Get(part)
	}
	if n == nil {
		l.out.Add(diag.ServingInterpolation, pos, "", "${%s} leads nowhere", path).Hint = diag.DidYouMean(path, l.references())
		return nil
	}
	return l.fill(n, open)
}

// references lists what is usually referred to, for did-you-mean.
func (l *loader) references() []string {
	out := []string{"bundle.name", "bundle.target"}
	for _, name := range l.root.Get("variables").Names() {
		out = append(out, "var."+name)
	}
	return out
}

// variable returns a variable's value: given from outside, by the target, or
// its default.
func (l *loader) variable(name string, pos diag.Pos, open []string) *tree.Node {
	declared := l.root.Get("variables").Get(name)
	inTarget := l.root.Get("targets").Get(l.target).Get("variables").Get(name)
	if declared == nil && inTarget == nil {
		known := l.root.Get("variables").Names()
		l.out.Add(diag.ServingInterpolation, pos, "", "there is no variable '%s'", name).Hint = diag.DidYouMean(name, known)
		return nil
	}
	if v, ok := l.opts.Variables(name); ok {
		return &tree.Node{Kind: tree.String, Text: v, Pos: pos, Filled: true}
	}
	for _, n := range []*tree.Node{inTarget, declared} {
		if n.IsNull() {
			continue
		}
		if n.Kind != tree.Object && n == inTarget {
			return l.fill(n, open) // targets may give the bare value
		}
		if def := n.Get("default"); def != nil {
			return l.fill(def, open)
		}
		if n.Get("lookup") != nil {
			l.out.Add(diag.ServingVariable, n.Pos, "variables."+name, "variable '%s' is looked up in a workspace, which is not supported", name).WithHint("set BUNDLE_VAR_%s", name)
			return nil
		}
	}
	l.out.Add(diag.ServingVariable, pos, "variables."+name, "variable '%s' has no value", name).WithHint("set BUNDLE_VAR_%s, or give it a default", name)
	return nil
}
