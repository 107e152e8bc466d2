package builtin

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
)

func trace() *policy.Policy {
	return &policy.Policy{Build: buildTrace, Spec: policy.Spec{
		Name:     "trace",
		Sections: policy.Anywhere,
		Scopes:   policy.AllScopes,
		Attrs: []policy.Attr{
			{Name: "source", Required: true, Summary: "Who speaks; the source of the entry in the request trace."},
			{Name: "severity", Default: "verbose", Enum: []string{"verbose", "information", "error"}, Summary: "How important the message is."},
		},
		Text: policy.Text{Allowed: true, Expr: true},
		Children: []policy.Child{
			{Name: "message", Max: 1, Text: policy.Text{Allowed: true, Required: true, Expr: true}, Summary: "What to write."},
			{Name: "metadata", Attrs: []policy.Attr{
				{Name: "name", Required: true, Expr: true, Summary: "Name of the property."},
				{Name: "value", Required: true, Expr: true, Summary: "Its value."},
			}, Summary: "A property that goes with the message."},
		},
		Summary: "Writes a message into the trace of a traced request.",
		Page:    "trace-policy",
		Notes: []string{
			"The message as bare text inside the element, an older form, is understood as well.",
			"Nothing is computed or written for requests that are not traced. Secret values are masked.",
		},
		Examples: []policy.Example{{Title: "Leave a mark", XML: `<trace source="chat api" severity="information">
  <message>Model call admitted</message>
  <metadata name="team" value="dublin" />
</trace>`}},
	}}
}

func buildTrace(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s := &traceStep{source: e.Str("source"), severity: e.Str("severity"), message: e.Text, at: e.Pos.String()}
	bare, constant := e.Text.Constant()
	hasText := e.Text.IsSet() && (!constant || strings.TrimSpace(bare) != "")
	m := e.Child("message")
	switch {
	case m != nil:
		s.message = m.Text
	case len(e.Children) > 0 || !hasText:
		fs.Add(diag.PolicyChildCount, e.Pos, e.Name, "The element 'trace' has incomplete content. List of possible elements expected: 'message'.")
		return nil, fs
	}
	for _, c := range e.All("metadata") {
		s.metadata = append(s.metadata, metadata{c.Value("name"), c.Value("value")})
	}
	return s, fs
}

type traceStep struct {
	source, severity, at string
	message              policy.Value
	metadata             []metadata
}

type metadata struct{ name, value policy.Value }

// Run implements policy.Step. The entry carries the author's source, which is
// why it is written here and not by whoever traces the step.
func (s *traceStep) Run(x *exchange.Exchange) policy.Outcome {
	if x.Trace == nil {
		return policy.Continue
	}
	message, err := shownValue(x, s.message)
	if err != nil {
		return fail(x, exchange.PolicyFailed("trace", "The message could not be computed.", err))
	}
	data := map[string]any{"message": strings.TrimSpace(message), "severity": s.severity}
	if len(s.metadata) > 0 {
		props := make(map[string]string, len(s.metadata))
		for _, m := range s.metadata {
			name, err := m.name.Eval(x)
			if err != nil {
				return fail(x, exchange.PolicyFailed("trace", "The name of a property could not be computed.", err))
			}
			value, err := shownValue(x, m.value)
			if err != nil {
				return fail(x, exchange.PolicyFailed("trace", "The value of a property could not be computed.", err))
			}
			if !m.value.IsSecret() {
				value = x.ShowHeader(name, value) // a property may repeat a key by its name
			}
			props[name] = value
		}
		data["metadata"] = props
	}
	x.Trace.Add(x.Section.TraceName(), telemetry.Entry{Source: s.source, At: s.at, Data: data})
	return policy.Continue
}

func shownValue(x *exchange.Exchange, v policy.Value) (string, error) {
	text, err := v.Eval(x)
	if v.IsSecret() {
		text = secret.Mask(text)
	}
	return text, err
}

// Explain implements policy.Explainer.
func (s *traceStep) Explain(*exchange.Exchange) any {
	return map[string]any{"message": "An entry was written to the trace.", "source": s.source}
}
