package builtin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policy"
	"sallyport/internal/policyxml"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// scene is one request with everything around it, scripted.
type scene struct {
	t        *testing.T
	x        *exchange.Exchange
	env      policy.Env
	names    map[string]namedValue
	backends map[string]*exchange.BackendEntity
	lists    map[string][]policy.AddressRange
	token    string
	backend  string
	out      strings.Builder // what was sent to the backend, what failed
	trace    strings.Builder
}

type namedValue struct {
	text   string
	secret bool
}

// newScene reads a fixture. Its lines are
//
//	client ADDRESS | none              the caller's address
//	scope global|product|api|operation of the document; default api
//	operation METHOD TEMPLATE          an operation of the API; the last one is matched
//	response JSON                      a response that operation documents
//	param NAME=RAW                     a template parameter of the request
//	named NAME=VALUE, secret NAME=VALUE
//	backend ID URL
//	list NAME FROM-TO …                a published address list
//	token TEXT                         what the managed identity gets; none by default
func newScene(t *testing.T, fixture string) *scene {
	s := &scene{t: t, x: &exchange.Exchange{}, names: map[string]namedValue{}, backends: map[string]*exchange.BackendEntity{}, lists: map[string][]policy.AddressRange{}}
	s.x.Ctx, s.x.ID, s.x.Client = context.Background(), "11111111-2222-4333-8444-555555555555", netip.MustParseAddr("203.0.113.9")
	s.x.API = &model.API{ID: "orders", KeyHeader: model.DefaultKeyHeader, KeyQuery: model.DefaultKeyQuery}
	s.x.Target.Base = exchange.BaseURL{Scheme: "https", Authority: "backend.test", Path: "/base"}
	s.env = policy.Env{Scope: policy.API, API: s.x.API, Tokens: s, Addresses: s, Backends: s, Default: s.x.Target.Base}
	for line := range strings.Lines(fixture) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "" {
			s.fixture(word, rest)
		}
	}
	return s
}

func (s *scene) fixture(word, rest string) {
	name, value, _ := strings.Cut(rest, "=")
	first, second, _ := strings.Cut(rest, " ")
	switch word {
	case "client":
		s.x.Client, _ = netip.ParseAddr(rest)
	case "scope":
		for sc := policy.Global; sc <= policy.Operation; sc++ {
			if sc.String() == rest {
				s.env.Scope = sc
			}
		}
	case "operation":
		s.x.Operation = &model.Operation{ID: "op", Method: first, URLTemplate: second}
		s.x.API.Operations = append(s.x.API.Operations, s.x.Operation)
	case "response":
		var r model.Response
		if err := json.Unmarshal([]byte(rest), &r); err != nil {
			s.t.Fatal(err)
		}
		s.x.Operation.Responses = append(s.x.Operation.Responses, r)
	case "param":
		s.x.Params = append(s.x.Params, exchange.Param{Name: name, Value: value})
	case "named", "secret":
		s.names[name] = namedValue{value, word == "secret"}
	case "backend":
		base, err := exchange.ParseBaseURL(second)
		if err != nil {
			s.t.Fatal(err)
		}
		s.backends[first] = &exchange.BackendEntity{ID: first, Base: base}
	case "list":
		s.lists[first] = nil
		for _, r := range strings.Fields(second) {
			from, to, _ := strings.Cut(r, "-")
			s.lists[first] = append(s.lists[first], policy.AddressRange{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)})
		}
	case "token":
		s.token = rest
	default:
		s.t.Fatalf("fixture: unknown word %q", word)
	}
}

// Token implements policy.Tokens.
func (s *scene) Token(_ context.Context, resource, clientID string) (secret.Text, error) {
	if s.token == "" {
		return secret.Text{}, errors.New("no identity endpoint answers")
	}
	return secret.New(strings.NewReplacer("RESOURCE", resource, "CLIENT", clientID).Replace(s.token)), nil
}

// Ranges implements policy.Addresses.
func (s *scene) Ranges(name string) ([]policy.AddressRange, error) {
	if l, ok := s.lists[name]; ok {
		return l, nil
	}
	return nil, errors.New("there is no list of that name")
}

// Backend implements policy.Backends.
func (s *scene) Backend(id string) (*exchange.BackendEntity, bool) {
	b, ok := s.backends[id]
	return b, ok
}

