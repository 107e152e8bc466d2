package builtin

import (
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policy"
)

func mockResponse() *policy.Policy {
	return &policy.Policy{Build: buildMockResponse, Spec: policy.Spec{
		Name:           "mock-response",
		Sections:       policy.InInbound | policy.InOutbound | policy.InOnError,
		Scopes:         policy.AllScopes,
		NotOnHandshake: true,
		Attrs: []policy.Attr{
			{Name: "status-code", Type: policy.Int, Default: "200", Min: 200, Max: 599, Summary: "Which of the operation's responses to send."},
			{Name: "content-type", Summary: "Which representation of it; the first when left out."},
		},
		Summary: "Answers the caller with an example from the API's definition; nothing after it runs.",
		Page:    "mock-response-policy",
		Notes: []string{
			"The operation's response with that status is taken, else its default response; then the representation of that content type, else the first.",
			"Its example is sent; without one a sample is made from the schema, the same each time; without a schema the body is empty.",
		},
		Examples: []policy.Example{{Title: "The documented example", XML: `<mock-response status-code="200" content-type="application/json" />`}},
	}}
}

func buildMockResponse(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s := &mockResponseStep{status: int(e.Int("status-code")), contentType: mediaType(e.Str("content-type")), ready: map[*model.Operation]mock{}}
	ops := []*model.Operation{env.Operation}
	if env.Operation == nil {
		ops = nil
		if env.API != nil {
			ops = env.API.Operations
		}
	} else if findResponse(env.Operation, s.status) == nil {
		noEffect(&fs, e.Pos, e.Name, "The operation '%s' documents no response with status %d; the body will be empty.", env.Operation.ID, s.status).
			WithHint("%s", documented(env.Operation))
	}
	for _, op := range ops {
		s.ready[op] = s.mock(op)
	}
	return s, fs
}

func documented(op *model.Operation) string {
	var codes []string
	for _, r := range op.Responses {
		codes = append(codes, strconv.Itoa(r.StatusCode))
	}
	if len(codes) == 0 {
		return "describe the responses of the operation, with an example or a schema"
	}
	return "documented: " + strings.Join(codes, ", ")
}

// mock is an answer ready to be sent.
type mock struct {
	contentType string
	body        []byte
}

type mockResponseStep struct {
	status      int
	contentType string
	ready       map[*model.Operation]mock // of the operations known when the document was built
}

func (s *mockResponseStep) mock(op *model.Operation) mock {
	r := findResponse(op, s.status)
	if r == nil || len(r.Representations) == 0 {
		return mock{}
	}
	rep := &r.Representations[0]
	for i := range r.Representations {
		if s.contentType != "" && mediaType(r.Representations[i].ContentType) == s.contentType {
			rep = &r.Representations[i]
			break
		}
	}
	m := mock{contentType: rep.ContentType}
	switch {
	case rep.HasExample || rep.Example != "":
		m.body = []byte(rep.Example)
	case len(rep.Schema) > 0:
		m.body = sampleBody(rep.Schema, mediaType(rep.ContentType))
	}
	return m
}

func findResponse(op *model.Operation, status int) *model.Response {
	var other *model.Response
	for i := range op.Responses {
		switch op.Responses[i].StatusCode {
		case status:
			return &op.Responses[i]
		case 0:
			other = &op.Responses[i]
		}
	}
	return other
}

// mediaType is a content type without parameters, in lower case.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// Run implements policy.Step.
func (s *mockResponseStep) Run(x *exchange.Exchange) policy.Outcome {
	startReply(x, s.status)
	if op := x.Operation; op != nil {
		m, ok := s.ready[op]
		if !ok { // broader than an API: its operations are not known beforehand
			m = s.mock(op)
		}
		if m.contentType != "" {
			x.Response.Header.Add("Content-Type", m.contentType)
		}
		x.Response.Body.SetBytes(m.body)
	}
	return finishReply(x)
}

// Explain implements policy.Explainer.
func (s *mockResponseStep) Explain(x *exchange.Exchange) any {
	return map[string]any{
		"message":  "The response was made from the API's definition and sent to the caller.",
		"response": map[string]any{"status": statusData(x), "headers": x.ShowHeaders(x.Response.Header)},
	}
}
