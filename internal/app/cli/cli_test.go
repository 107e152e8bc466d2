package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

type result struct {
	code     int
	out, err string
}

// run is a command line in an empty environment.
func run(t *testing.T, args ...string) result {
	t.Helper()
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "SALLYPORT_") || strings.HasPrefix(name, "DEMO_") {
			t.Setenv(name, "")
		}
	}
	var out, err bytes.Buffer
	code := Run(context.Background(), args, strings.NewReader(""), &out, &err)
	return result{code, out.String(), err.String()}
}

func TestExitCodesAndMessages(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "policy.xml")
	if err := os.WriteFile(text, []byte("<policies/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		line string
		code int
		out  string // part of standard output
		err  string // part of standard error
	}{
		{"version", 0, "sallyport dev (go1.", ""},
		{"version -o json", 0, `"version": "dev"`, ""},
		{"version extra", 2, "", "unknown command"},
		{"version -o xml", 2, "", `--output "xml": text or json expected`},
		{"", 0, "Exit codes:", ""},
		{"bogus", 2, "", `unknown command "bogus"`},
		{"serve --bogus", 2, "", "unknown flag: --bogus"},
		{"serve extra", 2, "", "unknown command"},
		{"serve --set x", 2, "", `--set "x": name=value expected`},
		{"serve --set no.such=1", 2, "", "there is no setting 'no.such'"},
		{"serve -c " + filepath.Join(dir, "none.yaml"), 2, "", "none.yaml"},
		{"sandbox --set sandbox.gap=never", 2, "", "sandbox.gap"},
		{"demo --port-base 0", 2, "", "a port from 1 to 65532 expected"},
		{"demo --port-base 65533", 2, "", "a port from 1 to 65532 expected"},
		{"demo --print-env --port-base 9080", 0, "export SALLYPORT_GATEWAY_URL=http://127.0.0.1:9080\n", ""},
		{"validate", 2, "", "accepts 1 arg"},
		{"validate " + filepath.Join(dir, "none"), 2, "", "no such file"},
		{"validate " + text, 2, "", "give a folder or a settings file"},
		{"trace", 2, "", "accepts 1 arg"},
		{"trace x", 2, "", "beginning with /"},
		{"trace /x -H nonsense", 2, "", "'Name: value' expected"},
		{"trace /x -d @" + filepath.Join(dir, "none"), 2, "", "read the request body"},
		{"trace /x --management nonsense", 2, "", "is not an http or https URL"},
		{"subscriptions list --management http://127.0.0.1:1", 2, "", "is it running?"},
		{"ranges databricks", 2, "", "--region is needed"},
		{"ranges databricks --region nowhere", 1, "", "nowhere"},
		{"ranges databricks --region eastus --format yaml", 2, "", `"yaml"`},
		{"ranges databricks --region eastus --format cidr", 0, "4.156.7.64/28\n", ""},
		{"findings", 0, "SP1231", ""},
		{"findings sp1231", 0, "SP1231 (error)", ""},
		{"findings SP0000", 1, "", "no finding has the code SP0000"},
		{"findings -o json", 0, `"code": "SP1231"`, ""},
		{"findings --markdown", 0, "| SP1231 | error |", ""},
		{"policies", 0, "POLICY", ""},
		{"policies -o json", 0, `"name": "ip-filter"`, ""},
		{"policies ip-filter", 0, "# ip-filter", ""},
		{"policies ip-fliter", 1, "", "did you mean 'ip-filter'"},
		{"policies choose", 0, "Not supported yet", ""},
		{"policies --markdown", 0, "## ip-filter", ""},
		{"settings", 0, "# Settings", ""},
		{"completion bash", 0, "bash completion", ""},
	} {
		t.Run(k.line, func(t *testing.T) {
			r := run(t, strings.Fields(k.line)...)
			if r.code != k.code || !strings.Contains(r.out, k.out) || !strings.Contains(r.err, k.err) {
				t.Errorf("code %d, want %d\nout: %.600s\nerr: %.600s", r.code, k.code, r.out, r.err)
			}
			if k.code == 0 && r.err != "" {
				t.Errorf("standard error: %s", r.err)
			}
			if k.code == 2 && !strings.HasPrefix(r.err[strings.LastIndex(strings.TrimSuffix(r.err, "\n"), "\n")+1:], "sallyport: ") {
				t.Errorf("the last line does not say who speaks: %s", r.err)
			}
			if k.code == 2 && r.out != "" {
				t.Errorf("standard output: %s", r.out)
			}
		})
	}
}

