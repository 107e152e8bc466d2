package openapi

import (
	"slices"
	"strings"

	"sallyport/internal/model"
)

// template is a path of the document, taken apart.
type template struct {
	path    string   // as written, "/" when empty
	params  []string // names in the path
	query   []string // "a=b" or "a={a}" from x-ms-paths
	qparams []string // names in the query
}

// parseTemplate checks a path. The second result says what is wrong with it.
func parseTemplate(s string, queryAllowed bool) (template, string) {
	p, q, hasQuery := strings.Cut(s, "?")
	if hasQuery && !queryAllowed {
		return template{}, "must not hold a query; required query parameters belong into parameters"
	}
	if strings.Contains(s, "#") {
		return template{}, "must not hold '#'"
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	t := template{path: p}
	literal, names, err := model.ScanTemplate(p)
	if err != nil {
		return template{}, err.Error()
	}
	t.params = names
	if i := strings.IndexByte(literal, '*'); i >= 0 && (i != len(literal)-1 || !strings.HasSuffix(literal, "/*")) {
		return template{}, "may hold '*' only as its last segment"
	}
	if q != "" {
		t.query = strings.Split(q, "&")
		if _, _, err := model.ScanTemplate(s); err != nil {
			return template{}, err.Error()
		}
		_, t.qparams, _ = model.ScanTemplate(q)
	}
	return t, ""
}

// withQuery writes the URL template with required query parameters added.
func (t template) withQuery(required []string) string {
	parts := slices.Clone(t.query)
	for _, name := range required {
		parts = append(parts, name+"={"+name+"}")
	}
	if len(parts) == 0 {
		return t.path
	}
	return t.path + "?" + strings.Join(parts, "&")
}
