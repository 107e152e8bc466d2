package builtin

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
)

func setBackendService() *policy.Policy {
	return &policy.Policy{Build: buildSetBackendService, Spec: policy.Spec{
		Name:     "set-backend-service",
		Sections: policy.InInbound | policy.InBackend,
		Scopes:   policy.AllScopes,
		Attrs: []policy.Attr{
			{Name: "base-url", Expr: true, Summary: "New base URL. Exactly one of base-url and backend-id is needed."},
			{Name: "backend-id", Expr: true, Summary: "Backend entity to use, with its credentials and TLS settings."},
			{Name: "sf-resolve-condition", Expr: true, Summary: "Service Fabric (not supported yet)."},
			{Name: "sf-service-instance-name", Expr: true, Summary: "Service Fabric (not supported yet)."},
			{Name: "sf-partition-key", Expr: true, Summary: "Service Fabric (not supported yet)."},
			{Name: "sf-replica-type", Expr: true, Enum: []string{"primary", "secondary"}, Summary: "Service Fabric (not supported yet)."},
			{Name: "sf-listener-name", Expr: true, Summary: "Service Fabric (not supported yet)."},
			{Name: "dapr-app-id", Expr: true, Summary: "Dapr (not supported yet)."},
			{Name: "dapr-method", Expr: true, Summary: "Dapr (not supported yet)."},
			{Name: "dapr-namespace", Expr: true, Summary: "Dapr (not supported yet)."},
		},
		Summary: "Sends the request to another backend than the API's service URL.",
		Page:    "set-backend-service-policy",
		Notes: []string{
			"Scheme, host, port and base path are replaced; the operation's path and query are kept behind them.",
			"The last statement wins, except that base-url does not replace a backend entity chosen before; only another backend-id does.",
			"A base-url that equals a backend's URL is not that backend: no credentials, no TLS settings.",
		},
		Examples: []policy.Example{{Title: "Another host", XML: `<set-backend-service base-url="https://models.example.com/openai" />`}},
	}}
}

func buildSetBackendService(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	for _, a := range setBackendService().Spec.Attrs {
		if v := e.Value(a.Name); v.IsSet() && (strings.HasPrefix(a.Name, "sf-") || strings.HasPrefix(a.Name, "dapr-")) {
			fs.Add(diag.PolicyNotSupported, v.Pos(), e.Name, "The '%s' attribute is not supported yet.", a.Name)
		}
	}
	url, id := e.Value("base-url"), e.Value("backend-id")
	switch {
	case fs.HasErrors():
	case url.IsSet() && id.IsSet():
		fs.Add(diag.PolicyValue, id.Pos(), e.Name, "The 'base-url' and 'backend-id' attributes exclude each other.").
			WithHint("keep one of them")
	case id.IsSet():
		return backendByID(e, id, env, fs)
	case url.IsSet():
		return backendByURL(e, url, env, fs)
	default:
		fs.Add(diag.PolicyAttributeMissing, e.Pos, e.Name, "One of the attributes 'base-url' and 'backend-id' is required.")
	}
	return nil, fs
}

func backendByID(e *policy.Element, v policy.Value, env policy.Env, fs diag.List) (policy.Step, diag.List) {
	id := literal(v)
	if id == "dapr" {
		fs.Add(diag.PolicyNotSupported, v.Pos(), e.Name, "Dapr backends are not supported yet.")
		return nil, fs
	}
	var ids []string
	if known := env.Backends; known != nil {
		if b, ok := known.Backend(id); ok {
			return &setBackendServiceStep{target: exchange.Target{Base: b.Base, Backend: b, Breadth: uint8(env.Scope)}}, fs
		}
		ids = known.BackendIDs()
	}
	fs.Add(diag.PolicyBackendMissing, v.Pos(), e.Name, "Backend with id '%s' could not be found.", id).
		WithHint("%s", diag.DidYouMean(id, ids))
	return nil, fs
}

func backendByURL(e *policy.Element, v policy.Value, env policy.Env, fs diag.List) (policy.Step, diag.List) {
	base, err := exchange.ParseBaseURL(literal(v))
	if err == nil {
		return &setBackendServiceStep{target: exchange.Target{Base: base, Breadth: uint8(env.Scope)}}, fs
	}
	f := fs.Add(diag.PolicyValue, v.Pos(), e.Name, "The base URL cannot be used: %v.", err)
	if !strings.Contains(literal(v), "://") {
		f.Hint = "begin it with https://"
	}
	return nil, fs
}

type setBackendServiceStep struct{ target exchange.Target }

// Run implements policy.Step. The last statement wins, but a base-url does not
// replace a backend entity that a broader scope chose (page
// set-backend-service-policy; archive url_after_id, TestInheritedBackendStays).
func (s *setBackendServiceStep) Run(x *exchange.Exchange) policy.Outcome {
	if !s.keeps(&x.Target) {
		x.Target = s.target
	}
	return policy.Continue
}

// keeps reports whether the target chosen so far stays.
func (s *setBackendServiceStep) keeps(t *exchange.Target) bool {
	return s.target.Backend == nil && t.Backend != nil && t.Breadth < s.target.Breadth
}

// Explain implements policy.Explainer.
func (s *setBackendServiceStep) Explain(x *exchange.Exchange) any {
	data := map[string]any{"message": "The backend was set.", "request": map[string]any{"url": x.ShowURL()}}
	switch {
	case s.target.Backend != nil:
		data["backendId"] = s.target.Backend.ID
	case x.Target.Backend != nil: // kept, or it would be ours
		data["message"] = "The base URL was not applied: backend '" + x.Target.Backend.ID + "' was inherited, and only another backend-id replaces it."
	}
	return data
}
