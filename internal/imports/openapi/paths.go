package openapi

import (
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// methods in the order that OpenAPI lists them. APIM's import leaves TRACE out.
func methods() []string {
	return []string{"get", "put", "post", "delete", "options", "head", "patch"}
}

func pathItemKeys() []string {
	return append(methods(), "parameters", "summary", "description", "servers", "trace", "$ref")
}

// readPaths converts paths and x-ms-paths, whose keys may hold a query.
func (c *converter) readPaths() {
	c.claims, c.ids = map[string]*model.Operation{}, map[string]bool{}
	for _, section := range []string{"paths", "x-ms-paths"} {
		items := c.want(c.root, section, yaml.MappingNode)
		for _, p := range pairs(items) {
			if !strings.HasPrefix(p.key.Value, "x-") {
				c.readPath(p, section == "x-ms-paths")
			}
		}
	}
}

func (c *converter) readPath(p pair, queryAllowed bool) {
	item := c.resolve(p.value, diag.OpenAPIRef)
	if item == nil || item.Tag == "!!null" {
		return
	}
	if item.Kind != yaml.MappingNode {
		c.out.Add(diag.OpenAPIShape, c.pos(item), c.res, "path '%s' must be an object", p.key.Value)
		return
	}
	tpl, problem := parseTemplate(p.key.Value, queryAllowed)
	if problem != "" {
		c.out.Add(diag.OpenAPITemplate, c.pos(p.key), c.res, "path '%s' %s", p.key.Value, problem)
		return
	}
	shared := c.parameters(item)
	for _, e := range pairs(item) {
		switch key := e.key.Value; {
		case key == "trace":
			c.drop("TRACE operations", e.key)
		case key == "servers":
			c.drop("servers of a single path", e.key)
		case isMethod(key):
			c.readOperation(e, tpl, shared)
		default:
			c.unknownKey(e.key)
		}
	}
}

// unknownKey mentions keys of a path that look like a misspelt method.
func (c *converter) unknownKey(key *yaml.Node) {
	for _, k := range pathItemKeys() {
		if k == key.Value {
			return
		}
	}
	if strings.HasPrefix(key.Value, "x-") {
		return
	}
	c.out.Add(diag.OpenAPIDropped, c.pos(key), c.res, "'%s' is not an HTTP method that an import knows", key.Value).Hint = diag.DidYouMean(key.Value, pathItemKeys())
}

func isMethod(s string) bool {
	for _, m := range methods() {
		if m == s {
			return true
		}
	}
	return false
}

func (c *converter) readOperation(e pair, tpl template, shared []parameter) {
	n := plain(e.value)
	if n.Kind != yaml.MappingNode {
		c.out.Add(diag.OpenAPIShape, c.pos(n), c.res, "operation '%s' must be an object", e.key.Value)
		return
	}
	method := strings.ToUpper(e.key.Value)
	op := &model.Operation{Method: method, Pos: c.pos(e.key), Description: text(n, "description")}
	query := c.assign(op, overlay(shared, c.parameters(n)), tpl)
	op.URLTemplate = tpl.withQuery(query)
	if len([]rune(op.URLTemplate)) > 1000 {
		c.out.Add(diag.OpenAPITemplate, op.Pos, c.res, "the URL template has more than 1000 characters")
		return
	}
	if !c.claim(op) {
		return
	}
	c.nameOperation(op, n, tpl.path)
	op.Responses = c.responses(n)
	if tags := c.want(n, "tags", yaml.SequenceNode); tags != nil {
		for _, t := range tags.Content {
			if t = plain(t); t.Kind == yaml.ScalarNode {
				op.Tags = append(op.Tags, t.Value)
			}
		}
	}
	for _, k := range []string{"servers", "callbacks"} {
		if p, ok := find(n, k); ok {
			c.drop(k+" of a single operation", p.key)
		}
	}
	c.ops = append(c.ops, op)
}

// claim reports a second operation for the same method, path and required query.
func (c *converter) claim(op *model.Operation) bool {
	key, err := model.RequestKey(op.Method, op.URLTemplate)
	if err != nil {
		c.out.Add(diag.OpenAPITemplate, op.Pos, c.res, "URL template '%s' %s", op.URLTemplate, err)
		return false
	}
	if first := c.claims[key]; first != nil {
		c.out.Add(diag.OpenAPIDuplicate, op.Pos, c.res, "%s %s answers the same request as %s %s in line %d", op.Method, op.URLTemplate, first.Method, first.URLTemplate, first.Pos.Line)
		return false
	}
	c.claims[key] = op
	return true
}
