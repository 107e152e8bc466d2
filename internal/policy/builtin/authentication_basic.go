package builtin

import (
	"encoding/base64"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
)

func authenticationBasic() *policy.Policy {
	return &policy.Policy{Build: buildAuthenticationBasic, Spec: policy.Spec{
		Name:     "authentication-basic",
		Sections: policy.InInbound,
		Scopes:   policy.AllScopes,
		Once:     true,
		Attrs: []policy.Attr{
			{Name: "username", Required: true, Expr: true, Summary: "User name; cannot hold a colon."},
			{Name: "password", Required: true, Expr: true, Secret: true, Summary: "Password; keep it in a secret named value."},
		},
		Summary:  "Authenticates the gateway to the backend with a user name and password.",
		Page:     "authentication-basic-policy",
		Notes:    []string{"Replaces an Authorization header that the caller sent.", "Name and password are sent as UTF-8."},
		Examples: []policy.Example{{Title: "Basic authentication", XML: `<authentication-basic username="gateway" password="correct horse" />`}},
	}}
}

func buildAuthenticationBasic(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	user := e.Value("username")
	if u, ok := user.Constant(); ok && strings.Contains(u, ":") {
		fs.Add(diag.PolicyValue, user.Pos(), e.Name, "A user name cannot hold a colon: the receiver would take the rest for the password (RFC 7617).")
		return nil, fs
	}
	return &authenticationBasicStep{user: user, password: e.Value("password")}, fs
}

type authenticationBasicStep struct{ user, password policy.Value }

// Run implements policy.Step.
func (s *authenticationBasicStep) Run(x *exchange.Exchange) policy.Outcome {
	user, err := s.user.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("authentication-basic", "The user name could not be computed.", err))
	}
	password, err := s.password.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("authentication-basic", "The password could not be computed.", err))
	}
	x.Request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	return policy.Continue
}

// Explain implements policy.Explainer.
func (s *authenticationBasicStep) Explain(*exchange.Exchange) any {
	return map[string]any{"message": "The credentials of the policy were put into the Authorization header.",
		"header": exchange.Shown{Name: "Authorization", Value: "Basic ****"}}
}
