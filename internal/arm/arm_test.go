package arm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

const (
	bearer  = "Authorization: Bearer token-1"
	base    = "/subscriptions/S/resourceGroups/R/providers/Microsoft.ApiManagement/service/V"
	version = "?api-version=2024-05-01"
	canary  = "canary-51d0"
)

func snapshot() *model.Snapshot {
	return &model.Snapshot{
		ServiceName: "V",
		APIs: []*model.API{
			{
				ID: "inference", Revision: "1", IsCurrent: true, IsOnline: true, DisplayName: "Inference", Path: "inference/openai", Protocols: []string{"https"}, Type: "http",
				SubscriptionRequired: true, KeyHeader: "api-key", KeyQuery: "api-key",
				Properties: json.RawMessage(`{"displayName":"Inference","path":"x","format":"openapi","value":"{}","future":{"kept":1}}`),
				Operations: []*model.Operation{{
					ID: "ChatCompletions_Create", DisplayName: "Creates a completion for the chat message", Method: "POST",
					URLTemplate:        "/deployments/{deployment-id}/chat/completions?api-version={api-version}",
					TemplateParameters: []model.Parameter{{Name: "deployment-id", Type: "string", Required: true}, {Name: "api-version", Type: "string", Required: true}},
				}},
			},
			{ID: "inference", Revision: "2", DisplayName: "Inference, next", Type: "http", ServiceURL: "https://b", KeyHeader: "h", KeyQuery: "q", KeyBearer: true},
			{ID: "echo", Revision: "1", IsCurrent: true, Type: "http"},
		},
		Products: []*model.Product{{ID: "ai", DisplayName: "AI", SubscriptionRequired: true, State: "published", APIs: []string{"inference"}, Properties: json.RawMessage(`{"approvalRequired":false}`)}},
		Subscriptions: []*model.Subscription{
			{ID: "s1", DisplayName: "Team A", Scope: model.ScopeProduct, ScopeID: "ai", State: model.Active, PrimaryKey: secret.New(canary + "-p"), SecondaryKey: secret.New(canary + "-s")},
			{ID: "master", DisplayName: "Built-in", Scope: model.ScopeService, State: model.Active, OwnerID: "1"},
		},
		NamedValues: []*model.NamedValue{
			{ID: "aoai-key", DisplayName: "aoai-key", Secret: true, Value: secret.New(canary)},
			{ID: "host", DisplayName: "host", Value: secret.New("example.com"), Tags: []string{"t"}},
			{ID: "kv", DisplayName: "kv", Value: secret.New(canary), KeyVault: &model.KeyVaultRef{SecretIdentifier: "https://v/secrets/s"}},
		},
		Backends: []*model.Backend{
			{ID: "be", Type: "Single", URL: "https://user:" + canary + "@r.openai.azure.com/openai", ValidateChain: true, ValidateName: true,
				Properties: json.RawMessage(`{"url":"https://user:` + canary + `@r/openai","protocol":"http","credentials":{"header":{"k":["[secret]"]}}}`)},
		},
		Fragments: []*model.Fragment{{ID: "f", Policy: model.PolicyDoc{Text: "<fragment><base/></fragment>", Format: model.RawXML}}},
	}
}

// rig is a handler with everything replaceable.
type rig struct {
	*Handler
	snap   *model.Snapshot
	status Status
	ready  bool
	debug  *telemetry.DebugCredentials
	traces *telemetry.Traces
}

type metricsFunc func(io.Writer) error

func (f metricsFunc) WriteText(w io.Writer) error { return f(w) }

func newRig() *rig {
	r := &rig{snap: snapshot(), ready: true, debug: telemetry.NewDebugCredentials(), traces: telemetry.NewTraces(1<<20, time.Hour)}
	r.status = Status{Generation: 3, LoadedAt: time.Unix(1767323045, 0), LastAttempt: time.Unix(1767323045, 0), Accepted: true}
	r.Handler = New(Config{
		ServiceName: "V", Tokens: []secret.Text{secret.New("token-0"), secret.New("token-1")},
		Snapshot: func() *model.Snapshot { return r.snap }, Status: func() Status { return r.status }, Ready: func() bool { return r.ready },
		Metrics: metricsFunc(func(w io.Writer) error { _, err := io.WriteString(w, "up 1\n"); return err }),
		Traces:  r.traces, Debug: r.debug,
		Workspace: wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
			wire.Reply(w, 200, "text/plain", []byte("workspace "+r.Target))
		}),
	})
	return r
}

