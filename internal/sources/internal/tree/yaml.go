package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"sallyport/internal/diag"
)

// maxNodes bounds what aliases may unfold to.
const maxNodes = 200_000

// ParseYAML reads one YAML document into the values JSON knows. Errors become
// findings about path and the result is nil; an empty file is an empty object.
func ParseYAML(data []byte, file, path string, out *diag.List) *Node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	start := diag.Pos{File: file, Line: 1, Col: 1}
	if !utf8.Valid(data) {
		out.Add(diag.SourceYAMLSyntax, start, path, "the file is not UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 0:
		return &Node{Kind: Object, Pos: start}
	case err != nil:
		addYAMLError(err, start, path, out)
		return nil
	}
	if err := dec.Decode(&second); err == nil && len(second.Content) > 0 {
		out.Add(diag.SourceYAMLSyntax, diag.Pos{File: file, Line: second.Content[0].Line, Col: second.Content[0].Column}, path, "the file holds more than one YAML document")
		return nil
	}
	c := &yamlConverter{file: file, path: path, out: out}
	n := c.convert(doc.Content[0], 0)
	if c.failed {
		return nil
	}
	return n
}

func addYAMLError(err error, start diag.Pos, path string, out *diag.List) {
	var le *yaml.LoadError
	if errors.As(err, &le) {
		pos := start
		if le.Mark.Line > 0 {
			pos.Line, pos.Col = le.Mark.Line, le.Mark.Column
		}
		out.Add(diag.SourceYAMLSyntax, pos, path, "%s", diag.WithoutQuotes(le.Message))
		return
	}
	out.Add(diag.SourceYAMLSyntax, start, path, "the file cannot be read as YAML")
}

type yamlConverter struct {
	file, path string
	out        *diag.List
	nodes      int
	open       []*yaml.Node // aliases being followed
	failed     bool
}

func (c *yamlConverter) fail(y *yaml.Node, format string, args ...any) *Node {
	if !c.failed || len(c.open) == 0 {
		c.out.Add(diag.SourceYAMLSyntax, c.pos(y), c.path, format, args...)
	}
	c.failed = true
	return &Node{Kind: Null, Pos: c.pos(y)}
}

func (c *yamlConverter) pos(y *yaml.Node) diag.Pos {
	return diag.Pos{File: c.file, Line: y.Line, Col: y.Column}
}

func (c *yamlConverter) convert(y *yaml.Node, depth int) *Node {
	if c.nodes++; c.nodes > maxNodes {
		if c.nodes == maxNodes+1 {
			return c.fail(y, "the document holds more than %d values once its aliases are followed", maxNodes)
		}
		return &Node{Kind: Null, Pos: c.pos(y)}
	}
	if depth > maxDepth {
		return c.fail(y, "nested more than %d levels deep", maxDepth)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return c.alias(y, depth)
	case yaml.SequenceNode:
		n := &Node{Kind: List, Pos: c.pos(y)}
		for _, it := range y.Content {
			n.Items = append(n.Items, c.convert(it, depth+1))
		}
		return n
	case yaml.MappingNode:
		return c.mapping(y, depth)
	default:
		return c.scalar(y)
	}
}

func (c *yamlConverter) alias(y *yaml.Node, depth int) *Node {
	if slices.Contains(c.open, y.Alias) {
		return c.fail(y, "alias '*%s' contains itself", y.Value)
	}
	c.open = append(c.open, y.Alias)
	n := c.convert(y.Alias, depth+1)
	c.open = c.open[:len(c.open)-1]
	return n
}

func (c *yamlConverter) mapping(y *yaml.Node, depth int) *Node {
	n := &Node{Kind: Object, Pos: c.pos(y)}
	seen := make(map[string]bool, len(y.Content)/2)
	var merged []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Tag == "!!merge" {
			merged = append(merged, c.mergeSources(v, depth)...)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			c.fail(k, "a key must be a text; a value that starts with '{{' needs quotes")
			continue
		}
		if seen[k.Value] {
			c.fail(k, "key '%s' is written twice", k.Value)
			continue
		}
		seen[k.Value] = true
		n.Members = append(n.Members, Member{Name: k.Value, Pos: c.pos(k), Value: c.convert(v, depth+1)})
	}
	for _, src := range merged {
		for _, m := range src.Members {
			if !seen[m.Name] {
				seen[m.Name] = true
				n.Members = append(n.Members, m)
			}
		}
	}
	return n
}

// mergeSources reads the value of a "<<" key: one mapping or a list of them.
func (c *yamlConverter) mergeSources(v *yaml.Node, depth int) []*Node {
	n := c.convert(v, depth+1)
	list := []*Node{n}
	if n.Kind == List {
		list = n.Items
	}
	for _, it := range list {
		if it.Kind != Object && !c.failed {
			c.fail(v, "'<<' merges objects only")
			return nil
		}
	}
	return list
}

func (c *yamlConverter) scalar(y *yaml.Node) *Node {
	n := &Node{Kind: String, Text: y.Value, Pos: c.pos(y)}
	switch y.Tag {
	case "!!null":
		n.Kind, n.Text = Null, ""
	case "!!bool":
		n.Kind, n.Text = Bool, strings.ToLower(y.Value)
	case "!!int", "!!float":
		lit, ok := numberLiteral(y.Value)
		if !ok {
			return c.fail(y, "the number has no JSON form")
		}
		n.Kind, n.Text = Number, lit
	case "!!str", "!!timestamp", "!":
	default:
		return c.fail(y, "YAML tag '%s' is not supported here", y.Tag)
	}
	return n
}

// numberLiteral rewrites YAML's number forms (0x10, +1, .5, 1_000) as JSON.
func numberLiteral(s string) (string, bool) {
	if json.Valid([]byte(s)) {
		return s, true
	}
	clean := strings.ReplaceAll(s, "_", "")
	if len(clean) > 64 {
		return "", false
	}
	if i, ok := new(big.Int).SetString(clean, 0); ok {
		return i.String(), true
	}
	f, err := strconv.ParseFloat(clean, 64)
	if err != nil {
		return "", false
	}
	out := strconv.FormatFloat(f, 'g', -1, 64)
	return out, json.Valid([]byte(out))
}
