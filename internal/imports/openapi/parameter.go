package openapi

import (
	"slices"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// parameter of a path or an operation.
type parameter struct {
	in   string
	node *yaml.Node
	model.Parameter
}

// same tells whether two parameters are one: header names ignore case.
func (p parameter) same(q parameter) bool {
	return p.in == q.in && (p.Name == q.Name || p.in == "header" && strings.EqualFold(p.Name, q.Name))
}

// overlay lets an operation's parameters replace those of its path.
func overlay(shared, own []parameter) []parameter {
	out := slices.Clone(shared)
	for _, p := range own {
		if i := slices.IndexFunc(out, p.same); i >= 0 {
			out[i] = p
			continue
		}
		out = append(out, p)
	}
	return out
}

// parameters reads the list of a path or an operation.
func (c *converter) parameters(n *yaml.Node) []parameter {
	list := c.want(n, "parameters", yaml.SequenceNode)
	if list == nil {
		return nil
	}
	var out []parameter
	for _, it := range list.Content {
		p, ok := c.parameter(it)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(out, p.same); i >= 0 {
			c.out.Add(diag.OpenAPIParameter, c.pos(p.node), c.res, "parameter '%s' in %s is listed twice", p.Name, p.in)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (c *converter) parameter(it *yaml.Node) (parameter, bool) {
	n := c.resolve(it, diag.OpenAPIRef)
	if n == nil {
		return parameter{}, false
	}
	if n.Kind != yaml.MappingNode {
		c.out.Add(diag.OpenAPIShape, c.pos(n), c.res, "a parameter must be an object")
		return parameter{}, false
	}
	p := parameter{in: text(n, "in"), node: plain(it)}
	p.Name, p.Description = text(n, "name"), text(n, "description")
	p.Required = text(n, "required") == "true"
	switch p.in {
	case "body", "formData":
		return p, false // the body of a request is not part of an operation's matching
	case "cookie":
		c.drop("cookie parameters", p.node)
		return p, false
	case "path", "query", "header":
	default:
		known := []string{"path", "query", "header", "cookie", "body", "formData"}
		c.out.Add(diag.OpenAPIParameter, c.pos(n), c.res, "parameter '%s' must say where it is: 'in' is '%s'", p.Name, p.in).Hint = diag.DidYouMean(p.in, known)
		return p, false
	}
	if p.Name == "" {
		c.out.Add(diag.OpenAPIParameter, c.pos(n), c.res, "a parameter needs a name")
		return p, false
	}
	c.describe(&p.Parameter, n)
	return p, true
}

// describe reads type, default and allowed values, which Swagger 2.0 keeps in
// the parameter and OpenAPI in its schema.
func (c *converter) describe(p *model.Parameter, n *yaml.Node) {
	schema := n
	if c.version != swagger2 {
		schema = c.resolve(get(n, "schema"), diag.OpenAPISchemaRef)
	}
	p.Type = "string"
	if t := get(schema, "type"); t != nil {
		switch t.Kind {
		case yaml.ScalarNode:
			p.Type = t.Value
		case yaml.SequenceNode:
			for _, alt := range t.Content {
				if alt = plain(alt); alt.Value != "null" && alt.Kind == yaml.ScalarNode {
					p.Type = alt.Value
					break
				}
			}
		}
	}
	p.Default = text(schema, "default")
	if enum := get(schema, "enum"); enum != nil && enum.Kind == yaml.SequenceNode {
		for _, v := range enum.Content {
			if v = plain(v); v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
				p.Values = append(p.Values, v.Value)
			}
		}
	}
}

// assign sorts parameters into their places and returns the names of required
// query parameters, which become part of the URL template.
func (c *converter) assign(op *model.Operation, params []parameter, tpl template) []string {
	var query []string
	var queryParams []model.Parameter
	declared := map[string]bool{}
	for _, p := range params {
		switch {
		case p.in == "path":
			declared[p.Name] = true
			if !slices.Contains(tpl.params, p.Name) {
				c.out.Add(diag.OpenAPIParameter, c.pos(p.node), c.res, "path parameter '%s' does not occur in path '%s'", p.Name, tpl.path).Hint = diag.DidYouMean(p.Name, tpl.params)
				continue
			}
			p.Required = true
			op.TemplateParameters = append(op.TemplateParameters, p.Parameter)
		case p.in == "query" && slices.Contains(tpl.qparams, p.Name):
			declared[p.Name] = true
			p.Required = true
			op.TemplateParameters = append(op.TemplateParameters, p.Parameter)
		case p.in == "query" && p.Required:
			if strings.ContainsAny(p.Name, "{}&=?#/") {
				c.out.Add(diag.OpenAPITemplate, c.pos(p.node), c.res, "required query parameter '%s' cannot be part of a URL template", p.Name)
				continue
			}
			query = append(query, p.Name)
			queryParams = append(queryParams, p.Parameter)
		case p.in == "query":
			op.QueryParameters = append(op.QueryParameters, p.Parameter)
		case !ignoredHeader(p.Name):
			op.Headers = append(op.Headers, p.Parameter)
		}
	}
	op.TemplateParameters = append(op.TemplateParameters, queryParams...)
	for _, name := range slices.Concat(tpl.params, tpl.qparams) {
		if declared[name] {
			continue
		}
		in := "path"
		if slices.Contains(tpl.qparams, name) {
			in = "query"
		}
		c.out.Add(diag.OpenAPIParameter, op.Pos, c.res, "%s %s: parameter '%s' of the path is not described", op.Method, tpl.path, name).WithHint("add it to parameters, in: %s", in)
		op.TemplateParameters = append(op.TemplateParameters, model.Parameter{Name: name, Type: "string", Required: true})
	}
	return query
}

// ignoredHeader tells the headers that OpenAPI describes by other means
// (OpenAPI specification: Parameter Object).
func ignoredHeader(name string) bool {
	return slices.ContainsFunc([]string{"Accept", "Content-Type", "Authorization"}, func(h string) bool { return strings.EqualFold(h, name) })
}
