package builtin

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
)

func rewriteURI() *policy.Policy {
	return &policy.Policy{Build: buildRewriteURI, Spec: policy.Spec{
		Name:     "rewrite-uri",
		Sections: policy.InInbound,
		Scopes:   policy.AllScopes,
		Attrs: []policy.Attr{
			{Name: "template", Required: true, Expr: true, Summary: "New path and query, relative to the backend's base URL; {name} stands for a parameter of the operation's URL template."},
			{Name: "copy-unmatched-params", Type: policy.Bool, Default: "true", Expr: true, Summary: "Keep query parameters that the operation's URL template does not declare."},
		},
		Summary: "Gives the request to the backend another path and query.",
		Page:    "rewrite-uri-policy",
		Notes: []string{
			"A query parameter declared in the operation's URL template is dropped unless the new template uses it.",
			"A parameter in the new template wins over one of the same name in the request.",
			"Values stay encoded as the caller sent them. A value from the query that moves into the path cannot add segments to it.",
			"The wildcard of an operation such as /files/* is {*}.",
			"Only path and query change; set-backend-service changes the host.",
		},
		Examples: []policy.Example{{Title: "Another path, same query", XML: `<rewrite-uri template="/v2/chat/completions" />`}},
	}}
}

func buildRewriteURI(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	v := e.Value("template")
	text := literal(v)
	switch {
	case strings.Contains(text, "://"):
		fs.Add(diag.PolicyValue, v.Pos(), e.Name, "The template '%s' is a complete URL.", text).
			WithHint("give the path here and the host with set-backend-service")
		return nil, fs
	case strings.Contains(text, "#"):
		fs.Add(diag.PolicyValue, v.Pos(), e.Name, "The template '%s' has a fragment, which is never sent.", text)
		return nil, fs
	case !strings.HasPrefix(text, "/"):
		noEffect(&fs, v.Pos(), e.Name, "The template '%s' does not begin with '/'; one is added.", text)
		text = "/" + text
	}
	t, why := parseURITemplate(text)
	if why != "" {
		fs.Add(diag.PolicyValue, v.Pos(), e.Name, "The template '%s' cannot be used: %s.", text, why)
		return nil, fs
	}
	checkTemplateParams(t, e.Name, v, env, &fs)
	if fs.HasErrors() {
		return nil, fs
	}
	return &rewriteURIStep{template: t, copyUnmatched: e.Value("copy-unmatched-params")}, fs
}

// checkTemplateParams: at operation scope the operation's parameters count, at
// API scope those of any of its operations; above that nothing is known yet.
func checkTemplateParams(t uriTemplate, path string, v policy.Value, env policy.Env, fs *diag.List) {
	var known []string
	switch {
	case env.Operation != nil:
		known = templateParams(env.Operation.URLTemplate)
	case env.API != nil:
		for _, op := range env.API.Operations {
			known = append(known, templateParams(op.URLTemplate)...)
		}
	default:
		return
	}
	for _, name := range t.unknown(known) {
		fs.Add(diag.PolicyValue, v.Pos(), path, "Only parameters specified in the original URL template can be used in the rewrite template; '{%s}' is not one of them.", name).
			WithHint("%s", diag.DidYouMean(name, known))
	}
}

type rewriteURIStep struct {
	template      uriTemplate
	copyUnmatched policy.Value
}

// Run implements policy.Step.
func (s *rewriteURIStep) Run(x *exchange.Exchange) policy.Outcome {
	text, err := s.copyUnmatched.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("rewrite-uri", "The value of copy-unmatched-params could not be computed.", err))
	}
	declared := ""
	if x.Operation != nil {
		_, declared, _ = strings.Cut(x.Operation.URLTemplate, "?")
	}
	path, missing := s.template.expandPath(x, declared)
	if missing == "" && exchange.HasDotSegment(path) {
		// Dot segments would climb out of the backend's base path.
		return fail(x, exchange.BadRequest("A parameter of the request puts a dot segment into the rewritten path."))
	}
	query, missingInQuery := s.template.expandQuery(x, declared)
	if missing += missingInQuery; missing != "" {
		return fail(x, exchange.PolicyFailed("rewrite-uri", "The URL template of the operation has no parameter '"+missing+"'.", nil))
	}
	if keep, _ := policy.ParseBool(text); keep {
		query = s.template.copyUnmatched(query, x.Request.Query, declared)
	}
	x.Request.Path, x.Request.Query = path, query
	return policy.Continue
}

// Explain implements policy.Explainer.
func (s *rewriteURIStep) Explain(x *exchange.Exchange) any {
	return map[string]any{"message": "Path and query of the request were rewritten.", "request": map[string]any{"url": x.ShowURL()}}
}