// BackendIDs implements policy.Backends.
func (s *scene) BackendIDs() []string {
	var ids []string
	for id := range s.backends {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Resolve implements policy.Resolver.
func (s *scene) Resolve(text string) (out string, isSecret bool, missing []string) {
	for {
		before, rest, ok := strings.Cut(text, "{{")
		name, after, closed := strings.Cut(rest, "}}")
		if !ok || !closed {
			return out + text, isSecret, missing
		}
		v, known := s.names[name]
		if !known {
			missing = append(missing, name)
		}
		out, text, isSecret = out+before+v.text, after, isSecret || v.secret
	}
}

// Known implements policy.Resolver.
func (s *scene) Known() []string {
	var names []string
	for n := range s.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// document is a policy document compiled without inheritance.
type document struct {
	steps    [exchange.NumSections][]namedStep
	findings diag.List
}

type namedStep struct {
	policy.Step
	name string
}

func (s *scene) compile(text string) *document {
	d := &document{}
	root, fs := policyxml.Read(policyxml.Document{Text: text, Format: policyxml.RawXML})
	d.findings = fs
	if root == nil || fs.HasErrors() {
		return d
	}
	reg := policy.NewRegistry(All()...)
	backend := false
	for _, section := range root.Elements() {
		i := slices.Index([]string{"inbound", "backend", "outbound", "on-error"}, section.Name)
		if i < 0 {
			s.t.Fatalf("no section %q", section.Name)
		}
		backend = backend || i == int(exchange.Backend)
		for _, n := range section.Elements() {
			p, ok := reg.Lookup(n.Name)
			if !ok || p.Build == nil || !p.Spec.Sections.Has(exchange.Section(i)) {
				s.t.Fatalf("policy %q cannot run in %s", n.Name, section.Name)
			}
			if step := s.build(n, p, exchange.Section(i), &d.findings); step != nil {
				d.steps[i] = append(d.steps[i], namedStep{step, n.Name})
			}
		}
	}
	if !backend {
		n := &policyxml.Node{Name: "forward-request"}
		p, _ := reg.Lookup(n.Name)
		d.steps[exchange.Backend] = []namedStep{{s.build(n, p, exchange.Backend, &d.findings), n.Name}}
	}
	d.findings.Sort()
	return d
}

func (s *scene) build(n *policyxml.Node, p *policy.Policy, section exchange.Section, all *diag.List) policy.Step {
	e, fs := policy.Check(n, &p.Spec, s)
	*all = append(*all, fs...)
	if fs.HasErrors() {
		return nil
	}
	env := s.env
	env.Section = section
	if env.Scope == policy.Operation {
		env.Operation = s.x.Operation
	}
	if env.Scope < policy.API {
		env.API = nil
	}
	step, fs := p.Build(e, env)
	*all = append(*all, fs...)
	if (step == nil) != fs.HasErrors() {
		s.t.Errorf("%s: Build must return a step or an error, got %v and %v", n.Name, step, fs)
	}
	return step
}

func (s *scene) request(text string) {
	start, h, body := readMessage(s.t, text)
	parts := strings.Fields(start)
	path, query, _ := strings.Cut(parts[1], "?")
	x := s.x
	x.In = &wire.Request{Method: parts[0], Scheme: "https", Host: h.Get("Host"), Target: parts[1], Proto: "HTTP/1.1", Header: h.Clone()}
	h.Del("Host")
	x.Request = exchange.Request{Method: parts[0], Path: path, Query: query, Header: h}
	if body != "" {
		x.Request.Body.SetStream(io.NopCloser(strings.NewReader(body)), int64(len(body)))
	}
	x.Forwarder = s
}

func (s *scene) startTrace() {
	s.x.Trace = &telemetry.Trace{Start: time.Now()}
}

// run plays the sections as the gateway does.
func (s *scene) run(d *document) {
	if out := s.preflight(d); out == policy.Reply {
		return
	}
	out := policy.Continue
	for section := exchange.Inbound; section <= exchange.Outbound && out == policy.Continue; section++ {
		out = s.section(d, section)
	}
	if out != policy.Fail {
		return
	}
	f := s.x.Failure
	fmt.Fprintf(&s.out, "failure: %s %s: %s\n", f.Source, f.Reason, f.Message)
	if f.ClientMessage != "" {
		s.x.Response = exchange.Response{Status: f.Status, Header: append(wire.Header{{Name: "Content-Type", Value: "application/json"}}, f.Header...)}
		s.x.Response.Body.SetBytes(f.AppendBody(nil, s.x.ID))
	}
	s.section(d, exchange.OnError)
}

func (s *scene) preflight(d *document) policy.Outcome {
	if s.x.In.Method != "OPTIONS" || !s.x.In.Header.Has("Access-Control-Request-Method") {
		return policy.Continue
	}
	for _, st := range d.steps[exchange.Inbound] {
		if p, ok := st.Step.(policy.Preflighter); ok && p.Preflight(s.x) {
			return policy.Reply
		}
	}
	return policy.Continue
}

func (s *scene) section(d *document, section exchange.Section) policy.Outcome {
	s.x.Section = section
	for _, st := range d.steps[section] {
		out := st.Run(s.x)
		if s.x.Trace != nil {
			s.explain(section, st, out)
		}
		if out != policy.Continue {
			return out
		}
	}
	return policy.Continue
}

func (s *scene) explain(section exchange.Section, st namedStep, out policy.Outcome) {
	for _, e := range s.x.Trace.Entries(section.TraceName()) {
		s.traceLine(section, e.Source, e.Data)
	}
	s.startTrace()
	if e, ok := st.Step.(policy.Explainer); ok && out != policy.Fail {
		s.traceLine(section, st.name, e.Explain(s.x))
	}
}

func (s *scene) traceLine(section exchange.Section, source string, data any) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&s.trace, "%s %s %s", section, source, b.String())
}

// Forward implements exchange.Forwarder.
func (s *scene) Forward(x *exchange.Exchange, o exchange.ForwardOptions) *exchange.Failure {
	b := x.Target.Base
	fmt.Fprintf(&s.out, "request: %s %s://%s%s\n", x.Request.Method, b.Scheme, b.Authority, b.Target(x.Request.Path, x.Request.Query))
	if o != (exchange.ForwardOptions{BufferResponse: true}) {
		fmt.Fprintf(&s.out, "request: (options %+v)\n", o)
	}
	if x.Target.Backend != nil {
		fmt.Fprintf(&s.out, "request: (backend %s)\n", x.Target.Backend.ID)
	}
	if x.Request.Host != "" {
		fmt.Fprintf(&s.out, "request: Host: %s\n", x.Request.Host)
	}
	for _, f := range x.Request.Header {
		fmt.Fprintf(&s.out, "request: %s: %s\n", f.Name, f.Value)
	}
	r, sent, _ := x.Request.Body.Take()
	if r != nil {
		sent, _ = io.ReadAll(r)
	}
	if r != nil || len(sent) > 0 {
		fmt.Fprintf(&s.out, "request:\nrequest: %s\n", strings.ReplaceAll(string(sent), "\n", "\nrequest: "))
	}
	switch strings.TrimSpace(s.backend) {
	case "refused":
		return exchange.BackendFailed("forward-request", &wire.Error{Kind: wire.KindConnect, Op: "dial", Err: errors.New("refused")})
	case "timeout":
		return exchange.BackendFailed("forward-request", &wire.Error{Kind: wire.KindTimeout, Op: "round trip", Err: context.DeadlineExceeded})
	case "":
		s.t.Error("the backend was called, but the archive has no answer for it")
	}
	start, h, body := readMessage(s.t, s.backend)
	parts := strings.SplitN(start+"  ", " ", 3)
	status, _ := strconv.Atoi(parts[1])
	x.Response = exchange.Response{Status: status, Reason: strings.TrimSpace(parts[2]), Header: h, FromBackend: true}
	x.Response.Body.SetStream(io.NopCloser(strings.NewReader(body)), int64(len(body)))
	if o.FailOnErrorCodes && status >= 400 {
		return exchange.BackendStatus(status)
	}
	return nil
}

// reply is the answer to the caller as text.
func (s *scene) reply() string {
	r := &s.x.Response
	if r.Status == 0 {
		r.Status = 200
	}
	if r.Reason == "" {
		r.Reason = wire.StatusText(r.Status)
	}
	for _, f := range s.x.ReplyHeader() {
		if f.Name == "Vary" && r.Header.Has(f.Name) { // both varies hold
			f.Value = r.Header.Joined(f.Name) + ", " + f.Value
		}
		r.Header.Set(f.Name, f.Value)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", r.Status, r.Reason)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if _, err := r.Body.Buffer(1 << 20); err != nil {
		s.t.Fatal(err)
	}
	if body := string(r.Body.Bytes()); body != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(body, "\n"))
	}
	return b.String()
}

// readMessage reads a start line, header lines and a body.
func readMessage(t *testing.T, text string) (start string, h wire.Header, body string) {
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n") // an archive cannot hold a section that ends without one
	lines := bufio.NewScanner(strings.NewReader(head))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch name, value, ok := strings.Cut(line, ":"); {
		case start == "":
			start = line
		case ok:
			h.Add(name, strings.TrimSpace(value))
		case line != "":
			t.Fatalf("not a header line: %q", line)
		}
	}
	if start == "" {
		t.Fatal("the message has no start line")
	}
	return start, h, body
}

func findingLines(fs diag.List) string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "%d:%d %s %s: %s\n", f.Line, f.Col, f.Code, f.Severity, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&b, "    hint: %s\n", f.Hint)
		}
	}
	return b.String()
}
