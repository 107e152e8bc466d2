package builtin

import (
	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
)

func setQueryParameter() *policy.Policy {
	return &policy.Policy{Build: buildSetQueryParameter, Spec: policy.Spec{
		Name:     "set-query-parameter",
		Sections: policy.InInbound | policy.InBackend,
		Scopes:   policy.AllScopes,
		Attrs: []policy.Attr{
			{Name: "name", Required: true, Expr: true, Summary: "Name of the parameter."},
			existsAction("parameter"),
		},
		Children: []policy.Child{{Name: "value", Text: policy.Text{Allowed: true, Expr: true}, Summary: "A value; repeat for a repeated parameter."}},
		Summary:  "Sets, appends or removes a query parameter of the request to the backend.",
		Page:     "set-query-parameter-policy",
		Notes: []string{
			"Values are written unencoded; they are percent-encoded when the parameter is set.",
			"Names compare without case. Parameters that are not named stay byte for byte as the caller sent them.",
		},
		Examples: []policy.Example{
			{Title: "Pin the API version of the backend", XML: `<set-query-parameter name="api-version" exists-action="override"><value>2024-10-21</value></set-query-parameter>`},
			{Title: "Keep the caller's key from the backend", XML: `<set-query-parameter name="subscription-key" exists-action="delete" />`},
		},
	}}
}

func buildSetQueryParameter(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s := &setQueryParameterStep{name: e.Value("name"), action: e.Value("exists-action"), values: e.Texts("value")}
	if action, ok := s.action.Constant(); ok && action != "delete" && len(s.values) == 0 {
		fs.Add(diag.PolicyChildCount, e.Pos, e.Name, "The element '%s' has incomplete content. List of possible elements expected: 'value'.", e.Name).
			WithHint("give a value, or write exists-action=\"delete\" to remove the parameter")
		return nil, fs
	}
	return s, fs
}

type setQueryParameterStep struct {
	name, action policy.Value
	values       []policy.Value
}

// Run implements policy.Step.
func (s *setQueryParameterStep) Run(x *exchange.Exchange) policy.Outcome {
	name, err := s.name.Eval(x)
	if err != nil || name == "" {
		return fail(x, exchange.PolicyFailed("set-query-parameter", "The name of the parameter cannot be used.", err))
	}
	action, err := s.action.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("set-query-parameter", "The value of exists-action could not be computed.", err))
	}
	query := x.Request.Query
	switch action {
	case "delete":
		x.Request.Query = exchange.QueryDel(query, name)
		return policy.Continue
	case "skip":
		if _, ok := exchange.QueryGet(query, name); ok {
			return policy.Continue
		}
	case "append":
	case "override":
		query = exchange.QueryDel(query, name)
	default:
		return fail(x, exchange.PolicyFailed("set-query-parameter", "The value of exists-action is none of override, skip, append and delete.", nil))
	}
	for _, v := range s.values {
		text, err := v.Eval(x)
		if err != nil {
			return fail(x, exchange.PolicyFailed("set-query-parameter", "The value of the parameter could not be computed.", err))
		}
		query = exchange.QueryAdd(query, name, text)
	}
	x.Request.Query = query
	return policy.Continue
}

// Explain implements policy.Explainer.
func (s *setQueryParameterStep) Explain(x *exchange.Exchange) any {
	name, _ := s.name.Eval(x)
	action, _ := s.action.Eval(x)
	shown := make([]string, 0, len(s.values))
	for _, v := range s.values {
		text, _ := v.Eval(x)
		if v.IsSecret() {
			text = secret.Mask(text)
		} else {
			text = x.ShowHeader(name, text)
		}
		shown = append(shown, text)
	}
	return map[string]any{
		"message":   "The query was changed.",
		"parameter": map[string]any{"name": name, "action": action, "values": shown},
	}
}
