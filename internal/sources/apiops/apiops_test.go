package apiops_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/apiops"
)

func tokens(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func loadSample(t *testing.T) (*model.Snapshot, diag.List, apiops.Listing) {
	t.Helper()
	return apiops.Load(filepath.Join("testdata", "sample"), apiops.Options{
		Overrides: []string{filepath.Join("testdata", "sample", "configuration.prod.yaml")},
		Tokens:    tokens("API_SECRET", "s3cret: \"value\"", "MODEL_HOST", "prod.example.com", "TEAM_KEY", "s3cret-team"),
	})
}

func lines(l diag.List) []string {
	out := make([]string, len(l))
	for i, f := range l {
		out[i] = fmt.Sprintf("%s %s %s", f.Pos, f.Severity, f.Code)
	}
	return out
}

func TestLoadSample(t *testing.T) {
	s, findings, _ := loadSample(t)
	want := []string{"testdata/sample/workspaces/w1 warning SP1114"}
	if diff := cmp.Diff(want, lines(findings)); diff != "" {
		t.Errorf("findings: %s\n%v", diff, findings)
	}
	if v := model.Validate(s); len(v) > 0 {
		t.Errorf("validate: %v", v)
	}
	if s.ServiceName != "prod-service" || s.Policy == nil || s.Policy.Format != model.RawXML {
		t.Errorf("service %q, policy %v", s.ServiceName, s.Policy)
	}
	chat := s.APIs[0]
	got := []any{
		chat.Name(), chat.Path, chat.DisplayName, chat.ServiceURL, chat.KeyHeader, chat.KeyQuery, chat.Version, chat.VersionSetID,
		chat.IsOnline, chat.IsCurrent, chat.Tags, len(chat.Hash), strings.Contains(string(chat.Properties), `"futureProperty":{"kept":[1,2]}`),
	}
	wantAPI := []any{
		"chat", "ai/chat", "Chat in production", "https://models.example.com/openai", "api-key", "api-key", "v1", "chat-versions",
		true, true, []string{"ai"}, 64, true,
	}
	if diff := cmp.Diff(wantAPI, got); diff != "" {
		t.Error(diff)
	}
	rev := s.APIs[1]
	if rev.Name() != "chat;rev=2" || rev.DisplayName != "Chat in production" || rev.KeyHeader != "api-key" || rev.Version != "v1" || rev.ServiceURL != "https://next.example.com" {
		t.Errorf("revision does not inherit: %+v", rev)
	}
}

func TestLoadSampleOperations(t *testing.T) {
	s, _, _ := loadSample(t)
	var got []string
	for _, op := range s.APIs[0].Operations {
		got = append(got, fmt.Sprintf("%s|%s|%s %s|%s:%d|%s", op.ID, op.DisplayName, op.Method, op.URLTemplate, filepath.Base(op.Pos.File), op.Pos.Line, op.Policy.File))
	}
	want := []string{
		"ChatCompletions_Create|Creates a completion for the chat message|POST /deployments/{deployment-id}/chat/completions?api-version={api-version}|specification.yaml:9|testdata/sample/apis/chat/operations/chatcompletions-create/policy.xml",
		"list-models|list models|GET /models|specification.yaml:17|testdata/sample/configuration.prod.yaml#apis/chat/operations/list-models/policies/policy",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadSampleAccess(t *testing.T) {
	s, _, _ := loadSample(t)
	type sub struct {
		ID      string
		Scope   model.ScopeKind
		ScopeID string
		State   model.SubscriptionState
		Key     string
	}
	var got []sub
	for _, x := range s.Subscriptions {
		got = append(got, sub{x.ID, x.Scope, x.ScopeID, x.State, x.PrimaryKey.Reveal()})
	}
	want := []sub{
		{"all", model.ScopeAllAPIs, "", model.Active, "s3cret-all-1"},
		{"master", model.ScopeService, "", model.Suspended, ""},
		{"team-a", model.ScopeProduct, "models", model.Active, "s3cret-team"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	p := s.Products[0]
	if diff := cmp.Diff([]string{"chat", "developers"}, append(p.APIs, p.Groups...)); diff != "" {
		t.Error(diff)
	}
	values := map[string]string{}
	for _, n := range s.NamedValues {
		values[n.DisplayName] = n.Value.Reveal()
	}
	if diff := cmp.Diff(map[string]string{"api-secret": "s3cret: \"value\"", "region": "eastus", "vaulted": "fallback"}, values); diff != "" {
		t.Error(diff)
	}
}

func TestLoadSampleBackends(t *testing.T) {
	s, _, _ := loadSample(t)
	b := s.Backends[0]
	got := []any{b.URL, b.Type, b.ValidateChain, b.ValidateName, b.Credentials.Header[0].Values[0].Reveal(), b.Credentials.Query[0].Name,
		b.Credentials.Scheme, b.Credentials.Parameter.Reveal(), *b.Credentials.ManagedIdentity, b.Sealed["/proxy/password"].Reveal()}
	want := []any{"https://prod.example.com/base", "Single", false, true, "s3cret-header", "code", "Bearer", "s3cret-parameter",
		model.ManagedIdentity{Resource: "https://cognitiveservices.azure.com", ClientID: "c1"}, "s3cret-proxy"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m := s.Backends[1].Pool; len(m) != 1 || m[0].BackendID != "model" || m[0].Weight != 3 {
		t.Errorf("pool: %+v", m)
	}
}

// What is not used yet is kept and listed.
func TestLoadSampleListing(t *testing.T) {
	s, _, listing := loadSample(t)
	var got []string
	for _, c := range listing.Counts {
		got = append(got, fmt.Sprintf("%s %d %t", c.Kind, c.N, c.Served))
	}
	want := []string{
		"APIs 2 true", "operations 3 true", "policies 5 true", "policy fragments 1 true", "products 1 true", "subscriptions 3 true",
		"named values 3 true", "backends 2 true", "version sets 1 true", "groups 1 false", "tags 1 false", "loggers 1 false",
		"diagnostics 1 false", "gateways 1 false",
		"apis diagnostics 1 false", "apis releases 1 false", "apis schemas 1 false", "gateways apis 1 false", "products tags 1 false", "workspaces 3 false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	kept := map[string]string{}
	for _, r := range s.Kept {
		kept[r.Kind+" "+r.ID] = string(r.Properties)
	}
	for id, part := range map[string]string{
		"apis/chat/diagnostics applicationinsights": `"alwaysLog":"none"`,
		"workspaces/w1/apis inner":                  `"path":"inner"`,
		"workspaces/w1/apis/inner policy.xml":       `policies`,
		"gateways/edge/apis chat":                   `{}`,
	} {
		if !strings.Contains(kept[id], part) {
			t.Errorf("%s: kept %q, want it to hold %s", id, kept[id], part)
		}
	}
	dirs := strings.Join(listing.Dirs(), "\n")
	for _, d := range []string{"testdata/sample", "testdata/sample/apis/chat;rev=2", "testdata/sample/workspaces/w1/apis/inner"} {
		if !strings.Contains(dirs, d) {
			t.Errorf("Dirs lacks %s", d)
		}
	}
	if len(listing.Files) != 37 {
		t.Errorf("%d files read", len(listing.Files))
	}
}

// No secret of the sample can be seen in anything that may be printed.
func TestSecretsStayHidden(t *testing.T) {
	s, findings, listing := loadSample(t)
	findings = append(findings, model.Validate(s)...)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%+v %#v %v", s, findings, listing), string(raw)} {
		if i := strings.Index(text, "s3cret"); i >= 0 {
			t.Errorf("a secret shows: …%s…", text[max(0, i-80):i+20])
		}
	}
	if len(s.Loggers[0].Sealed) != 1 {
		t.Error("the logger's key is lost")
	}
}

// The hash of an API follows its content and nothing else.
func TestHashFollowsContent(t *testing.T) {
	base := func() fstest.MapFS {
		return fs("apis/a/apiInformation.json", `{"properties":{"path":"a","displayName":"A"}}`,
			"apis/a/specification.yaml", spec, "apis/a/policy.xml", "<policies />",
			"apis/b/apiInformation.json", `{"properties":{"path":"b","displayName":"B"}}`)
	}
	hashes := func(m fstest.MapFS) (string, string) {
		s, _, _ := apiops.LoadFS(m, apiops.Options{})
		return s.APIs[0].Hash, s.APIs[1].Hash
	}
	a, b := hashes(base())
	for name, content := range map[string]string{
		"apis/a/policy.xml":                  "<policies><inbound /></policies>",
		"apis/a/specification.yaml":          spec + "\n",
		"apis/a/operations/get-x/policy.xml": "<policies />",
		"apis/a/tags.json":                   `[{"name":"t"}]`,
		"apis/a/apiInformation.json":         `{"properties":{"path":"a","displayName":"A","new":1}}`,
		"apis/a/diagnostics/applicationinsights/diagnosticInformation.json": `{"properties":{}}`,
	} {
		m := base()
		m[name] = &fstest.MapFile{Data: []byte(content)}
		a2, b2 := hashes(m)
		if a2 == a {
			t.Errorf("%s: the hash of the changed API is the same", name)
		}
		if b2 != b {
			t.Errorf("%s: the hash of the other API changed", name)
		}
	}
	if a2, b2 := hashes(base()); a2 != a || b2 != b {
		t.Error("the hash is not stable")
	}
}

const spec = `openapi: 3.0.0
info: {title: A, version: "1"}
paths:
  /x:
    get: {responses: {"200": {description: ok}}}
`

// fs makes a file system of name, content pairs.
func fs(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}
