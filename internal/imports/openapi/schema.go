package openapi

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
)

const (
	maxSchemaDepth = 40     // nesting of one schema or example
	maxSchemaNodes = 20_000 // nodes of one schema once references are inlined
	maxNodes       = 2_000_000
	maxRecursion   = 2 // how often a schema may contain itself before it ends in {}
)

// schema writes a schema as JSON with all references inlined. A schema that
// contains itself ends in {} (any value) after a few rounds.
func (c *converter) schema(n *yaml.Node) json.RawMessage {
	if n = plain(n); n == nil {
		return nil
	}
	ref := text(n, "$ref")
	if done, ok := c.schemas[ref]; ok && ref != "" && len(n.Content) == 2 {
		return done
	}
	w := &writer{c: c, inline: true, open: map[string]int{}}
	w.value(n, 0)
	if w.cut {
		c.out.Add(diag.OpenAPISchemaRef, c.pos(n), c.res, "the schema is too large and ends in {} beyond %d nodes", maxSchemaNodes)
	}
	raw := json.RawMessage(w.b)
	if ref != "" && len(n.Content) == 2 {
		c.schemas[ref] = raw
	}
	return raw
}

// writer turns YAML nodes into JSON.
type writer struct {
	c      *converter
	b      []byte
	inline bool           // follow $ref
	open   map[string]int // references being followed
	nodes  int
	cut    bool
}

func (w *writer) value(n *yaml.Node, depth int) {
	n = plain(n)
	w.nodes++
	w.c.nodes++
	if n == nil {
		w.b = append(w.b, "null"...)
		return
	}
	if depth > maxSchemaDepth || w.nodes > maxSchemaNodes || w.c.nodes > maxNodes {
		w.cut = w.cut || w.nodes > maxSchemaNodes || w.c.nodes > maxNodes
		w.b = append(w.b, "{}"...)
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		if ref := get(n, "$ref"); w.inline && ref != nil && ref.Kind == yaml.ScalarNode {
			w.reference(n, ref, depth)
			return
		}
		w.object(pairs(n), depth)
	case yaml.SequenceNode:
		w.b = append(w.b, '[')
		for i, it := range n.Content {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.value(it, depth+1)
		}
		w.b = append(w.b, ']')
	default:
		w.scalar(n)
	}
}

func (w *writer) object(list []pair, depth int) {
	w.b = append(w.b, '{')
	for i, p := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.str(p.key.Value)
		w.b = append(w.b, ':')
		w.value(p.value, depth+1)
	}
	w.b = append(w.b, '}')
}

// reference writes the target of a $ref in its place. What stands beside a
// $ref counts since OpenAPI 3.1 only.
func (w *writer) reference(n, ref *yaml.Node, depth int) {
	target, problem := w.c.follow(ref.Value)
	if problem != "" {
		w.c.out.Add(diag.OpenAPISchemaRef, w.c.pos(ref), w.c.res, "'%s' %s", ref.Value, problem)
	}
	if problem != "" || w.open[ref.Value] >= maxRecursion {
		w.b = append(w.b, "{}"...)
		return
	}
	w.open[ref.Value]++
	defer func() { w.open[ref.Value]-- }()
	siblings := pairs(n)
	if target = plain(target); w.c.version != openAPI31 || len(siblings) == 1 || target.Kind != yaml.MappingNode || get(target, "$ref") != nil {
		w.value(target, depth+1)
		return
	}
	own := map[string]bool{"$ref": true}
	var list []pair
	for _, p := range siblings {
		if p.key.Value != "$ref" {
			own[p.key.Value] = true
			list = append(list, p)
		}
	}
	for _, p := range pairs(target) {
		if !own[p.key.Value] {
			list = append(list, p)
		}
	}
	w.object(list, depth)
}

func (w *writer) str(s string) {
	enc, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string has no JSON form: " + err.Error())
	}
	w.b = append(w.b, enc...)
}

func (w *writer) scalar(n *yaml.Node) {
	switch n.Tag {
	case "!!null":
		w.b = append(w.b, "null"...)
	case "!!bool":
		w.b = append(w.b, strings.ToLower(n.Value)...)
	case "!!int", "!!float":
		w.number(n.Value)
	default:
		w.str(n.Value)
	}
}

// number rewrites YAML's number forms; what JSON cannot say becomes a text.
func (w *writer) number(s string) {
	if json.Valid([]byte(s)) {
		w.b = append(w.b, s...)
		return
	}
	clean := strings.ReplaceAll(s, "_", "")
	if len(clean) <= 64 {
		if i, ok := new(big.Int).SetString(clean, 0); ok {
			w.b = append(w.b, i.String()...)
			return
		}
		if f, err := strconv.ParseFloat(clean, 64); err == nil {
			if out := strconv.FormatFloat(f, 'g', -1, 64); json.Valid([]byte(out)) {
				w.b = append(w.b, out...)
				return
			}
		}
	}
	w.str(s)
}
