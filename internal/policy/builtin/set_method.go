package builtin

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

func setMethod() *policy.Policy {
	return &policy.Policy{Build: buildSetMethod, Spec: policy.Spec{
		Name:           "set-method",
		Sections:       policy.InInbound | policy.InOnError,
		Scopes:         policy.AllScopes,
		NotOnHandshake: true,
		Text:           policy.Text{Allowed: true, Required: true, Expr: true},
		Summary:        "Changes the HTTP method of the request to the backend.",
		Page:           "set-method-policy",
		Notes: []string{
			"The body stays as it is: a GET turned into a POST has none until set-body gives it one.",
			"Methods are case-sensitive and sent as written.",
		},
		Examples: []policy.Example{{Title: "Ask the backend with POST", XML: `<set-method>POST</set-method>`}},
	}}
}

func buildSetMethod(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	if m, ok := e.Text.Constant(); ok && !validMethod(strings.TrimSpace(m)) {
		fs.Add(diag.PolicyValue, e.Text.Pos(), e.Name, "'%s' is not an HTTP method that can be sent.", strings.TrimSpace(m)).
			WithHint("write a method such as GET or POST")
		return nil, fs
	}
	return &setMethodStep{method: e.Text}, fs
}

// validMethod: CONNECT asks for a tunnel, which no API backend offers.
func validMethod(m string) bool { return wire.ValidName(m) && !strings.EqualFold(m, "CONNECT") }

type setMethodStep struct{ method policy.Value }

// Run implements policy.Step.
func (s *setMethodStep) Run(x *exchange.Exchange) policy.Outcome {
	m, err := s.method.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("set-method", "The method could not be computed.", err))
	}
	if m = strings.TrimSpace(m); !validMethod(m) {
		return fail(x, exchange.PolicyFailed("set-method", "The value is not an HTTP method.", nil))
	}
	x.Request.Method = m
	return policy.Continue
}

// Explain implements policy.Explainer.
func (s *setMethodStep) Explain(x *exchange.Exchange) any {
	return map[string]any{"message": "The method of the request was set.", "method": x.Request.Method}
}
