package builtin

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

func setHeader() *policy.Policy {
	return &policy.Policy{Build: buildSetHeader, Spec: policy.Spec{
		Name:     "set-header",
		Sections: policy.Anywhere,
		Scopes:   policy.AllScopes,
		Attrs:    setHeaderAttrs(),
		Children: setHeaderChildren(),
		Summary:  "Sets, appends or removes a header: of the request in inbound and backend, of the response in outbound and on-error.",
		Page:     "set-header-policy",
		Notes: []string{
			"Several values become one line joined by commas, except for headers such as Set-Cookie that need a line each.",
			"override without a value removes the header; an empty value sets an empty header.",
			"Connection, Content-Length, Keep-Alive and Transfer-Encoding belong to the gateway: statements about them are ignored with a warning.",
			"Deleting X-Forwarded-For removes what the caller sent; the gateway still adds the caller's address when it forwards.",
			"Host in inbound or backend changes the host name that the backend sees; append replaces it too, since a request has one host.",
			"White space around a value is not part of it.",
		},
		Examples: []policy.Example{
			{Title: "Identify the gateway to the backend", XML: `<set-header name="X-Gateway" exists-action="override"><value>sallyport</value></set-header>`},
			{Title: "Hide what the backend runs on", XML: `<set-header name="X-Powered-By" exists-action="delete" />`},
		},
	}}
}

func setHeaderAttrs() []policy.Attr {
	return []policy.Attr{
		{Name: "name", Required: true, Expr: true, Summary: "Name of the header."},
		existsAction("header"),
	}
}

func existsAction(what string) policy.Attr {
	return policy.Attr{Name: "exists-action", Default: "override", Expr: true, Enum: []string{"override", "skip", "append", "delete"},
		Summary: "What to do when the " + what + " is there already: replace it, leave it, add to it; or delete it."}
}

func setHeaderChildren() []policy.Child {
	return []policy.Child{{Name: "value", Text: policy.Text{Allowed: true, Expr: true}, Summary: "A value; repeat for several."}}
}

func buildSetHeader(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s, ok := newSetHeader(e, &fs)
	if !ok {
		return nil, fs
	}
	s.request = env.Section <= exchange.Backend
	return s, fs
}

func newSetHeader(e *policy.Element, fs *diag.List) (*setHeaderStep, bool) {
	s := &setHeaderStep{name: e.Value("name"), action: e.Value("exists-action"), values: e.Texts("value")}
	name, constant := s.name.Constant()
	switch {
	case !constant:
	case !wire.ValidName(name):
		fs.Add(diag.PolicyValue, s.name.Pos(), e.Name, "'%s' is not a header name.", name).
			WithHint("a name has letters, digits and hyphens, no spaces or colons")
		return nil, false
	case protectedHeader(name):
		fs.Add(diag.PolicyProtectedHeader, s.name.Pos(), e.Name, "The header '%s' is owned by the gateway; this statement is ignored.", name)
		s.protected = true
	}
	ok := true
	for _, v := range s.values {
		if text, constant := v.Constant(); constant && !wire.ValidValue(strings.TrimSpace(text)) {
			fs.Add(diag.PolicyValue, v.Pos(), e.Name, "The value of header '%s' holds a line break or control character, which would let it add headers of its own.", name).
				WithHint("write the value on one line; repeat <value> for several")
			ok = false
		}
	}
	s.joined, s.constant = joinConstant(s.values)
	return s, ok
}

// protectedHeader names the headers that Azure lets no policy touch (page
// set-header-policy); they describe the connection, not the message.
func protectedHeader(name string) bool {
	return wire.EqualName(name, "Connection") || wire.EqualName(name, "Content-Length") ||
		wire.EqualName(name, "Keep-Alive") || wire.EqualName(name, "Transfer-Encoding")
}

// linePerValue names the headers whose values stay separate lines (page
// set-header-policy): they hold commas themselves.
func linePerValue(name string) bool {
	for _, n := range [...]string{"Set-Cookie", "Cookie", "WWW-Authenticate", "Proxy-Authenticate", "User-Agent", "Warning", "Date",
		"Expires", "If-Modified-Since", "If-Unmodified-Since", "Last-Modified", "Retry-After"} {
		if wire.EqualName(name, n) {
			return true
		}
	}
	return false
}

func joinConstant(vs []policy.Value) (string, bool) {
	texts := make([]string, len(vs))
	for i, v := range vs {
		t, ok := v.Constant()
		if !ok {
			return "", false
		}
		texts[i] = strings.TrimSpace(t)
	}
	return strings.Join(texts, ","), true
}

type setHeaderStep struct {
	name, action policy.Value
	values       []policy.Value
	joined       string // the values as one line, when all are constant
	constant     bool
	protected    bool // nothing happens
	request      bool // works on the request, where Host is special
}

// Run implements policy.Step.
func (s *setHeaderStep) Run(x *exchange.Exchange) policy.Outcome {
	if err := s.apply(x, x.Message()); err != nil {
		return fail(x, err)
	}
	return policy.Continue
}