func (r *rig) do(method, target, body string, headers ...string) *wiretest.Recorder {
	return wiretest.Serve(r.Handler, wiretest.NewRequest(method, target, body, headers...))
}

// arm calls a path below the service with a token and a version.
func (r *rig) arm(method, path, body string) *wiretest.Recorder {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return r.do(method, base+path+sep+"api-version=2024-05-01", body, bearer)
}

func check(t *testing.T, what string, rec *wiretest.Recorder, status int, body string) {
	t.Helper()
	if rec.Status() != status {
		t.Errorf("%s: status %d, want %d", what, rec.Status(), status)
	}
	if d := cmp.Diff(body, rec.Body()); d != "" {
		t.Errorf("%s: %s", what, d)
	}
	if rec.ContentLength() != int64(len(rec.Body())) || rec.HeadTwice() {
		t.Errorf("%s: content length %d for %d bytes", what, rec.ContentLength(), len(rec.Body()))
	}
}

func envelope(code, message string) string {
	return `{"error":{"code":"` + code + `","message":"` + message + `","details":null}}`
}

func TestGuards(t *testing.T) {
	r := newRig()
	tests := map[string]struct {
		method, target string
		headers        []string
		status         int
		code           string
	}{
		"no token":               {"GET", base + "/apis" + version, nil, 401, "AuthenticationFailed"},
		"wrong token":            {"GET", base + "/apis" + version, []string{"Authorization: Bearer token-"}, 401, "AuthenticationFailed"},
		"prefix of the token":    {"GET", base + "/apis" + version, []string{"Authorization: Bearer token-11"}, 401, "AuthenticationFailed"},
		"empty token":            {"GET", base + "/apis" + version, []string{"Authorization: Bearer "}, 401, "AuthenticationFailed"},
		"other scheme":           {"GET", base + "/apis" + version, []string{"Authorization: Basic token-1"}, 401, "AuthenticationFailed"},
		"two tokens":             {"GET", base + "/apis" + version, []string{bearer, "Authorization: Bearer x"}, 401, "AuthenticationFailed"},
		"scheme in lower case":   {"GET", base + "/apis" + version, []string{"authorization: bearer token-1"}, 200, ""},
		"first token":            {"GET", base + "/apis" + version, []string{"Authorization: Bearer token-0"}, 200, ""},
		"anywhere, no token":     {"GET", "/what" + version, nil, 401, "AuthenticationFailed"},
		"no version":             {"GET", base + "/apis", []string{bearer}, 400, "MissingApiVersionParameter"},
		"version, other case":    {"GET", base + "/apis?Api-Version=2022-08-01", []string{bearer}, 200, ""},
		"preview version":        {"GET", base + "/apis?api-version=2023-05-01-preview", []string{bearer}, 200, ""},
		"version too old":        {"GET", base + "/apis?api-version=2018-01-01", []string{bearer}, 400, "InvalidApiVersionParameter"},
		"version is no date":     {"GET", base + "/apis?api-version=latest", []string{bearer}, 400, "InvalidApiVersionParameter"},
		"other service":          {"GET", strings.TrimSuffix(base, "V") + "W/apis" + version, []string{bearer}, 404, "ResourceNotFound"},
		"segments in any case":   {"GET", strings.ToLower(base) + "/APIS" + version, []string{bearer}, 200, ""},
		"doubled slashes":        {"GET", "/" + base + "//apis/" + version, []string{bearer}, 200, ""},
		"other provider":         {"GET", "/subscriptions/S/resourceGroups/R/providers/Microsoft.Web/service/V/apis" + version, []string{bearer}, 404, "ResourceNotFound"},
		"unknown kind":           {"GET", base + "/loggers" + version, []string{bearer}, 404, "ResourceNotFound"},
		"GET of an action":       {"GET", base + "/subscriptions/s1/listSecrets" + version, []string{bearer}, 405, "MethodNotAllowed"},
		"POST of a list":         {"POST", base + "/apis" + version, []string{bearer}, 405, "MethodNotAllowed"},
		"PUT":                    {"PUT", base + "/apis/new" + version, []string{bearer}, 409, "ConfigurationIsReadOnly"},
		"PATCH":                  {"PATCH", base + "/apis/inference" + version, []string{bearer}, 409, "ConfigurationIsReadOnly"},
		"DELETE":                 {"DELETE", base + "/apis/inference" + version, []string{bearer}, 409, "ConfigurationIsReadOnly"},
		"PUT without a token":    {"PUT", base + "/apis/new" + version, nil, 401, "AuthenticationFailed"},
		"bad escape":             {"GET", base + "/apis/%zz" + version, []string{bearer}, 400, "InvalidRequestUri"},
		"bad escape in query":    {"GET", base + "/apis" + version + "&a=%zz", []string{bearer}, 400, "InvalidRequestUri"},
		"root":                   {"GET", "/", nil, 404, "ResourceNotFound"},
		"slash inside a segment": {"GET", base + "/apis%2Finference" + version, []string{bearer}, 404, "ResourceNotFound"},
	}
	for name, tc := range tests {
		rec := r.do(tc.method, tc.target, "", tc.headers...)
		var got errorBody
		_ = json.Unmarshal([]byte(rec.Body()), &got)
		if rec.Status() != tc.status || got.Error.Code != tc.code {
			t.Errorf("%s: %d %s", name, rec.Status(), rec.Body())
		}
		if tc.code != "" && got.Error.Message == "" {
			t.Errorf("%s: no message", name)
		}
	}
}

