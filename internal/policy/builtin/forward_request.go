package builtin

import (
	"strconv"
	"strings"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

func forwardRequest() *policy.Policy {
	return &policy.Policy{Build: buildForwardRequest, Spec: policy.Spec{
		Name:     "forward-request",
		Sections: policy.InBackend,
		Scopes:   policy.AllScopes,
		Attrs: []policy.Attr{
			{Name: "timeout", Type: policy.Int, Expr: true, Max: maxSeconds, Summary: "Seconds until the backend's response head must have come; default 300."},
			{Name: "timeout-ms", Type: policy.Int, Expr: true, Max: maxSeconds * 1000, Summary: "The same in milliseconds; excludes timeout."},
			{Name: "continue-timeout", Type: policy.Int, Expr: true, Max: maxSeconds, Summary: "Seconds to wait for 100 Continue (no effect here)."},
			{Name: "http-version", Default: "1", Enum: []string{"1", "2", "2or1"}, Summary: "HTTP version spoken with the backend."},
			{Name: "follow-redirects", Type: policy.Bool, Default: "false", Expr: true, Summary: "Follow redirects in the gateway instead of passing them on."},
			{Name: "buffer-request-body", Type: policy.Bool, Default: "false", Summary: "Keep the request body so that it can be sent again."},
			{Name: "buffer-response", Type: policy.Bool, Default: "true", Summary: "Gather up to 8 KB of the response before passing it on; false passes every chunk at once."},
			{Name: "fail-on-error-status-code", Type: policy.Bool, Default: "false", Summary: "Run on-error when the backend answers with a status from 400 to 599."},
		},
		Summary: "Sends the request to the backend and takes its response.",
		Page:    "forward-request-policy",
		Notes: []string{
			"The timeout ends with the response head; a body may take as long as it needs.",
			"Event streams are passed on event by event whatever buffer-response says.",
			"A backend section without forward-request calls no backend: the caller gets an empty 200.",
		},
		Examples: []policy.Example{{Title: "Stream a model's answer", XML: `<forward-request timeout="120" buffer-response="false" />`}},
	}}
}

const maxSeconds = 24 * 60 * 60

func buildForwardRequest(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	timeout, ms := e.Value("timeout"), e.Value("timeout-ms")
	if timeout.IsSet() && ms.IsSet() {
		fs.Add(diag.PolicyValue, ms.Pos(), e.Name, "The 'timeout' and 'timeout-ms' attributes exclude each other.").
			WithHint("keep one of them")
		return nil, fs
	}
	s := &forwardRequestStep{timeout: timeout, unit: time.Second, redirects: e.Value("follow-redirects")}
	if ms.IsSet() {
		s.timeout, s.unit = ms, time.Millisecond
	}
	if t, ok := s.timeout.Constant(); ok && strings.Trim(t, " 0") == "" {
		noEffect(&fs, s.timeout.Pos(), e.Name, "A timeout of 0 is taken as the default of 300 seconds; Azure does not document what it means.").
			WithHint("leave the attribute out or give the seconds you want")
	}
	if v := e.Value("continue-timeout"); v.IsSet() {
		noEffect(&fs, v.Pos(), e.Name, "The 'continue-timeout' attribute has no effect: bodies are sent without waiting for 100 Continue.").
			WithHint("remove the attribute")
	}
	s.options = exchange.ForwardOptions{
		BufferRequest: e.Bool("buffer-request-body"), BufferResponse: e.Bool("buffer-response"), FailOnErrorCodes: e.Bool("fail-on-error-status-code"),
	}
	switch e.Str("http-version") {
	case "2":
		s.options.Version = wire.HTTP2
	case "2or1":
		s.options.Version = wire.HTTP2or1
	}
	return s, fs
}

// forwardRequestStep has no Explain: whoever forwards knows what was really
// sent and received, and writes the two entries of the trace.
type forwardRequestStep struct {
	options   exchange.ForwardOptions // without what is computed per request
	timeout   policy.Value
	unit      time.Duration
	redirects policy.Value
}

// Run implements policy.Step.
func (s *forwardRequestStep) Run(x *exchange.Exchange) policy.Outcome {
	o := s.options
	if s.timeout.IsSet() {
		text, err := s.timeout.Eval(x)
		if err != nil {
			return fail(x, exchange.PolicyFailed("forward-request", "The timeout could not be computed.", err))
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 || n > maxSeconds*1000 {
			return fail(x, exchange.PolicyFailed("forward-request", "The timeout is not a number in the allowed range.", err))
		}
		o.Timeout = time.Duration(n) * s.unit
	}
	text, err := s.redirects.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("forward-request", "The value of follow-redirects could not be computed.", err))
	}
	o.FollowRedirects, _ = policy.ParseBool(text)
	if f := x.Forwarder.Forward(x, o); f != nil {
		return fail(x, f)
	}
	return policy.Continue
}