// apply changes h, which may be a response in the making.
func (s *setHeaderStep) apply(x *exchange.Exchange, h *wire.Header) *exchange.Failure {
	if s.protected {
		return nil
	}
	name, err := s.name.Eval(x)
	if err != nil || !wire.ValidName(name) {
		return exchange.PolicyFailed("set-header", "The name of the header cannot be used.", err)
	}
	action, err := s.action.Eval(x)
	if err != nil {
		return exchange.PolicyFailed("set-header", "The value of exists-action could not be computed.", err)
	}
	if s.request && wire.EqualName(name, "Host") {
		return s.host(x, action)
	}
	switch action {
	case "delete":
		h.Del(name)
		return nil
	case "skip":
		if h.Has(name) {
			return nil
		}
	case "append":
	case "override":
		if len(s.values) == 0 || linePerValue(name) {
			h.Del(name)
		}
	default:
		return exchange.PolicyFailed("set-header", "The value of exists-action is none of override, skip, append and delete.", nil)
	}
	if len(s.values) == 0 {
		return nil
	}
	if linePerValue(name) {
		return s.addLines(x, h, name)
	}
	value, f := s.line(x)
	if f != nil {
		return f
	}
	if action == "append" && h.Has(name) {
		value = joinLines(*h, name) + "," + value
	}
	h.Set(name, value)
	return nil
}

// line returns the values as one line.
func (s *setHeaderStep) line(x *exchange.Exchange) (string, *exchange.Failure) {
	if s.constant {
		return s.joined, nil
	}
	texts := make([]string, len(s.values))
	for i, v := range s.values {
		var f *exchange.Failure
		if texts[i], f = headerValue(x, v); f != nil {
			return "", f
		}
	}
	return strings.Join(texts, ","), nil
}

func (s *setHeaderStep) addLines(x *exchange.Exchange, h *wire.Header, name string) *exchange.Failure {
	for _, v := range s.values {
		text, f := headerValue(x, v)
		if f != nil {
			return f
		}
		h.Add(name, text)
	}
	return nil
}

// headerValue refuses what would end the header line early: with it, whoever
// supplies the value could add headers or a second response.
func headerValue(x *exchange.Exchange, v policy.Value) (string, *exchange.Failure) {
	text, err := v.Eval(x)
	if err != nil {
		return "", exchange.PolicyFailed("set-header", "The value of the header could not be computed.", err)
	}
	if text = strings.TrimSpace(text); !wire.ValidValue(text) {
		return "", exchange.PolicyFailed("set-header", "The value of the header holds a line break or control character.", nil)
	}
	return text, nil
}

// joinLines joins what is there with commas, as the values of one header.
func joinLines(h wire.Header, name string) string {
	if h.Count(name) == 1 {
		return h.Get(name)
	}
	return strings.Join(h.Values(name), ",")
}

// host changes the host name the backend sees. The caller's Host is always
// there, so skip never sets one.
func (s *setHeaderStep) host(x *exchange.Exchange, action string) *exchange.Failure {
	switch {
	case action == "skip":
		return nil
	case action == "delete" || len(s.values) == 0:
		x.Request.Host = ""
		return nil
	}
	v, f := headerValue(x, s.values[len(s.values)-1])
	if f == nil {
		x.Request.Host = v
	}
	return f
}

// Explain implements policy.Explainer.
func (s *setHeaderStep) Explain(x *exchange.Exchange) any {
	name, _ := s.name.Eval(x)
	if s.protected {
		return map[string]any{"message": "The header belongs to the gateway; the statement was ignored.", "header": exchange.Shown{Name: name}}
	}
	action, _ := s.action.Eval(x)
	return map[string]any{"message": headerMessage(action, len(s.values) == 0), "header": exchange.Shown{Name: name, Value: s.shown(x, name)}}
}

func headerMessage(action string, empty bool) string {
	switch {
	case action == "delete", action == "override" && empty:
		return "The header was removed."
	case action == "skip":
		return "The header was set unless it was there already."
	case action == "append":
		return "The values were added to the header."
	default:
		return "The header was set; a value from before is replaced."
	}
}

// shown is the header's value after the step.
func (s *setHeaderStep) shown(x *exchange.Exchange, name string) string {
	value := joinLines(*x.Message(), name)
	if s.request && wire.EqualName(name, "Host") {
		value = x.Request.Host
	}
	line := []exchange.Shown{{Name: name, Value: x.ShowHeader(name, value)}}
	s.mask(x, line)
	return line[0].Value
}

// mask hides the lines whose value the document gives as a secret.
func (s *setHeaderStep) mask(x *exchange.Exchange, lines []exchange.Shown) {
	if !slices.ContainsFunc(s.values, policy.Value.IsSecret) {
		return
	}
	name, _ := s.name.Eval(x)
	for i := range lines {
		if wire.EqualName(lines[i].Name, name) && !wire.EqualName(name, "Authorization") {
			lines[i].Value = secret.Mask(lines[i].Value)
		}
	}
}
