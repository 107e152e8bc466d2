package builtin

import (
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

func setStatus() *policy.Policy {
	return &policy.Policy{Build: buildSetStatus, Spec: policy.Spec{
		Name:     "set-status",
		Sections: policy.Anywhere,
		Scopes:   policy.AllScopes,
		Attrs:    setStatusAttrs(),
		Summary:  "Sets the status code and reason phrase of the response.",
		Page:     "set-status-policy",
		Notes: []string{
			"The Azure page calls reason required; documents without it are common, so the standard phrase is used.",
			"In inbound and backend the status counts only when no later answer replaces it.",
			"HTTP/2 has no reason phrase; clients there never see it.",
		},
		Examples: []policy.Example{{Title: "Hide which error it was", XML: `<set-status code="404" reason="Not Found" />`}},
	}}
}

// setStatusAttrs are also those of the child of return-response. Informational
// codes are left out: an answer that ends with one is no answer (RFC 9110 §15.2).
func setStatusAttrs() []policy.Attr {
	return []policy.Attr{
		{Name: "code", Type: policy.Int, Required: true, Expr: true, Min: 200, Max: 599, Summary: "Status code."},
		{Name: "reason", Expr: true, Summary: "Reason phrase; the standard one when left out or empty."},
	}
}

func buildSetStatus(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s, ok := newSetStatus(e, &fs)
	if !ok {
		return nil, fs
	}
	return s, fs
}

func newSetStatus(e *policy.Element, fs *diag.List) (*setStatusStep, bool) {
	reason := e.Value("reason")
	if r, ok := reason.Constant(); ok && !wire.ValidValue(r) {
		fs.Add(diag.PolicyValue, reason.Pos(), e.Name, "A reason phrase cannot hold line breaks or control characters.")
		return nil, false
	}
	return &setStatusStep{code: e.Value("code"), reason: reason}, true
}

type setStatusStep struct{ code, reason policy.Value }

// Run implements policy.Step.
func (s *setStatusStep) Run(x *exchange.Exchange) policy.Outcome {
	text, err := s.code.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("set-status", "The status code could not be computed.", err))
	}
	code, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || code < 200 || code > 599 {
		return fail(x, exchange.PolicyFailed("set-status", "The value is not a status code between 200 and 599.", err))
	}
	reason, err := s.reason.Eval(x)
	if err != nil || !wire.ValidValue(reason) {
		return fail(x, exchange.PolicyFailed("set-status", "The reason phrase cannot be used.", err))
	}
	if reason == "" {
		reason = wire.StatusText(code)
	}
	x.Response.Status, x.Response.Reason = code, reason
	return policy.Continue
}

// Explain implements policy.Explainer.
func (s *setStatusStep) Explain(x *exchange.Exchange) any {
	return map[string]any{
		"message": []string{"The status of the response was set."},
		"status":  statusData(x),
	}
}

func statusData(x *exchange.Exchange) map[string]any {
	return map[string]any{"code": x.Response.Status, "reason": x.Response.Reason}
}
