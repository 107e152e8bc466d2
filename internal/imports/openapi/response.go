package openapi

import (
	"encoding/json"
	"mime"
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// responses reads what an operation says it answers; mock-response uses it.
func (c *converter) responses(op *yaml.Node) []model.Response {
	list := c.want(op, "responses", yaml.MappingNode)
	var out []model.Response
	for _, p := range pairs(list) {
		if strings.HasPrefix(p.key.Value, "x-") {
			continue
		}
		status := 0
		if p.key.Value != "default" {
			var err error
			if status, err = strconv.Atoi(p.key.Value); err != nil {
				c.drop("responses for a range of status codes", p.key)
				continue
			}
			if status < 100 || status > 599 {
				c.out.Add(diag.OpenAPIShape, c.pos(p.key), c.res, "%d is not an HTTP status code", status)
				continue
			}
		}
		n := c.resolve(p.value, diag.OpenAPIRef)
		if n == nil {
			continue
		}
		r := model.Response{StatusCode: status, Description: text(n, "description")}
		if c.version == swagger2 {
			r.Representations = c.swaggerRepresentations(op, n)
		} else {
			r.Representations = c.representations(n)
		}
		out = append(out, r)
	}
	return out
}

func (c *converter) representations(response *yaml.Node) []model.Representation {
	var out []model.Representation
	for _, p := range pairs(c.want(response, "content", yaml.MappingNode)) {
		rep := model.Representation{ContentType: p.key.Value, Schema: c.schema(get(p.value, "schema"))}
		if ex := c.firstExample(p.value); ex != nil {
			rep.Example, rep.HasExample = c.example(ex, rep.ContentType), true
		}
		out = append(out, rep)
	}
	return out
}

// firstExample returns the example of a media type: "example", or the first of
// "examples" that carries a value.
func (c *converter) firstExample(media *yaml.Node) *yaml.Node {
	if p, ok := find(media, "example"); ok {
		return plain(p.value)
	}
	for _, p := range pairs(get(media, "examples")) {
		if n := c.resolve(p.value, diag.OpenAPISchemaRef); n != nil {
			if v, ok := find(n, "value"); ok {
				return plain(v.value)
			}
		}
	}
	return nil
}

func (c *converter) swaggerRepresentations(op, response *yaml.Node) []model.Representation {
	schema := c.schema(get(response, "schema"))
	var types []string
	for _, owner := range []*yaml.Node{op, c.root} {
		if list := get(owner, "produces"); list != nil && list.Kind == yaml.SequenceNode {
			for _, t := range list.Content {
				types = append(types, plain(t).Value)
			}
			break
		}
	}
	examples := get(response, "examples")
	if len(types) == 0 {
		for _, p := range pairs(examples) {
			types = append(types, p.key.Value)
		}
	}
	if len(types) == 0 && schema != nil {
		types = []string{"application/json"}
	}
	var out []model.Representation
	for _, t := range types {
		rep := model.Representation{ContentType: t, Schema: schema}
		if p, ok := find(examples, t); ok {
			rep.Example, rep.HasExample = c.example(plain(p.value), t), true
		}
		if schema != nil || rep.HasExample {
			out = append(out, rep)
		}
	}
	return out
}

// example returns the text of a body. For JSON a text that is itself a JSON
// object or list is taken as the body, anything else is encoded.
func (c *converter) example(n *yaml.Node, contentType string) string {
	isText := n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || n.Tag == "!!timestamp" || n.Tag == "!!binary")
	if isText {
		trimmed := strings.TrimSpace(n.Value)
		structured := strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")
		if !isJSON(contentType) || structured && json.Valid([]byte(trimmed)) {
			return n.Value
		}
	}
	w := &writer{c: c}
	w.value(n, 0)
	return string(w.b)
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t = strings.ToLower(contentType)
	}
	return t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}
