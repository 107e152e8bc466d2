package builtin

import (
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

func checkHeader() *policy.Policy {
	return &policy.Policy{Build: buildCheckHeader, Spec: policy.Spec{
		Name:     "check-header",
		Sections: policy.InInbound,
		Scopes:   policy.AllScopes &^ (1 << policy.Workspace),
		Attrs: []policy.Attr{
			{Name: "name", Required: true, Expr: true, Summary: "Name of the header, compared without case."},
			{Name: "failed-check-httpcode", Type: policy.Int, Required: true, Expr: true, Min: 200, Max: 599, Summary: "Status of the refusal."},
			{Name: "failed-check-error-message", Required: true, Expr: true, Summary: "Message in the body of the refusal."},
			{Name: "ignore-case", Type: policy.Bool, Required: true, Expr: true, Summary: "Whether values compare without case."},
		},
		Children: []policy.Child{{Name: "value", Text: policy.Text{Allowed: true, Expr: true}, Summary: "An allowed value; repeat for several, leave out to demand presence only."}},
		Summary:  "Refuses a request that lacks a header, or whose header has none of the allowed values.",
		Page:     "check-header-policy",
		Notes: []string{
			"A header that occurs more than once is refused, so that no two readers of it can disagree.",
			"A value that comes from a secret named value is compared in constant time.",
		},
		Examples: []policy.Example{{Title: "Only through our front door", XML: `<check-header name="X-Azure-FDID" failed-check-httpcode="403" failed-check-error-message="Use the front door." ignore-case="true">
  <value>11111111-2222-3333-4444-555555555555</value>
</check-header>`}},
	}}
}

func buildCheckHeader(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s := &checkHeaderStep{
		name: e.Value("name"), status: e.Value("failed-check-httpcode"), message: e.Value("failed-check-error-message"),
		ignoreCase: e.Value("ignore-case"), values: e.Texts("value"),
	}
	if name, ok := s.name.Constant(); ok && !wire.ValidName(name) {
		fs.Add(diag.PolicyValue, s.name.Pos(), e.Name, "'%s' is not a header name.", name).
			WithHint("a name has letters, digits and hyphens, no spaces or colons")
		return nil, fs
	}
	s.secret = slices.ContainsFunc(s.values, policy.Value.IsSecret)
	return s, fs
}

type checkHeaderStep struct {
	name, status, message, ignoreCase policy.Value
	values                            []policy.Value
	secret                            bool // some allowed value is a secret
}

// Run implements policy.Step.
func (s *checkHeaderStep) Run(x *exchange.Exchange) policy.Outcome {
	name, err := s.name.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("check-header", "The name of the header could not be computed.", err))
	}
	got, count := requestHeader(x, name)
	if count == 0 {
		return s.refuse(x, "HeaderNotFound", "Header "+name+" was not found in the request. Access denied.")
	}
	ok, err := s.allowed(x, got)
	if err != nil {
		return fail(x, exchange.PolicyFailed("check-header", "An allowed value could not be computed.", err))
	}
	if !ok || count > 1 {
		return s.refuse(x, "HeaderValueNotAllowed", "Header "+name+" value of "+s.shown(x, name, got)+" is not allowed. Access denied.")
	}
	return policy.Continue
}

// requestHeader returns a header of the request and how often it occurs. Host
// is kept apart from the others.
func requestHeader(x *exchange.Exchange, name string) (string, int) {
	h := x.Request.Header
	if n := h.Count(name); n > 0 {
		return h.Joined(name), n
	}
	if wire.EqualName(name, "Host") {
		if x.Request.Host != "" {
			return x.Request.Host, 1
		}
		if x.In != nil && x.In.Host != "" {
			return x.In.Host, 1
		}
	}
	return "", 0
}

func (s *checkHeaderStep) allowed(x *exchange.Exchange, got string) (bool, error) {
	if len(s.values) == 0 {
		return true, nil
	}
	text, err := s.ignoreCase.Eval(x)
	if err != nil {
		return false, err
	}
	ignoreCase, _ := policy.ParseBool(text)
	found := false
	for _, v := range s.values {
		want, err := v.Eval(x)
		if err != nil {
			return false, err
		}
		// No early exit: how long the answer takes must not tell which value came close.
		if sameValue(got, strings.TrimSpace(want), ignoreCase, s.secret) {
			found = true
		}
	}
	return found, nil
}

func sameValue(got, want string, ignoreCase, constantTime bool) bool {
	if !constantTime {
		return got == want || ignoreCase && strings.EqualFold(got, want)
	}
	if ignoreCase {
		got, want = strings.ToLower(got), strings.ToLower(want)
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// shown is the refused value for LastError: a near miss of a secret is as good
// as the secret.
func (s *checkHeaderStep) shown(x *exchange.Exchange, name, got string) string {
	if s.secret {
		return secret.Mask(got)
	}
	return x.ShowHeader(name, got)
}

func (s *checkHeaderStep) refuse(x *exchange.Exchange, reason, message string) policy.Outcome {
	text, err := s.status.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("check-header", "The status of the refusal could not be computed.", err))
	}
	status, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || status < 200 || status > 599 {
		return fail(x, exchange.PolicyFailed("check-header", "The status of the refusal is not between 200 and 599.", err))
	}
	client, err := s.message.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("check-header", "The message of the refusal could not be computed.", err))
	}
	return fail(x, exchange.CheckHeader(reason, message, status, client))
}

// Explain implements policy.Explainer.
func (s *checkHeaderStep) Explain(x *exchange.Exchange) any {
	name, _ := s.name.Eval(x)
	got, _ := requestHeader(x, name)
	return map[string]any{"message": "The header is present and its value allowed.", "header": exchange.Shown{Name: name, Value: s.shown(x, name, got)}}
}
