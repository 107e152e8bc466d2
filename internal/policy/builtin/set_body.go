package builtin

import (
	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

func setBody() *policy.Policy {
	return &policy.Policy{Build: buildSetBody, Spec: policy.Spec{
		Name:           "set-body",
		Sections:       policy.Anywhere,
		Scopes:         policy.AllScopes,
		NotOnHandshake: true,
		Attrs:          setBodyAttrs(),
		Text:           policy.Text{Allowed: true, Expr: true, Raw: true},
		Summary:        "Replaces the body: of the request in inbound and backend, of the response in outbound and on-error.",
		Page:           "set-body-policy",
		Notes: []string{
			"The content is sent as it stands, white space included; XML may be written as elements.",
			"An empty element empties the body. Content-Type is never touched; set it with set-header.",
			"Content-Encoding is removed with the body it described, because what is written here is not compressed.",
			"Liquid templates are not supported yet.",
		},
		Examples: []policy.Example{
			{Title: "A fixed JSON body", XML: `<set-body>{"model":"gpt-4.1-mini"}</set-body>`},
			{Title: "A SOAP request", XML: `<set-body><ping xmlns="urn:example" /></set-body>`},
		},
	}}
}

func setBodyAttrs() []policy.Attr {
	return []policy.Attr{
		{Name: "template", Enum: []string{"none", "liquid"}, Summary: "liquid: the content is a Liquid template (not supported yet)."},
		{Name: "xsi-nil", Enum: []string{"blank", "null"}, Summary: "How Liquid sees xsi:nil elements."},
		{Name: "parse-date", Type: policy.Bool, Default: "true", Summary: "Whether Liquid turns texts that look like dates into dates."},
	}
}

func buildSetBody(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s, ok := newSetBody(e, &fs)
	if !ok {
		return nil, fs
	}
	return s, fs
}

func newSetBody(e *policy.Element, fs *diag.List) (*setBodyStep, bool) {
	if e.Str("template") == "liquid" {
		fs.Add(diag.PolicyNotSupported, e.Value("template").Pos(), e.Name, "Liquid templates are not supported yet.").
			WithHint("write the body as a literal")
		return nil, false
	}
	s := &setBodyStep{content: e.Text}
	if text, ok := e.Text.Constant(); ok {
		s.constant = []byte(text)
	}
	return s, true
}

type setBodyStep struct {
	content  policy.Value
	constant []byte // shared by all requests: bodies in memory are never written to
}

// Run implements policy.Step.
func (s *setBodyStep) Run(x *exchange.Exchange) policy.Outcome {
	h, body := x.Message(), x.MessageBody()
	if f := s.apply(x, h, body); f != nil {
		return fail(x, f)
	}
	if x.Section >= exchange.Outbound { // trailers belong to the body they came with
		x.Response.Trailer, x.Response.TrailerNames = nil, nil
	}
	return policy.Continue
}

// apply replaces body and drops the headers that described the old one.
func (s *setBodyStep) apply(x *exchange.Exchange, h *wire.Header, body *exchange.Body) *exchange.Failure {
	data := s.constant
	if data == nil {
		text, err := s.content.Eval(x)
		if err != nil {
			return exchange.PolicyFailed("set-body", "The body could not be computed.", err)
		}
		data = []byte(text)
	}
	body.SetBytes(data)
	h.Del("Content-Length")
	h.Del("Transfer-Encoding")
	h.Del("Content-Encoding")
	return nil
}

// Explain implements policy.Explainer. The content stays out of traces: it may
// be large, and it may hold what callers or secrets said.
func (s *setBodyStep) Explain(x *exchange.Exchange) any {
	return map[string]any{"message": "The body was replaced.", "bytes": x.MessageBody().Size()}
}
