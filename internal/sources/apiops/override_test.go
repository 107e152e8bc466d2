package apiops_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/apiops"
)

func base() fstest.MapFS {
	return fs("apis/chat/apiInformation.json", `{"properties":{"path":"c","displayName":"C","subscriptionKeyParameterNames":{"header":"h","query":"q"}}}`,
		"apis/chat/specification.yaml", spec,
		"named values/key/namedValueInformation.json", `{"properties":{"displayName":"key","value":"v"}}`)
}

func override(t *testing.T, yaml string, opts ...string) (*model.Snapshot, diag.List) {
	t.Helper()
	m := base()
	m["o.yaml"] = &fstest.MapFile{Data: []byte(yaml)}
	s, findings, _ := apiops.LoadFS(m, apiops.Options{Overrides: []string{"o.yaml"}, Tokens: tokens(opts...)})
	var out diag.List
	for _, f := range findings {
		if f.Code != diag.SourceUnknownEntry {
			out = append(out, f)
		}
	}
	return s, out
}

func TestOverrideFindings(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"unknown section", "namedvalues: []\n", "o.yaml:1:1: error SP1140: key 'namedvalues' is not known here (did you mean 'namedValues'?)"},
		{"unknown key", "apis:\n  - name: chat\n    propertys: {}\n", "o.yaml:3:5: error SP1140: key 'propertys' is not known here (did you mean 'properties'?)"},
		{"unknown API", "apis:\n  - name: chatt\n", "o.yaml:2:11: error SP1141: there is no API 'chatt' (did you mean 'chat'?)"},
		{"unknown named value", "namedValues:\n  - name: nope\n", "o.yaml:2:11: error SP1141: there is no named value 'nope'"},
		{"unknown operation", "apis:\n  - name: chat\n    operations:\n      - name: get-z\n", "o.yaml:4:15: error SP1141: there is no operation 'get-z' (did you mean 'get-x'?)"},
		{"unknown diagnostic", "apis:\n  - name: chat\n    diagnostics:\n      - name: d\n", "o.yaml:4:15: error SP1141: there is no diagnostic 'd'"},
		{"policy name", "policies:\n  - name: polcy\n", "o.yaml:2:11: error SP1141: there is no policy 'polcy' (did you mean 'policy'?)"},
		{"shape of section", "apis: {chat: 1}\n", "o.yaml:1:7: error SP1142: 'apis' must be a list of entries with a name, not an object"},
		{"shape of entry", "apis: [chat]\n", "o.yaml:1:8: error SP1142: an entry of 'apis' must be an object with a name, not a text"},
		{"no name", "apis:\n  - properties: {}\n", "o.yaml:2:5: error SP1142: an entry of 'apis' needs a name"},
		{"shape of properties", "apis:\n  - name: chat\n    properties: x\n", "o.yaml:3:17: error SP1142: 'properties' must be an object, not a text"},
		{"type in override", "apis:\n  - name: chat\n    properties: {isOnline: [x]}\n", "o.yaml:3:28: error SP1105: property 'isOnline' must be true or false, not a list"},
		{"missing token", "namedValues:\n  - name: key\n    properties: {value: \"a {#NOPE#}\"}\n", "o.yaml:3:25: error SP1143: token 'NOPE' has no value (set the environment variable NOPE, or write a default: {#NOPE:default#})"},
		{"bad token", "namedValues:\n  - name: key\n    properties: {value: \"{#a b#}\"}\n", "o.yaml:3:25: error SP1143: '{#a b#}' is not a token (write {#NAME#} or {#NAME:default#}; names hold letters, digits, '_', '-' and '.')"},
		{"open token", "namedValues:\n  - name: key\n    properties: {value: \"{#A\"}\n", "o.yaml:3:25: error SP1143: '{#' opens a token that is not closed (write {#NAME#} or {#NAME:default#})"},
		{"yaml", "apis: [\n", "o.yaml:2:1: error SP1104: did not find expected node content"},
		{"policy by link", "policies:\n  - name: policy\n    properties: {format: rawxml-link, value: 'https://x'}\n", "o.yaml:3:26: error SP1107: policy format 'rawxml-link' is not supported: the text must be in the file"},
		{"private use", "a: \uE000\n", "o.yaml:1:4: error SP1104: private-use characters U+E000 to U+E003 cannot be used here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := override(t, tt.yaml)
			for _, f := range got {
				if f.String() == tt.want {
					return
				}
			}
			t.Errorf("want %s\n got %v", tt.want, got)
		})
	}
	_, got, _ := apiops.LoadFS(base(), apiops.Options{Overrides: []string{"nope.yaml"}})
	if len(got) != 1 || got[0].Code != diag.SourceUnreadable || got[0].File != "nope.yaml" {
		t.Errorf("missing file: %v", got)
	}
}

