package builtin

import (
	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
)

func returnResponse() *policy.Policy {
	return &policy.Policy{Build: buildReturnResponse, Spec: policy.Spec{
		Name:     "return-response",
		Sections: policy.Anywhere,
		Scopes:   policy.AllScopes,
		Attrs:    []policy.Attr{{Name: "response-variable-name", Summary: "Variable with a response to start from (not supported yet)."}},
		Children: []policy.Child{
			{Name: "set-status", Max: 1, Attrs: setStatusAttrs(), Summary: "Status; 200 OK when left out."},
			{Name: "set-header", Attrs: setHeaderAttrs(), Children: setHeaderChildren(), Summary: "Headers of the response."},
			{Name: "set-body", Max: 1, Attrs: setBodyAttrs(), Text: policy.Text{Allowed: true, Expr: true, Raw: true}, Summary: "Body of the response."},
		},
		Summary: "Answers the caller at once; nothing after it runs, neither in this section nor in later ones.",
		Page:    "return-response-policy",
		Notes: []string{
			"The response starts empty: a backend's status, headers and body are dropped.",
			"on-error is not run. The body is left out for HEAD and for status 204 and 304.",
			"Content-Type must be set like any other header.",
		},
		Examples: []policy.Example{{Title: "Maintenance", XML: `<return-response>
  <set-status code="503" reason="Service Unavailable" />
  <set-header name="Retry-After" exists-action="override"><value>120</value></set-header>
  <set-body>Back soon.</set-body>
</return-response>`}},
	}}
}

func buildReturnResponse(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	if v := e.Value("response-variable-name"); v.IsSet() {
		fs.Add(diag.PolicyNotSupported, v.Pos(), e.Name, "The 'response-variable-name' attribute is not supported yet.").
			WithHint("no policy that is executed today puts a response into a variable")
		return nil, fs
	}
	s, ok := &returnResponseStep{}, true
	for _, c := range e.Children {
		var good bool
		switch c.Name {
		case "set-status":
			s.status, good = newSetStatus(c, &fs)
		case "set-header":
			var h *setHeaderStep
			h, good = newSetHeader(c, &fs)
			s.headers = append(s.headers, h)
		case "set-body":
			s.body, good = newSetBody(c, &fs)
		}
		ok = ok && good
	}
	if !ok {
		return nil, fs
	}
	return s, fs
}

type returnResponseStep struct {
	status  *setStatusStep
	headers []*setHeaderStep
	body    *setBodyStep
}

// Run implements policy.Step.
func (s *returnResponseStep) Run(x *exchange.Exchange) policy.Outcome {
	startReply(x, 200)
	if s.status != nil {
		if out := s.status.Run(x); out != policy.Continue {
			return out
		}
	}
	for _, h := range s.headers {
		if f := h.apply(x, &x.Response.Header); f != nil {
			return fail(x, f)
		}
	}
	if s.body != nil {
		if f := s.body.apply(x, &x.Response.Header, &x.Response.Body); f != nil {
			return fail(x, f)
		}
	}
	return finishReply(x)
}

// Explain implements policy.Explainer.
func (s *returnResponseStep) Explain(x *exchange.Exchange) any {
	headers := x.ShowHeaders(x.Response.Header)
	for _, h := range s.headers {
		h.mask(x, headers)
	}
	return map[string]any{
		"message":  "The response was made by the policy and sent to the caller.",
		"response": map[string]any{"status": statusData(x), "headers": headers},
	}
}
