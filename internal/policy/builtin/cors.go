package builtin

import (
	"net/netip"
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

func cors() *policy.Policy {
	return &policy.Policy{Build: buildCORS, Spec: policy.Spec{
		Name:           "cors",
		Sections:       policy.InInbound,
		Scopes:         policy.AllScopes,
		NotOnHandshake: true,
		AnyOrder:       true,
		Once:           true,
		Attrs: []policy.Attr{
			{Name: "allow-credentials", Type: policy.Bool, Default: "false", Expr: true, Summary: "Whether browsers may send cookies and other credentials."},
			{Name: "terminate-unmatched-request", Type: policy.Bool, Default: "true", Expr: true, Summary: "Answer an empty 200 to a GET or HEAD from another origin instead of calling the backend."},
		},
		Children: corsChildren(),
		Summary:  "Answers the questions browsers ask before and with calls from other origins.",
		Page:     "cors-policy",
		Notes: []string{
			"A preflight needs no subscription key and runs no other policy; an OPTIONS operation that matches takes precedence.",
			"Without allowed-methods GET and POST are allowed.",
			"The first cors that applies decides; one that does not match and does not terminate leaves the question to a broader scope.",
			"The origin * together with credentials is answered with the caller's own origin, since browsers refuse *.",
			"The headers are sent on errors too, so that scripts can read them.",
			"At product scope a preflight finds no product unless it needs no subscription: browsers send no key with it.",
		},
		Examples: []policy.Example{{Title: "One web application", XML: `<cors allow-credentials="true">
  <allowed-origins><origin>https://app.example.com</origin></allowed-origins>
  <allowed-methods preflight-result-max-age="300"><method>GET</method><method>POST</method></allowed-methods>
  <allowed-headers><header>content-type</header><header>api-key</header></allowed-headers>
  <expose-headers><header>x-request-id</header></expose-headers>
</cors>`}},
	}}
}

func corsChildren() []policy.Child {
	text := policy.Text{Allowed: true, Required: true, Expr: true}
	return []policy.Child{
		{Name: "allowed-origins", Min: 1, Max: 1, Children: []policy.Child{{Name: "origin", Min: 1, Text: text, Summary: "Scheme, host and port of an origin, or *."}}, Summary: "Who may call."},
		{Name: "allowed-methods", Max: 1, Attrs: []policy.Attr{
			{Name: "preflight-result-max-age", Type: policy.Int, Default: "0", Expr: true, Min: -1, Max: 1<<31 - 1, Summary: "Seconds browsers may remember the answer."},
		}, Children: []policy.Child{{Name: "method", Min: 1, Text: text, Summary: "A method, or *."}}, Summary: "What they may do."},
		{Name: "allowed-headers", Min: 1, Max: 1, Children: []policy.Child{{Name: "header", Min: 1, Text: text, Summary: "A header name, or *."}}, Summary: "Which headers they may send."},
		{Name: "expose-headers", Max: 1, Children: []policy.Child{{Name: "header", Min: 1, Text: text, Summary: "A header name, or *."}}, Summary: "Which response headers scripts may read."},
	}
}

func buildCORS(e *policy.Element, _ policy.Env) (policy.Step, diag.List) {
	var fs diag.List
	s := &corsStep{
		origins: map[string]bool{}, credentials: e.Value("allow-credentials"), terminate: e.Value("terminate-unmatched-request"),
		methods: tokenList{list: []string{"GET", "POST"}}, maxAge: policy.Literal("0"),
	}
	for _, v := range e.Child("allowed-origins").Texts("origin") {
		s.origin(v, &fs)
	}
	if m := e.Child("allowed-methods"); m != nil {
		s.methods = readTokens(m.Texts("method"), "method", &fs)
		s.maxAge = m.Value("preflight-result-max-age")
	}
	s.headers = readTokens(e.Child("allowed-headers").Texts("header"), "header", &fs)
	if h := e.Child("expose-headers"); h != nil {
		s.expose = readTokens(h.Texts("header"), "header", &fs).line()
	}
	if fs.HasErrors() {
		return nil, fs
	}
	return s, fs
}

func (s *corsStep) origin(v policy.Value, fs *diag.List) {
	text := literal(v)
	if text == "*" {
		s.anyOrigin = true
		return
	}
	o, ok := canonicalOrigin(text)
	if !ok {
		fs.Add(diag.PolicyValue, v.Pos(), "cors", "'%s' is not an origin.", text).
			WithHint("write scheme://host or scheme://host:port without a path, or * alone for every origin")
		return
	}
	s.origins[o] = true
}

// canonicalOrigin brings an origin into the form browsers send: lower case,
// without default port and trailing slash (RFC 6454 §6.2).
func canonicalOrigin(s string) (string, bool) {
	if s == "null" { // sandboxed documents and local files
		return s, true
	}
	scheme, authority, ok := strings.Cut(strings.ToLower(strings.TrimSuffix(s, "/")), "://")
	if !ok || !validScheme(scheme) {
		return "", false
	}
	host, port, ok := splitAuthority(authority)
	if !ok || !validOriginHost(host) {
		return "", false
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, true
	}
	return scheme + "://" + host + ":" + port, true
}

// splitAuthority takes host and port apart; the port comes back without
// leading zeros, as browsers write it.
func splitAuthority(authority string) (host, port string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", true
	}
	n, err := strconv.ParseUint(authority[i+1:], 10, 16)
	if err != nil {
		return "", "", false
	}
	return authority[:i], strconv.FormatUint(n, 10), true
}

func validScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// validOriginHost accepts an address in brackets, or a name as it goes over the
// wire: ASCII letters, digits, and the marks of host names.
func validOriginHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != ""
}

// tokenList is a list of methods or headers, or all of them.
type tokenList struct {
	any  bool
	list []string
}

func readTokens(vs []policy.Value, what string, fs *diag.List) tokenList {
	var l tokenList
	for _, v := range vs {
		text := literal(v)
		switch {
		case text == "*":
			l.any = true
		case !wire.ValidName(text):
			fs.Add(diag.PolicyValue, v.Pos(), "cors", "'%s' is not a %s.", text, what)
		default:
			l.list = append(l.list, text)
		}
	}
	return l
}

func (l tokenList) line() string {
	if l.any {
		return "*"
	}
	return strings.Join(l.list, ",")
}

// allows reports whether every entry of a comma-separated line is listed.
// Methods are case-sensitive by HTTP, but authors write them as they like.
func (l tokenList) allows(line string) bool {
	if l.any {
		return true
	}
	for line != "" {
		var t string
		t, line, _ = strings.Cut(line, ",")
		if t = strings.TrimSpace(t); t != "" && !l.has(t) {
			return false
		}
	}
	return true
}

func (l tokenList) has(t string) bool {
	for _, k := range l.list {
		if strings.EqualFold(k, t) {
			return true
		}
	}
	return false
}

type corsStep struct {
	anyOrigin              bool
	origins                map[string]bool
	methods, headers       tokenList
	expose                 string
	credentials, terminate policy.Value
	maxAge                 policy.Value
}

func (s *corsStep) allowsOrigin(origin string) bool {
	if s.anyOrigin || s.origins[origin] {
		return true
	}
	o, ok := canonicalOrigin(origin)
	return ok && s.origins[o]
}