func TestOverrideMergesDeep(t *testing.T) {
	s, got := override(t, `
apis:
  - name: CHAT
    properties:
      subscriptionKeyParameterNames: {header: api-key}
      subscriptionRequired: {#REQUIRED#}
      serviceUrl: "https://{#HOST#}:{#PORT:8443#}/x"
    policies:
      - {name: policy, properties: {value: "<policies />", format: rawxml}}
policies:
  - name: policy
    properties: {value: "<policies/>"}
`, "REQUIRED", "false", "HOST", "h.example.com")
	if len(got) > 0 {
		t.Fatal(got)
	}
	a := s.APIs[0]
	have := []any{a.KeyHeader, a.KeyQuery, a.SubscriptionRequired, a.ServiceURL, a.Policy.Text, a.Policy.Format, s.Policy.Format, a.DisplayName}
	want := []any{"api-key", "q", false, "https://h.example.com:8443/x", "<policies />", model.RawXML, model.XML, "C"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if p := a.Places.At("serviceUrl", diag.Pos{}); p.String() != "o.yaml:7:19" {
		t.Errorf("position of an overridden property: %s", p)
	}
}

func TestLaterOverrideWins(t *testing.T) {
	m := base()
	m[".1.yaml"] = &fstest.MapFile{Data: []byte("apimServiceName: one\nnamedValues:\n  - {name: key, properties: {value: one, secret: true}}\n")}
	m[".2.yaml"] = &fstest.MapFile{Data: []byte("namedValues:\n  - {name: KEY, properties: {value: two}}\n")}
	s, got, _ := apiops.LoadFS(m, apiops.Options{Overrides: []string{".1.yaml", ".2.yaml"}})
	if len(got) > 0 {
		t.Fatal(got)
	}
	if n := s.NamedValues[0]; n.Value.Reveal() != "two" || !n.Secret || s.ServiceName != "one" {
		t.Errorf("got %+v, service %q", n, s.ServiceName)
	}
}

// A value from the environment never shows in a finding, wherever it lands.
func TestTokenValuesStayHidden(t *testing.T) {
	_, got := override(t, `
apis:
  - name: "{#T#}"
  - name: chat
    properties: {isOnline: "{#T#}", apiVersionSetId: "/{#T#}/{#T#}"}
    operations: [{name: "{#T#}"}]
    policies: [{name: policy, properties: {format: "{#T#}", value: x}}]
`, "T", "hunter2")
	if len(got) < 4 {
		t.Errorf("findings: %v", got)
	}
	for _, f := range got {
		if strings.Contains(f.String(), "hunter2") {
			t.Errorf("value shown: %s", f)
		}
	}
}

func FuzzOverride(f *testing.F) {
	for _, s := range []string{"apis:\n  - name: chat\n    properties: {path: {#A:b#}}\n", "namedValues: [{name: key, properties: {value: \"{#X#}\"}}]", "apis: [{name: chat, operations: [{name: get-x, policies: [{name: policy, properties: {value: x}}]}]}]", "{#", "a: {#:#}", "workspaces: [{name: x, y: z}]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		m := base()
		m[".o.yaml"] = &fstest.MapFile{Data: []byte(yaml)}
		s, got, _ := apiops.LoadFS(m, apiops.Options{Overrides: []string{".o.yaml"}, Tokens: tokens("X", "v")})
		for _, x := range append(got, model.Validate(s)...) {
			if strings.ContainsAny(x.Message, "\uE000\uE001\uE002\uE003") {
				t.Errorf("masked token shown: %s", x)
			}
		}
	})
}
