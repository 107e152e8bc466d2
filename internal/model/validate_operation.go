package model

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
)

// operations checks the operations of one API revision.
func (v *validator) operations(a *API) {
	ids := map[string]*Operation{}
	requests := map[string]*Operation{}
	for _, op := range a.Operations {
		res := "apis/" + a.Name() + "/operations/" + op.ID
		v.length(op.Pos, res, "operation id", op.ID, 80)
		v.length(op.Pos, res, "displayName", op.DisplayName, 300)
		v.length(op.Pos, res, "urlTemplate", op.URLTemplate, 1000)
		if first, taken := ids[fold(op.ID)]; taken {
			v.out.Add(diag.RuleDuplicateID, op.Pos, res, "operation id '%s' is taken (%s)", op.ID, first.Pos)
			continue
		}
		ids[fold(op.ID)] = op
		if !isToken(op.Method) {
			v.out.Add(diag.RuleTemplate, op.Pos, res, "'%s' is not an HTTP method", op.Method)
		}
		if !v.template(op, res) {
			continue
		}
		key, err := RequestKey(op.Method, op.URLTemplate)
		if err != nil {
			continue // template has reported it
		}
		if first, taken := requests[key]; taken {
			v.out.Add(diag.RuleOperationTwice, op.Pos, res, "%s %s answers the same request as operation '%s' (%s)", op.Method, op.URLTemplate, first.ID, first.Pos)
			continue
		}
		requests[key] = op
	}
}

// template compares a URL template with its parameters and reports whether it
// can be read (Azure documentation: OperationContract).
func (v *validator) template(op *Operation, res string) bool {
	if !strings.HasPrefix(op.URLTemplate, "/") {
		v.out.Add(diag.RuleTemplate, op.Pos, res, "URL template '%s' must start with '/'", op.URLTemplate)
		return false
	}
	literal, parts, err := ScanTemplate(op.URLTemplate)
	if err != nil {
		v.out.Add(diag.RuleTemplate, op.Pos, res, "URL template '%s' %s", op.URLTemplate, err)
		return false
	}
	path, _, _ := strings.Cut(literal, "?")
	if i := strings.IndexByte(path, '*'); i >= 0 && (i != len(path)-1 || !strings.HasSuffix(path, "/*")) {
		v.out.Add(diag.RuleTemplate, op.Pos, res, "URL template '%s' may hold '*' only as its last segment", op.URLTemplate)
		return false
	}
	var described []string
	for _, p := range op.TemplateParameters {
		if p.Name == "*" {
			continue
		}
		if slices.Contains(described, p.Name) {
			v.out.Add(diag.RuleTemplate, op.Pos, res, "template parameter '%s' is described twice", p.Name)
		}
		described = append(described, p.Name)
		if !slices.Contains(parts, p.Name) {
			v.out.Add(diag.RuleTemplate, op.Pos, res, "template parameter '%s' does not occur in '%s'", p.Name, op.URLTemplate).Hint = diag.DidYouMean(p.Name, parts)
		}
	}
	for _, name := range parts {
		if !slices.Contains(described, name) {
			v.out.Add(diag.RuleTemplate, op.Pos, res, "'{%s}' of '%s' has no template parameter", name, op.URLTemplate).Hint = diag.DidYouMean(name, described)
		}
	}
	return true
}