// Run implements policy.Step: the actual request.
func (s *corsStep) Run(x *exchange.Exchange) policy.Outcome {
	credentials, err := evalBool(x, s.credentials)
	if err != nil {
		return fail(x, exchange.PolicyFailed("cors", "The value of allow-credentials could not be computed.", err))
	}
	if x.ReplyHeader().Has("Access-Control-Allow-Origin") {
		return policy.Continue // an earlier cors has decided
	}
	if !s.anyOrigin || credentials {
		x.SetReplyHeader("Vary", "Origin") // also without an Origin: caches must keep the answers apart
	}
	origin := x.Request.Header.Get("Origin")
	switch {
	case origin == "":
		return policy.Continue
	case s.allowsOrigin(origin):
		s.grant(origin, credentials, x.SetReplyHeader)
		if s.expose != "" {
			x.SetReplyHeader("Access-Control-Expose-Headers", s.expose)
		}
		return policy.Continue
	case sameOrigin(x, origin):
		return policy.Continue
	}
	terminate, err := evalBool(x, s.terminate)
	if err != nil {
		return fail(x, exchange.PolicyFailed("cors", "The value of terminate-unmatched-request could not be computed.", err))
	}
	if method := x.Request.Method; terminate && (method == "GET" || method == "HEAD") {
		startReply(x, 200)
		return finishReply(x)
	}
	return policy.Continue
}

func evalBool(x *exchange.Exchange, v policy.Value) (bool, error) {
	text, err := v.Eval(x)
	b, _ := policy.ParseBool(text)
	return b, err
}

// sameOrigin: browsers send Origin with their own site's POSTs too.
func sameOrigin(x *exchange.Exchange, origin string) bool {
	if x.In == nil {
		return false
	}
	own, ok := canonicalOrigin(x.In.Scheme + "://" + x.In.Host)
	o, ok2 := canonicalOrigin(origin)
	return ok && ok2 && own == o
}

// grant writes the headers that preflights and actual answers share.
func (s *corsStep) grant(origin string, credentials bool, set func(name, value string)) {
	if s.anyOrigin && !credentials {
		origin = "*"
	}
	set("Access-Control-Allow-Origin", origin)
	if credentials {
		set("Access-Control-Allow-Credentials", "true")
	}
}

// Preflight implements policy.Preflighter.
func (s *corsStep) Preflight(x *exchange.Exchange) bool {
	in := x.Request.Header
	origin, method, headers := in.Get("Origin"), in.Get("Access-Control-Request-Method"), in.Joined("Access-Control-Request-Headers")
	credentials, _ := evalBool(x, s.credentials)
	if !s.allowsOrigin(origin) || !s.methods.allows(method) || !s.headers.allows(headers) {
		terminate, _ := evalBool(x, s.terminate)
		if terminate {
			startReply(x, 200)
			x.Response.Header.Set("Vary", "Origin")
		}
		return terminate
	}
	startReply(x, 200)
	h := &x.Response.Header
	s.grant(origin, credentials, h.Set)
	h.Set("Access-Control-Allow-Methods", s.methods.answer(method))
	if line := s.headers.answer(headers); line != "" {
		h.Set("Access-Control-Allow-Headers", line)
	}
	if age, err := s.maxAge.Eval(x); err == nil {
		h.Set("Access-Control-Max-Age", strings.TrimSpace(age))
	}
	if !s.anyOrigin || credentials {
		h.Set("Vary", "Origin")
	}
	return true
}

// answer names what is allowed. For "all" that is what was asked for: with
// credentials browsers take * for a name like any other.
func (l tokenList) answer(asked string) string {
	if l.any && wire.ValidValue(asked) {
		return asked
	}
	return strings.Join(l.list, ",")
}

// Explain implements policy.Explainer.
func (s *corsStep) Explain(x *exchange.Exchange) any {
	origin := x.Request.Header.Get("Origin")
	switch {
	case origin == "":
		return "The request has no Origin header; cors was not applied."
	case x.ReplyHeader().Has("Access-Control-Allow-Origin"):
		return "The origin '" + origin + "' is allowed; CORS headers will be added to the response."
	case sameOrigin(x, origin):
		return "The origin '" + origin + "' is the gateway's own; cors was not applied."
	default:
		return "The origin '" + origin + "' is not allowed; no CORS headers will be added."
	}
}
