package builtin

import (
	"context"
	"errors"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
)

func authenticationManagedIdentity() *policy.Policy {
	return &policy.Policy{Build: buildManagedIdentity, Spec: policy.Spec{
		Name:     "authentication-managed-identity",
		Sections: policy.InInbound,
		Scopes:   policy.AllScopes &^ (1 << policy.Workspace),
		Attrs: []policy.Attr{
			{Name: "resource", Required: true, Expr: true, Summary: "Application id URI of what the token is for, such as https://cognitiveservices.azure.com."},
			{Name: "client-id", Summary: "Client id of a user-assigned identity; the system-assigned one when left out."},
			{Name: "output-token-variable-name", Summary: "Variable that takes the token; the Authorization header is then left alone."},
			{Name: "ignore-error", Type: policy.Bool, Default: "false", Summary: "Go on without a token when none can be had."},
		},
		Summary: "Authenticates the gateway to the backend with a token of its managed identity.",
		Page:    "authentication-managed-identity-policy",
		Notes: []string{
			"Replaces an Authorization header that the caller sent; read what you need of it before.",
			"Tokens are cached and renewed ahead of their end; caching them by policy as well only makes them stale.",
			"The token goes wherever the request goes: set the backend before you trust it with one.",
		},
		Examples: []policy.Example{{Title: "Call Azure OpenAI", XML: `<authentication-managed-identity resource="https://cognitiveservices.azure.com" />`}},
	}}
}

func buildManagedIdentity(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	return &managedIdentityStep{
		tokens: env.Tokens, resource: e.Value("resource"), clientID: strings.TrimSpace(e.Str("client-id")),
		variable: e.Str("output-token-variable-name"), ignoreError: e.Bool("ignore-error"),
	}, nil
}

type managedIdentityStep struct {
	tokens      policy.Tokens // nil where documents are only checked
	resource    policy.Value
	clientID    string
	variable    string
	ignoreError bool
}

// Run implements policy.Step.
func (s *managedIdentityStep) Run(x *exchange.Exchange) policy.Outcome {
	token, err := s.token(x)
	switch {
	case err == nil && s.variable != "":
		x.SetVar(s.variable, token)
	case err == nil:
		x.Request.Header.Set("Authorization", "Bearer "+token.Reveal())
	case x.Ctx != nil && x.Ctx.Err() != nil && errors.Is(err, context.Canceled):
		return fail(x, exchange.ClientGone("authentication-managed-identity", err))
	case !s.ignoreError:
		return fail(x, exchange.Identity("authentication-managed-identity", err))
	default:
		s.goOn(x)
	}
	return policy.Continue
}

func (s *managedIdentityStep) token(x *exchange.Exchange) (secret.Text, error) {
	resource, err := s.resource.Eval(x)
	if err != nil {
		return secret.Text{}, err
	}
	if s.tokens == nil {
		return secret.Text{}, errors.New("no identity is configured")
	}
	ctx := x.Ctx
	if ctx == nil {
		ctx = context.Background()
	}
	token, err := s.tokens.Token(ctx, strings.TrimSpace(resource), s.clientID)
	if err == nil && token.IsZero() {
		err = errors.New("the token is empty")
	}
	return token, err
}

// goOn continues without a token. The caller's own Authorization header stays,
// as on Azure; the variable is set empty so that later policies can test it.
func (s *managedIdentityStep) goOn(x *exchange.Exchange) {
	if s.variable != "" {
		x.SetVar(s.variable, secret.Text{})
	}
	if x.Trace != nil {
		x.Trace.Add(x.Section.TraceName(), telemetry.Entry{Source: "authentication-managed-identity",
			Data: map[string]any{"message": "No token could be obtained; ignored because ignore-error is true."}})
	}
}

// Explain implements policy.Explainer.
func (s *managedIdentityStep) Explain(x *exchange.Exchange) any {
	resource, _ := s.resource.Eval(x)
	data := map[string]any{"message": "A token of the managed identity was asked for.", "resource": strings.TrimSpace(resource)}
	if s.clientID != "" {
		data["clientId"] = s.clientID
	}
	if s.variable != "" {
		v, _ := x.Var(s.variable)
		t, _ := v.(secret.Text)
		data["variable"] = map[string]any{"name": s.variable, "value": secret.Mask(t.String()), "set": !t.IsZero()}
		return data
	}
	data["header"] = exchange.Shown{Name: "Authorization", Value: x.ShowHeader("Authorization", x.Request.Header.Get("Authorization"))}
	return data
}
