package openapi

import (
	"net/url"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/diag"
)

// version of the description language.
type version uint8

const (
	swagger2 version = iota + 1
	openAPI30
	openAPI31
)

func (c *converter) readVersion() bool {
	if v := get(c.root, "openapi"); v != nil {
		switch {
		case v.Value == "3.0" || strings.HasPrefix(v.Value, "3.0."):
			c.version = openAPI30
		case v.Value == "3.1" || strings.HasPrefix(v.Value, "3.1."):
			c.version = openAPI31
		default:
			c.out.Add(diag.OpenAPIVersion, c.pos(v), c.res, "OpenAPI version '%s' is not supported", v.Value)
		}
		return c.version != 0
	}
	if v := get(c.root, "swagger"); v != nil {
		if v.Value == "2.0" || v.Value == "2" {
			c.version = swagger2
			return true
		}
		c.out.Add(diag.OpenAPIVersion, c.pos(v), c.res, "Swagger version '%s' is not supported", v.Value)
		return false
	}
	c.out.Add(diag.OpenAPIVersion, c.pos(c.root), c.res, "the document has neither 'openapi' nor 'swagger': it is no OpenAPI description")
	return false
}

func (c *converter) readInfo(r *Result) {
	info := c.want(c.root, "info", yaml.MappingNode)
	r.Title, r.Description = text(info, "title"), text(info, "description")
}

// readServers picks the backend: the first https server, else the first http
// one. A relative server would be resolved against the address of the
// document, which a file does not have.
func (c *converter) readServers(r *Result) {
	if c.version == swagger2 {
		r.ServiceURL = c.swaggerServer()
		return
	}
	list := c.want(c.root, "servers", yaml.SequenceNode)
	if list == nil {
		return
	}
	var plainHTTP string
	for _, s := range list.Content {
		u := c.serverURL(s)
		switch {
		case strings.HasPrefix(u, "https://"):
			r.ServiceURL = u
			return
		case plainHTTP == "":
			plainHTTP = u
		}
	}
	r.ServiceURL = plainHTTP
}

// serverURL fills in the defaults of server variables. It returns "" for what
// cannot be a backend.
func (c *converter) serverURL(s *yaml.Node) string {
	raw := text(s, "url")
	vars := get(s, "variables")
	for _, v := range pairs(vars) {
		raw = strings.ReplaceAll(raw, "{"+v.key.Value+"}", text(v.value, "default"))
	}
	if strings.ContainsAny(raw, "{}") {
		c.out.Add(diag.OpenAPIShape, c.pos(get(s, "url")), c.res, "the server URL has a variable without a default")
		return ""
	}
	return absolute(raw)
}

// absolute returns an http or https URL without trailing slash, or "".
func absolute(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return strings.TrimSuffix(u.String(), "/")
}

func (c *converter) swaggerServer() string {
	host := text(c.root, "host")
	if host == "" {
		return ""
	}
	scheme := "https"
	if list := c.want(c.root, "schemes", yaml.SequenceNode); list != nil && len(list.Content) > 0 {
		scheme = ""
		for _, s := range list.Content {
			switch {
			case s.Value == "https":
				scheme = "https"
			case s.Value == "http" && scheme == "":
				scheme = "http"
			}
		}
	}
	return absolute(scheme + "://" + host + "/" + strings.TrimPrefix(text(c.root, "basePath"), "/"))
}
