package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

// fixture is a gateway over a scripted backend.
type fixture struct {
	*gateway.Gateway
	t       testing.TB
	backend *wiretest.Transport
	debug   *telemetry.DebugCredentials
	traces  *telemetry.Traces
	deps    plan.Deps
	cfg     gateway.Config
}

type fixedTokens struct{}

func (fixedTokens) Token(context.Context, string, string) (secret.Text, error) {
	return secret.New("token-of-the-identity"), nil
}

// echo answers with what arrived: request line, headers, body.
func echo(_ context.Context, r *wire.Request, w wire.Responder) {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Host + r.Target + "\n")
	for _, f := range r.Header {
		b.WriteString(strings.ToLower(f.Name) + ": " + f.Value + "\n")
	}
	b.WriteString("\n")
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		b.Write(body)
	}
	wire.Reply(w, 200, "text/plain", []byte(b.String()))
}

func newFixture(t testing.TB, backend wire.Handler, s *model.Snapshot, change ...func(*gateway.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, backend: &wiretest.Transport{Handler: backend}, debug: telemetry.NewDebugCredentials(), traces: telemetry.NewTraces(1<<20, 1<<40)}
	f.deps = plan.Deps{
		Registry: policy.NewRegistry(builtin.All()...), Tokens: fixedTokens{},
		Transport: func(bool, bool) wire.Transport { return f.backend },
	}
	f.cfg = gateway.Config{
		ServiceName: "test", Correlate: true, Tokens: fixedTokens{}, Traces: f.traces, Debug: f.debug, MaskTraceSecrets: true,
		Metrics: telemetry.NewMetrics("test"), Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&f.cfg)
	}
	f.Gateway = gateway.New(f.cfg)
	f.load(s)
	return f
}

func (f *fixture) load(s *model.Snapshot) {
	f.t.Helper()
	if fs := model.Validate(s); fs.HasErrors() {
		f.t.Fatalf("snapshot: %v", fs)
	}
	p, r := plan.Build(f.Plan(), s, f.deps)
	if r.Findings.HasErrors() {
		for _, x := range r.Findings {
			f.t.Error(x)
		}
		f.t.FailNow()
	}
	f.Swap(p)
}

// call sends a request; headers are "Name: value".
func (f *fixture) call(method, target string, headers ...string) *wiretest.Recorder {
	return f.send(method, target, "", headers...)
}

func (f *fixture) send(method, target, body string, headers ...string) *wiretest.Recorder {
	r := wiretest.NewRequest(method, target, body, headers...)
	r.Host, r.Scheme = "gw.test", "https"
	r.Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	return wiretest.Serve(f.Gateway, r)
}

func rawPolicy(text string) *model.PolicyDoc {
	return &model.PolicyDoc{Text: text, Format: model.RawXML, File: "policy.xml"}
}

// api is an API with operations written "METHOD template".
func api(id, path string, ops ...string) *model.API {
	a := &model.API{
		ID: id, Revision: "1", IsCurrent: true, IsOnline: true, DisplayName: id, Path: path, ServiceURL: "http://backend.test/base", Type: "http",
		Protocols: []string{"https"}, KeyHeader: model.DefaultKeyHeader, KeyQuery: model.DefaultKeyQuery,
	}
	for i, o := range ops {
		method, tmpl, _ := strings.Cut(o, " ")
		op := &model.Operation{ID: strings.ToLower(method) + "-" + string(rune('a'+i)), DisplayName: o, Method: method, URLTemplate: tmpl}
		for _, name := range templateNames(tmpl) {
			op.TemplateParameters = append(op.TemplateParameters, model.Parameter{Name: name, Type: "string", Required: true})
		}
		a.Operations = append(a.Operations, op)
	}
	a.Hash = id + path + strings.Join(ops, ",")
	return a
}

func templateNames(t string) (names []string) {
	for {
		open := strings.IndexByte(t, '{')
		if open < 0 {
			return names
		}
		end := strings.IndexByte(t[open:], '}')
		names = append(names, t[open+1:open+end])
		t = t[open+end:]
	}
}

func with(a *model.API, change func(*model.API)) *model.API {
	change(a)
	return a
}

func snapshot(apis ...*model.API) *model.Snapshot {
	return &model.Snapshot{ServiceName: "test", APIs: apis}
}