func TestEveryCommandHelps(t *testing.T) {
	var visit func(path []string)
	e := &env{}
	visit = func(path []string) {
		c, _, err := newRoot(e).Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(path) > 0 && (c.Short == "" || (c.Example == "" && !c.HasSubCommands())) {
			t.Errorf("%s has no short text or no example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" && sub.Name() != "help" {
				visit(append(append([]string{}, path...), sub.Name()))
			}
		}
	}
	visit(nil)
}

func TestValidateInEveryFormat(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apis/a/apiInformation.json": `{ "properties": { "displayName": "a", "path": "a", "protocols": ["http"], "serviceUrl": "http://b.test", "isCurrent": true, "apiRevision": "1" } }`,
		"apis/a/specification.yaml":  "openapi: 3.0.1\ninfo: { title: a, version: '1' }\npaths:\n  /x:\n    get:\n      operationId: x\n      responses: { '200': { description: ok } }\n",
		"apis/a/policy.xml":          "<policies>\n  <inbound>\n    <base />\n    <choose />\n  </inbound>\n</policies>\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, "validate", dir)
	where := filepath.Join(dir, "apis", "a", "policy.xml") + ":4:5: error SP1231:"
	if r.code != 1 || !strings.Contains(r.out, where) || !strings.Contains(r.out, "        <choose />\n        ^\n") || !strings.Contains(r.out, "1 error(s)") || r.err != "" {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"validate", dir, "-o", "json"}, {"validate", dir, "--format", "json"}} {
		var v struct {
			Findings []struct{ Code string }
			Errors   int
		}
		r := run(t, args...)
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != 1 || v.Errors != 1 {
			t.Errorf("%v: %v %+v", args, err, r)
		}
	}
	var log struct {
		Version string
		Runs    []struct{ Results []struct{ RuleID string } }
	}
	r = run(t, "validate", dir, "--format", "sarif")
	if err := json.Unmarshal([]byte(r.out), &log); err != nil || r.code != 1 || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Errorf("%v %+v", err, r)
	}
	if r := run(t, "validate", dir, "--format", "yaml"); r.code != 2 {
		t.Errorf("%+v", r)
	}
}

// The longest path wins, as in the gateway, and a path ends at a segment.
func TestTraceFindsTheAPIByPath(t *testing.T) {
	item := func(name, path string) string { return `{"name":"` + name + `","properties":{"path":"` + path + `"}}` }
	list := `{"value":[` + item("root", "") + "," + item("ai", "ai") + "," + item("models", "ai/models") + `]}`
	for path, want := range map[string]string{
		"/AI/models/x?y=/ai": "models", "/ai/modelsandmore": "ai", "/ai;rev=2/x": "ai", "/aiandmore": "root", "/": "root", "/ai": "ai",
	} {
		o := traceOptions{remote: remote{management: "http://m.test", transport: answer(200, list)}}
		got, err := o.findAPI(t.Context(), "s", path)
		if err != nil || got.Name != want {
			t.Errorf("%s: %+v %v, want %s", path, got, err, want)
		}
	}
}

func TestManagementErrorsSayWhatToDo(t *testing.T) {
	r := remote{management: "http://m.test", transport: answer(401, `{"error":{"code":"AuthenticationFailed","message":"No token."}}`)}
	err := r.manage(t.Context(), "GET", "http://m.test/x", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "401 AuthenticationFailed: No token.") || !strings.Contains(err.Error(), "SALLYPORT_TOKEN") {
		t.Errorf("%v", err)
	}
	r.transport = answer(200, "no JSON")
	var v any
	if err := r.manage(t.Context(), "GET", "http://m.test/x", nil, &v); err == nil || !strings.Contains(err.Error(), "decode the answer") {
		t.Errorf("%v", err)
	}
	if _, err := r.serviceName(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a management listener") {
		t.Errorf("%v", err)
	}
}

// answer is a transport with one answer to everything.
type fixedAnswer struct {
	status int
	body   string
}

func answer(status int, body string) wire.Transport { return &fixedAnswer{status, body} }

func (a *fixedAnswer) RoundTrip(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
	return &wire.Incoming{Status: a.status, Body: &closable{strings.NewReader(a.body)}}, nil
}

type closable struct{ *strings.Reader }

func (closable) Close() error { return nil }