func TestErrorsByteForByte(t *testing.T) {
	r := newRig()
	rec := r.do("GET", base+"/apis"+version, "")
	check(t, "no token", rec, 401, envelope("AuthenticationFailed", "The request carries no bearer token in the header Authorization."))
	if got := rec.Header().Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("challenge %q", got)
	}
	rec = r.do("GET", base+"/apis"+version, "", "Authorization: Bearer no")
	if got := rec.Header().Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
		t.Errorf("challenge %q", got)
	}
	check(t, "unknown API", r.arm("GET", "/apis/none", ""), 404, envelope("ResourceNotFound", "Api not found."))
	check(t, "unknown operation", r.arm("GET", "/apis/inference/operations/none", ""), 404, envelope("ResourceNotFound", "Operation not found."))
	check(t, "unknown product", r.arm("GET", "/products/none", ""), 404, envelope("ResourceNotFound", "Product not found."))
	check(t, "field", r.arm("POST", "/gateways/managed/listDebugCredentials", `{}`), 400,
		`{"error":{"code":"ValidationError","message":"One or more fields contain incorrect values:","details":[{"code":"ValidationError","target":"apiId","message":"The id of an API is required."}]}}`)
	rec = r.arm("DELETE", "/gateways/managed/listTrace", "")
	if rec.Status() != 409 {
		t.Errorf("write: %d", rec.Status())
	}
	rec = r.arm("GET", "/gateways/managed/listTrace", "")
	if rec.Status() != 405 || rec.Header().Get("Allow") != "POST" {
		t.Errorf("405 without Allow: %v", rec.Header())
	}
}

func TestHeaders(t *testing.T) {
	r := newRig()
	rec := r.do("GET", base+"/products/ai"+version, "", bearer, "x-ms-client-request-id: c-1", "x-ms-return-client-request-id: true")
	h := rec.Header()
	if h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("x-ms-client-request-id") != "c-1" || len(h.Get("x-ms-request-id")) != 36 || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
	head := r.do("HEAD", base+"/products/ai"+version, "", bearer)
	if head.Status() != 200 || head.Body() != "" || head.ContentLength() != int64(len(rec.Body())) || head.Header().Get("ETag") != h.Get("ETag") || h.Get("ETag") == "" {
		t.Errorf("HEAD %d %q %v", head.Status(), head.Body(), head.Header())
	}
	r.snap.Products[0].DisplayName = "AI 2"
	if got := r.arm("GET", "/products/ai", "").Header().Get("ETag"); got == h.Get("ETag") {
		t.Error("the etag did not change with the content")
	}
}

func TestWorkspaceIsDelegated(t *testing.T) {
	r := newRig()
	for _, p := range []string{"/api/2.0/serving-endpoints", "/serving-endpoints/x/invocations?a=1", "/api/2.1/x"} {
		check(t, p, r.do("POST", p, "{}"), 200, "workspace "+p)
	}
	r.cfg.Workspace = nil
	if got := r.do("GET", "/api/2.0/x", "").Status(); got != 404 {
		t.Errorf("without a serving plane: %d", got)
	}
}

func TestNoTokensLetNobodyIn(t *testing.T) {
	r := newRig()
	h := New(Config{ServiceName: "V", Snapshot: r.cfg.Snapshot, Status: r.cfg.Status, Ready: r.cfg.Ready, Tokens: []secret.Text{{}}})
	for _, token := range []string{"Authorization: Bearer ", "Authorization: Bearer x", "X: y"} {
		if got := wiretest.Serve(h, wiretest.NewRequest("GET", base+"/apis"+version, "", token)).Status(); got != 401 {
			t.Errorf("%q: %d", token, got)
		}
	}
}

