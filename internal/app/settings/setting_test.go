package settings

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/diag"
)

func TestEveryDefaultParses(t *testing.T) {
	if _, l := load(nil, Options{}); len(l) > 0 {
		t.Error(lines(l))
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, st := range table() {
		env := envName(st.path)
		if other, ok := seen[env]; ok {
			t.Errorf("%s and %s share %s", st.path, other, env)
		}
		seen[env] = st.path
		if st.doc == "" || st.typ == "" || !strings.HasSuffix(st.doc, ".") {
			t.Errorf("%s: type %q, text %q", st.path, st.typ, st.doc)
		}
	}
	for _, v := range clientVariables() {
		if p, ok := seen[v]; ok {
			t.Errorf("%s is a client's variable and the setting %s", v, p)
		}
	}
}

func TestEnvName(t *testing.T) {
	for path, want := range map[string]string{
		"tokens":                       "SALLYPORT_TOKENS",
		"gateway.tls.certFile":         "SALLYPORT_GATEWAY_TLS_CERT_FILE",
		"gateway.limits.requestLine":   "SALLYPORT_GATEWAY_LIMITS_REQUEST_LINE",
		"gateway.stripSubscriptionKey": "SALLYPORT_GATEWAY_STRIP_SUBSCRIPTION_KEY",
	} {
		if got := envName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestReferenceListsEverySetting(t *testing.T) {
	ref := Reference()
	for _, st := range table() {
		row := fmt.Sprintf("| `%s` | `%s` | ", st.path, envName(st.path))
		if !strings.Contains(ref, row) {
			t.Errorf("no row %s", row)
		}
	}
	if row := "| `gateway.limits.headers` | `SALLYPORT_GATEWAY_LIMITS_HEADERS` | size | `64KiB` | Largest request head. |\n"; !strings.Contains(ref, row) {
		t.Errorf("no row %s", row)
	}
	if strings.Count(ref, "\n## ") != 12 {
		t.Error("want one section for each top-level name")
	}
}

func TestInterpolate(t *testing.T) {
	env := lookupIn([]string{"A=one", "A=two", "EMPTY=", "NEST=${A}"})
	for in, want := range map[string]string{
		"plain":            "plain",
		"${A}":             "two",
		"x${A}y${A}z":      "xtwoytwoz",
		"${B:-def}":        "def",
		"${EMPTY:-def}":    "def",
		"${EMPTY}":         "",
		"${A:-def}":        "two",
		"${B:-}":           "",
		"${B:-http://x:1}": "http://x:1",
		"${NEST}":          "${A}",
		"$${A}":            "${A}",
		"$$${A}":           "$${A}",
		"cost $5":          "cost $5",
	} {
		got, _, err := interpolate(in, env)
		if err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"${B}", "${}", "${1A}", "${A", "${a-b}", "${A} ${"} {
		if got, _, err := interpolate(in, env); err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

// TestSecretsStaySecret puts a canary into every place that may hold a secret,
// rightly and wrongly, and looks for it in everything that is printed.
func TestSecretsStaySecret(t *testing.T) {
	const canary = "canary-7f3a9c"
	for name, in := range map[string]string{
		"in place":         "identity: {clientSecret: " + canary + "}\ntokens: [{name: a, value: " + canary + "}]\nserving: {secrets: {s: {k: " + canary + "}}}\nconfiguration: {tokens: {T: " + canary + "}}",
		"of a wrong shape": "identity: {clientSecret: [" + canary + "]}\ntokens: " + canary + "\nserving: {secrets: {s: " + canary + "}}\nconfiguration: {tokens: " + canary + "}",
		"through env":      "gateway: {listen: '${S}', drainTimeout: '${S}', trustedProxies: ['${S}']}\nlog: {level: '${S}', access: '${S}'}",
	} {
		s, l := from(in, "S="+canary, "SALLYPORT_TOKENS="+canary, "SALLYPORT_SERVING_SECRETS="+canary, "SALLYPORT_CONFIGURATION_TOKENS="+canary)
		b, err := json.Marshal([]any{s, l})
		if err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{lines(l), fmt.Sprintf("%+v %#v", s, s), string(b)} {
			if strings.Contains(out, canary) {
				t.Errorf("%s: the secret is in %s", name, out)
			}
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "LOCALHOST:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example.com:1": false, "": false, "127.0.0.1": false,
	} {
		if Loopback(addr) != want {
			t.Errorf("%q: want %v", addr, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("a: &a [*a]\nlog: *a"))
	f.Add([]byte("gateway: &g {tls: *g}"))
	f.Add([]byte("? [x]\n: y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, l := load(data, Options{File: "f.yaml", Environ: []string{"A=1"}})
		for _, x := range l {
			if x.Code == "" || x.Message == "" || x.File != "f.yaml" && x.Code != diag.SettingsMissing && x.Code != diag.SettingsConflict {
				t.Errorf("finding without code, text or place: %+v", x)
			}
			if x.Line > 0 && x.Col < 1 {
				t.Errorf("finding without column: %+v", x)
			}
		}
	})
}
