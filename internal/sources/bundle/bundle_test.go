package bundle_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/sources/bundle"
)

// write makes a folder of name, content pairs and returns the first file.
func write(t testing.TB, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		name := filepath.Join(dir, pairs[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(pairs[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, pairs[0])
}

// one puts the lines of an endpoint into a bundle; they start in line 4.
func one(endpoint string) string {
	return "resources:\n  model_serving_endpoints:\n    chat:\n" + indent(endpoint, 6)
}

func indent(s string, n int) string {
	return strings.Repeat(" ", n) + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+strings.Repeat(" ", n)) + "\n"
}

const custom = `custom_provider_config:
  custom_provider_url: https://gw.example.com/chat?api-version=1
  api_key_auth: {key: api-key, value: "{{secrets/apim/key}}"}
`

// entity is one external model; config is all the rest of a sound endpoint.
func entity(name, provider string) string {
	e := "external_model:\n  name: gpt-4.1:mini\n  provider: custom\n  task: llm/v1/chat\n" + indent(provider, 2)
	if name != "" {
		e = "name: " + name + "\n" + e
	}
	return "- " + strings.TrimPrefix(indent(e, 2), "  ")
}

func sound(entities ...string) string {
	if len(entities) == 0 {
		entities = []string{entity("", custom)}
	}
	return "name: dublin-chat\nconfig:\n  served_entities:\n" + indent(strings.Join(entities, ""), 4)
}

func load(t testing.TB, text string) ([]*model.ServingEndpoint, []string) {
	t.Helper()
	file := write(t, "databricks.yml", text)
	e, findings := bundle.Load(file, bundle.Options{})
	return e, short(findings, filepath.Dir(file))
}

func short(l diag.List, dir string) []string {
	var out []string
	for _, f := range l {
		out = append(out, strings.TrimPrefix(f.String(), dir+string(filepath.Separator)))
	}
	return out
}

func TestLoad(t *testing.T) {
	got, findings := load(t, one("description: Chat\ntags: [{key: team, value: ai}]\n"+sound()))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	e := got[0]
	ext := e.ServedEntities[0].External
	have := []any{e.Key, e.Name, e.Description, e.Tags, e.Routes, e.ServedEntities[0].Name, ext.Name, ext.Provider, ext.Task, ext.Custom.URL, ext.Custom.APIKey.Key, ext.Custom.APIKey.Value.Scope, ext.Custom.APIKey.Value.Key}
	want := []any{"chat", "dublin-chat", "Chat", []model.Tag{{Key: "team", Value: "ai"}}, []model.TrafficRoute{{ServedEntity: "gpt-4-1-mini", Percentage: 100}}, "gpt-4-1-mini",
		"gpt-4.1:mini", "custom", "llm/v1/chat", "https://gw.example.com/chat?api-version=1", "api-key", "apim", "key"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(e.Properties), `"value":"ai"`) || !strings.Contains(string(e.Properties), "{{secrets/apim/key}}") {
		t.Errorf("properties: %s", e.Properties)
	}
}

// Every row is a bundle with one thing wrong.
func TestFindings(t *testing.T) {
	bearer := "custom_provider_config:\n  custom_provider_url: https://gw.example.com/\n  bearer_token_auth: "
	url := func(u string) string {
		return one(sound(entity("", "custom_provider_config:\n  custom_provider_url: "+u+"\n  bearer_token_auth: {token: \"{{secrets/a/b}}\"}\n")))
	}
	two := func(routes string) string {
		return one(sound(entity("a", custom), entity("b", custom)) + "  traffic_config:\n    routes: " + routes + "\n")
	}
	replace := func(old, new string) string { return one(strings.Replace(sound(), old, new, 1)) }
	tests := []struct{ name, doc, want string }{
		{"name missing", one("config: {served_entities: []}\n"), "error SP1106: property 'name' is required"},
		{"name characters", replace("dublin-chat", "dublin chat"), "databricks.yml:4:13: error SP1506: the name must have 1 to 63 letters, digits, '-' and '_'"},
		{"name length", replace("dublin-chat", strings.Repeat("n", 64)), "error SP1506: the name must have"},
		{"reserved name", replace("dublin-chat", "databricks-gpt"), "error SP1506: names that start with 'databricks-' are reserved"},
		{"name twice", one(sound()) + "    other:\n" + indent(sound(), 6), "error SP1507: endpoint name 'dublin-chat' is taken by 'chat'"},
		{"unknown field", one("descripton: x\n" + sound()), "databricks.yml:4:7: warning SP1501: field 'descripton' is not known here and has no effect (did you mean 'description'?)"},
		{"unknown root", "resource: {}\n", "databricks.yml:1:1: warning SP1501: field 'resource' is not known here and has no effect (did you mean 'resources'?)"},
		{"unknown kind", "resources: {model_serving_endpoint: {}}\n", "warning SP1501: resource kind 'model_serving_endpoint' is not known (did you mean 'model_serving_endpoints'?)"},
		{"scope", "resources: {secret_scopes: {apim: {name: apim}}}\n", "info SP1525: secret scope 'apim' is kept; its secrets are not part of a bundle"},
		{"no config", one("name: n\n"), "warning SP1527: endpoint 'chat' has no config and serves nothing"},
		{"no entities", one("name: n\nconfig: {}\n"), "warning SP1527: the endpoint has no served entities"},
		{"custom model", one("name: n\nconfig: {served_entities: [{entity_name: c.s.m, entity_version: 1}]}\n"), "error SP1510: models that Databricks runs itself are not supported yet"},
		{"served_models", one("name: n\nconfig: {served_models: [{model_name: m}]}\n"), "warning SP1520: served_models is deprecated and read as served_entities"},
		{"both lists", one(sound() + "  served_models: []\n"), "error SP1529: served_models and served_entities cannot be used together"},
		{"compute beside external", replace("- external_model", "- workload_size: Small\n      external_model"), "error SP1511: 'workload_size' cannot be combined with external_model"},
		{"provider later", replace("provider: custom\n", "provider: openai\n"), "error SP1513: provider 'openai' is not supported yet"},
		{"provider unknown", replace("provider: custom\n", "provider: custm\n"), "(did you mean 'custom'?)"},
		{"block missing", replace("custom_provider_config", "openai_config"), "error SP1514: provider 'custom' needs custom_provider_config"},
		{"block of another provider", replace("custom_provider_config", "openai_config"), "error SP1514: openai_config does not belong to provider 'custom'"},
		{"task", replace("llm/v1/chat", "llm/v1/chatt"), "error SP1521: the task must be one of llm/v1/chat, llm/v1/completions, llm/v1/embeddings (did you mean 'llm/v1/chat'?)"},
		{"tasks differ", one(sound(entity("a", custom), strings.Replace(entity("b", custom), "/chat\n", "/completions\n", 1))), "error SP1521: task 'llm/v1/completions' differs from 'llm/v1/chat' of another entity"},
		{"entity name twice", one(sound(entity("", custom), entity("gpt-4-1-mini", custom))), "error SP1508: two served entities have the same name"},
		{"too many", one(sound(strings.Split(strings.Repeat(entity("", custom)+"|", 16), "|")[:16]...)), "error SP1509: an endpoint has at most 15 served entities, not 16"},
		{"both auths", one(sound(entity("", custom+"  bearer_token_auth: {token: \"{{secrets/a/b}}\"}\n"))), "error SP1515: api_key_auth and bearer_token_auth exclude each other"},
		{"no auth", one(sound(entity("", "custom_provider_config: {custom_provider_url: 'https://x'}\n"))), "error SP1515: api_key_auth or bearer_token_auth is required"},
		{"both credentials", one(sound(entity("", bearer+"{token: \"{{secrets/a/b}}\", token_plaintext: hunter2}\n"))), "error SP1516: write either 'token' or 'token_plaintext', not both"},
		{"no credential", one(sound(entity("", bearer+"{}\n"))), "error SP1516: 'token' is required"},
		{"plaintext in the reference field", one(sound(entity("", bearer+"{token: hunter2}\n"))), "error SP1517: 'token' must be a secret reference (write {{secrets/<scope>/<key>}}, or use 'token_plaintext' for the secret itself)"},
		{"reference syntax", one(sound(entity("", bearer+"{token: '{{secret/hunter2/b}}'}\n"))), "error SP1517: 'token' must be a secret reference"},
		{"plaintext", one(sound(entity("", bearer+"{token_plaintext: hunter2}\n"))), "warning SP1526: 'token_plaintext' holds a secret in plain text"},
		{"header name", one(sound(entity("", strings.Replace(custom, "key: api-key", "key: 'api key'", 1)))), "error SP1515: api_key_auth.key must be a header name"},
		{"http", url("http://gw.example.com/urls3cret"), "error SP1518: custom_provider_url must be https, please change to https"},
		{"http loopback", url("http://127.0.0.1:1/"), "(plain http to this machine is possible with serving.allowInsecureLoopback)"},
		{"relative URL", url("/urls3cret"), "error SP1518: custom_provider_url must be a complete URL"},
		{"URL credentials", url("https://u:urls3cret@x/"), "error SP1518: custom_provider_url must not hold credentials"},
		{"no split", one(sound(entity("a", custom), entity("b", custom))), "error SP1522: more than one served entity needs a traffic_config"},
		{"sum", two("[{served_entity_name: a, traffic_percentage: 50}, {served_model_name: b, traffic_percentage: 49}]"), "error SP1522: the percentages add up to 99, not 100"},
		{"entity without route", two("[{served_entity_name: a, traffic_percentage: 100}]"), "error SP1522: a served entity has no route (add a route for 'b', with 0 percent if it shall rest)"},
		{"route to nothing", two("[{served_entity_name: a, traffic_percentage: 50}, {served_entity_name: bb, traffic_percentage: 50}]"), "error SP1522: there is no served entity 'bb' (did you mean 'b'?)"},
		{"two routes", two("[{served_entity_name: a, traffic_percentage: 50}, {served_entity_name: a, traffic_percentage: 50}]"), "error SP1522: served entity 'a' has two routes"},
		{"percentage", two("[{served_entity_name: a, traffic_percentage: 101}]"), "error SP1522: traffic_percentage must be a whole number from 0 to 100"},
		{"fraction", two("[{served_entity_name: a, traffic_percentage: 50.5}]"), "error SP1105: property 'config.traffic_config.routes[0].traffic_percentage' must be a whole number"},
		{"guardrails", one("ai_gateway: {guardrails: {input: {safety: true}}}\n" + sound()), "databricks.yml:4:32: error SP1523: ai_gateway.guardrails are not supported yet"},
		{"rate limits", one("ai_gateway: {rate_limits: [{calls: 1}]}\n" + sound()), "error SP1523: ai_gateway.rate_limits are not supported yet"},
		{"old rate limits", one("rate_limits: [{calls: 1}]\n" + sound()), "error SP1523: rate_limits are not supported yet"},
		{"usage tracking", one("ai_gateway: {usage_tracking_config: {enabled: true}}\n" + sound()), "warning SP1524: ai_gateway.usage_tracking_config has no effect yet"},
		{"permissions", one("permissions: [{level: CAN_QUERY}]\n" + sound()), "warning SP1524: 'permissions' has no effect: permissions are not enforced yet"},
		{"description", one("description: " + strings.Repeat("d", 1001) + "\n" + sound()), "error SP1528: 'description' has 1001 characters, at most 1000 are allowed"},
		{"reference unknown", replace("dublin-chat", "${var.nam}"), "databricks.yml:4:13: error SP1504: there is no variable 'nam'"},
		{"reference nowhere", replace("dublin-chat", "${bundle.nam}"), "error SP1504: ${bundle.nam} leads nowhere (did you mean 'bundle.name'?)"},
		{"reference syntax in text", replace("dublin-chat", "a${b c}"), "error SP1504: '${b c}' is not a reference"},
		{"variable without value", "variables: {v: {description: d}}\n" + replace("dublin-chat", "${var.v}"), "error SP1503: variable 'v' has no value (set BUNDLE_VAR_v, or give it a default)"},
		{"variable looked up", "variables: {v: {lookup: {cluster: c}}}\n" + replace("dublin-chat", "${var.v}"), "error SP1503: variable 'v' is looked up in a workspace, which is not supported (set BUNDLE_VAR_v)"},
		{"variables in a circle", "variables: {a: {default: '${var.b}'}, b: {default: '${var.a}'}}\n" + replace("dublin-chat", "${var.a}"), "error SP1504: ${var.a} refers to itself"},
		{"object in text", "variables: {a: {default: {x: 1}}}\n" + replace("dublin-chat", "n${var.a}"), "error SP1504: ${var.a} is an object and cannot be part of a text"},
		{"targets", "targets: {dev: {}, prod: {}}\n" + one(sound()), "error SP1505: the bundle has 2 targets and 0 of them are default (choose one of dev, prod)"},
		{"include outside", "include: [../x.yml]\n" + one(sound()), "error SP1502: '../x.yml' leads out of the bundle's folder"},
		{"include missing", "include: [x.yml]\n" + one(sound()), "error SP1502: file 'x.yml' does not exist"},
		{"unquoted reference", one(sound(entity("", bearer+"{token: {{secrets/a/b}}}\n"))), "a value that starts with '{{' needs quotes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			endpoints, got := load(t, tt.doc)
			found := false
			for _, f := range got {
				found = found || strings.Contains(f, tt.want)
				if strings.Contains(f, "hunter2") || strings.Contains(f, "urls3cret") {
					t.Errorf("a secret shows: %s", f)
				}
			}
			if !found {
				t.Errorf("want %s\n got %s", tt.want, strings.Join(got, "\n     "))
			}
			raw, err := json.Marshal(endpoints)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw)+fmt.Sprintf("%+v", endpoints), "hunter2") {
				t.Errorf("a secret shows: %s", raw)
			}
		})
	}
}

