package openapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
)

// maxHops bounds chains of references to references.
const maxHops = 20

// maxMerged bounds how deep "<<" merges are followed.
const maxMerged = 8

func (c *converter) pos(n *yaml.Node) diag.Pos {
	if n == nil || n.Line == 0 {
		return c.start()
	}
	return diag.Pos{File: c.doc.File, Line: n.Line, Col: n.Column}
}

// plain follows a YAML alias.
func plain(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < maxHops; i++ {
		n = n.Alias
	}
	return n
}

type pair struct{ key, value *yaml.Node }

// pairs lists the entries of a mapping, merged ones ("<<") after its own.
func pairs(n *yaml.Node) []pair { return mergedPairs(n, 0) }

func mergedPairs(n *yaml.Node, depth int) []pair {
	n = plain(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > maxMerged {
		return nil
	}
	var out, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Tag == "!!merge":
			sources := []*yaml.Node{v}
			if s := plain(v); s != nil && s.Kind == yaml.SequenceNode {
				sources = s.Content
			}
			for _, s := range sources {
				merged = append(merged, mergedPairs(s, depth+1)...)
			}
		case k.Kind == yaml.ScalarNode:
			out = append(out, pair{k, v})
		}
	}
	for _, m := range merged {
		if !slices.ContainsFunc(out, func(p pair) bool { return p.key.Value == m.key.Value }) {
			out = append(out, m)
		}
	}
	return out
}

// find returns an entry of a mapping.
func find(n *yaml.Node, name string) (pair, bool) {
	n = plain(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return pair{}, false
	}
	merges := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == name {
			return pair{k, n.Content[i+1]}, true
		} else if k.Tag == "!!merge" {
			merges = true
		}
	}
	if merges {
		for _, p := range pairs(n) {
			if p.key.Value == name {
				return p, true
			}
		}
	}
	return pair{}, false
}

// get returns the value of an entry of a mapping, or nil; null counts as absent.
func get(n *yaml.Node, name string) *yaml.Node {
	p, _ := find(n, name)
	if v := plain(p.value); v != nil && v.Tag != "!!null" {
		return v
	}
	return nil
}

// text returns a scalar entry of a mapping, whatever its YAML type.
func text(n *yaml.Node, name string) string {
	if v := get(n, name); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// want returns an entry that must be of the given kind, if it is there.
func (c *converter) want(n *yaml.Node, name string, kind yaml.Kind) *yaml.Node {
	v := get(n, name)
	if v == nil || v.Kind == kind {
		return v
	}
	c.out.Add(diag.OpenAPIShape, c.pos(v), c.res, "'%s' must be %s", name, kindWord(kind))
	return nil
}

func kindWord(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a text"
	}
}

// resolve follows $ref inside the document. The result is nil when it leads
// nowhere, which is then reported under code.
func (c *converter) resolve(n *yaml.Node, code diag.Code) *yaml.Node {
	n = plain(n)
	for range maxHops {
		ref := get(n, "$ref")
		if ref == nil || ref.Kind != yaml.ScalarNode {
			return n
		}
		target, problem := c.follow(ref.Value)
		if problem != "" {
			c.out.Add(code, c.pos(ref), c.res, "'%s' %s", ref.Value, problem)
			return nil
		}
		n = target
	}
	c.out.Add(code, c.pos(n), c.res, "the reference leads in a circle")
	return nil
}

// follow finds the target of a reference such as #/components/parameters/id.
func (c *converter) follow(ref string) (*yaml.Node, string) {
	fragment, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil, "points outside the document, which is not followed"
	}
	if decoded, err := url.PathUnescape(fragment); err == nil {
		fragment = decoded
	}
	n := c.root
	if fragment == "" {
		return n, ""
	}
	if fragment[0] != '/' {
		return nil, "is not a JSON pointer"
	}
	for part := range strings.SplitSeq(fragment[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		n = child(n, part)
		if n == nil {
			return nil, "does not exist"
		}
	}
	return n, ""
}

func child(n *yaml.Node, part string) *yaml.Node {
	n = plain(n)
	if n != nil && n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.Content) {
			return plain(n.Content[i])
		}
		return nil
	}
	return get(n, part)
}