func TestHealth(t *testing.T) {
	r := newRig()
	check(t, "live", r.do("GET", "/healthz", ""), 200, "ok\n")
	check(t, "ready", r.do("GET", "/readyz", ""), 200, "ready\n")
	r.ready = false
	check(t, "not ready", r.do("GET", "/readyz", ""), 503, "not ready\n")
	check(t, "live while draining", r.do("GET", "/healthz", ""), 200, "ok\n")
	if got := r.do("POST", "/healthz", ""); got.Status() != 405 || got.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", got.Status())
	}
}

func TestConfigHealth(t *testing.T) {
	r := newRig()
	r.status.Findings.Add(diag.SettingsRisky, diag.Pos{File: "a.yaml", Line: 1, Col: 2}, "p", "careful")
	counts := `"resources":{"apis":3,"operations":1,"apiVersionSets":0,"products":1,"subscriptions":2,"namedValues":3,"backends":1,"policyFragments":1,"servingEndpoints":0}`
	common := `{"serviceName":"V","result":"accepted","generation":3,"loadedAt":"2026-01-02T03:04:05Z","lastAttempt":"2026-01-02T03:04:05Z","findingCounts":{"error":0,"warning":1,"info":0},` + counts
	check(t, "from here", r.do("GET", "/healthz/config", ""), 200,
		common+`,"findings":[{"code":"SP1013","severity":"warning","position":{"file":"a.yaml","line":1,"column":2},"path":"p","message":"careful"}]}`)
	away := wiretest.NewRequest("GET", "/healthz/config", "")
	away.Remote = netip.MustParseAddrPort("203.0.113.7:1")
	check(t, "from elsewhere", wiretest.Serve(r, away), 200, common+`}`)
	r.status.Accepted = false
	if got := r.do("GET", "/healthz/config", ""); got.Status() != 200 || !strings.Contains(got.Body(), `"result":"rejected"`) {
		t.Errorf("rejected, old one in force: %d %s", got.Status(), got.Body())
	}
	r.status, r.snap = Status{}, nil
	check(t, "nothing loaded", r.do("GET", "/healthz/config", ""), 503,
		`{"serviceName":"V","result":"none","generation":0,"loadedAt":null,"lastAttempt":null,"findingCounts":{"error":0,"warning":0,"info":0},"resources":null,"findings":[]}`)
	if got := r.arm("GET", "/apis", ""); got.Status() != 503 {
		t.Errorf("ARM before the first configuration: %d", got.Status())
	}
	if got := r.arm("GET", "", ""); got.Status() != 200 {
		t.Errorf("the service before the first configuration: %d", got.Status())
	}
}

func TestMetricsNeedATokenFromElsewhere(t *testing.T) {
	r := newRig()
	tests := map[string]struct {
		remote  string
		headers []string
		status  int
	}{
		"loopback":               {"127.0.0.1:5", nil, 200},
		"loopback, IPv6":         {"[::1]:5", nil, 200},
		"loopback, mapped":       {"[::ffff:127.0.0.1]:5", nil, 200},
		"elsewhere":              {"10.0.0.1:5", nil, 401},
		"elsewhere with token":   {"10.0.0.1:5", []string{bearer}, 200},
		"behind a local proxy":   {"127.0.0.1:5", []string{"X-Forwarded-For: 10.0.0.1"}, 401},
		"behind another proxy":   {"127.0.0.1:5", []string{"Forwarded: for=10.0.0.1"}, 401},
		"spoofed from elsewhere": {"10.0.0.1:5", []string{"X-Forwarded-For: 127.0.0.1"}, 401},
	}
	for name, tc := range tests {
		q := wiretest.NewRequest("GET", "/metrics", "", tc.headers...)
		q.Remote = netip.MustParseAddrPort(tc.remote)
		rec := wiretest.Serve(r, q)
		if rec.Status() != tc.status || tc.status == 200 && (rec.Body() != "up 1\n" || rec.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8") {
			t.Errorf("%s: %d %q", name, rec.Status(), rec.Body())
		}
	}
	r.cfg.Metrics = metricsFunc(func(io.Writer) error { return errors.New("broken " + canary) })
	if rec := r.do("GET", "/metrics", ""); rec.Status() != 500 || strings.Contains(rec.Body(), canary) {
		t.Errorf("failing metrics: %d %s", rec.Status(), rec.Body())
	}
}