func TestInsecureLoopback(t *testing.T) {
	for host, allowed := range map[string]bool{"127.0.0.1:8080": true, "localhost": true, "[::1]:1": true, "127.0.0.1.example.com": false, "10.0.0.1": false} {
		file := write(t, "databricks.yml", one(strings.ReplaceAll(sound(), "https://gw.example.com", "http://"+host)))
		_, got := bundle.Load(file, bundle.Options{AllowInsecureLoopback: true})
		if len(got) != 1 || got.HasErrors() == allowed {
			t.Errorf("%s: %v", host, got)
		}
		if allowed && got[0].Code != diag.ServingInsecure {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestVariablesTargetsAndIncludes(t *testing.T) {
	file := write(t, "databricks.yml", `
bundle: {name: dublin}
include: [resources/*.yml]
variables:
  host: {default: default.example.com}
  key: {description: secret}
  suffix: {default: "${bundle.name}-${bundle.target}"}
  share: {default: 100}
targets:
  dev: {default: true}
  prod:
    variables: {host: prod.example.com}
    resources:
      model_serving_endpoints:
        chat: {description: Production}
`, "resources/chat.yml", `
resources:
  secret_scopes:
    scope: {name: apim}
  model_serving_endpoints:
    chat:
      name: chat-${var.suffix}
      description: First
      config:
        served_entities:
          - name: e
            external_model:
              name: m
              provider: custom
              custom_provider_config:
                custom_provider_url: https://${var.host}/x
                bearer_token_auth: {token_plaintext: "${var.key}"}
          - name: f
            external_model:
              name: m
              provider: custom
              custom_provider_config:
                custom_provider_url: https://${var.host}/x
                bearer_token_auth: {token: "{{secrets/${resources.secret_scopes.scope.name}/k}}"}
        traffic_config: {routes: [{served_entity_name: e, traffic_percentage: "${var.share}"}, {served_entity_name: f, traffic_percentage: 0}]}
`)
	given := func(name string) (string, bool) { return "hunter2", name == "key" }
	for target, want := range map[string][]any{
		"":     {"chat-dublin-dev", "First", "https://default.example.com/x"},
		"prod": {"chat-dublin-prod", "Production", "https://prod.example.com/x"},
	} {
		got, findings := bundle.Load(file, bundle.Options{Target: target, Variables: given})
		if len(got) != 1 || findings.HasErrors() || findings.Count(diag.Warning) > 0 {
			t.Fatal(findings)
		}
		e := got[0]
		c := e.ServedEntities[0].External.Custom
		if diff := cmp.Diff(want, []any{e.Name, e.Description, c.URL}); diff != "" {
			t.Error(diff)
		}
		if !c.BearerToken.Plaintext.Equal("hunter2") || e.ServedEntities[0].External.Task != "llm/v1/chat" {
			t.Errorf("token or task: %+v", e.ServedEntities[0].External)
		}
		if v := e.ServedEntities[1].External.Custom.BearerToken; v.Scope != "apim" || v.Key != "k" {
			t.Errorf("reference: %+v", v)
		}
		if diff := cmp.Diff([]model.TrafficRoute{{ServedEntity: "e", Percentage: 100}, {ServedEntity: "f"}}, e.Routes); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(string(e.Properties), "hunter2") || strings.Contains(string(e.Properties), secret.Redacted) {
			t.Errorf("properties: %s", e.Properties)
		}
	}
	_, findings := bundle.Load(file, bundle.Options{Target: "prd", Variables: given})
	if len(findings) != 1 || findings[0].Code != diag.ServingTarget || findings[0].Hint != "did you mean 'prod'?" {
		t.Error(findings)
	}
}

func TestEndpointInTwoFiles(t *testing.T) {
	file := write(t, "databricks.yml", "include: ['*.yml']\n"+one(sound()), "b.yml", one(sound()))
	_, got := bundle.Load(file, bundle.Options{})
	if len(got) == 0 || got[0].Code != diag.ServingDuplicate {
		t.Error(got)
	}
	if _, got := bundle.Load(filepath.Join(t.TempDir(), "none.yml"), bundle.Options{}); len(got) != 1 || got[0].Code != diag.SourceUnreadable {
		t.Error(got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(one(sound()))
	f.Add("variables: {a: {default: '${var.a}'}}\n" + one("name: ${var.a}${bundle.target}\n"))
	f.Add("targets: {t: {resources: {model_serving_endpoints: {chat: {config: [1]}}}}}\n" + one(sound()))
	f.Add(one("name: n\nconfig: {traffic_config: {routes: [{}]}, served_entities: [{external_model: {}}]}\nai_gateway: []\ntags: x\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "b.yml")
		if strings.Contains(text, "include") {
			return // the file system is not part of this
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		endpoints, _ := bundle.Load(file, bundle.Options{})
		for _, e := range endpoints {
			if !json.Valid(e.Properties) {
				t.Fatalf("properties: %s", e.Properties)
			}
		}
	})
}

// What is told to the watcher: the folder of the bundle and those that its
// include patterns name, so that a new file there is noticed.
func TestFoldersToWatch(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"resources/a", "resources/b"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "databricks.yml")
	if err := os.WriteFile(file, []byte("bundle: {name: x}\ninclude: [resources/*/*.yml]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	bundle.Load(file, bundle.Options{Folder: func(d string) { got[d] = true }})
	want := map[string]bool{dir: true, filepath.Join(dir, "resources/a"): true, filepath.Join(dir, "resources/b"): true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
