package e2e_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// canaries are secrets, one for every slot that takes any. Each goes where it
// is needed and may be seen nowhere else.
func canaries() map[string]string {
	return map[string]string{
		"primary key":                  "canary-user-primary-4f7a91",
		"secondary key":                "canary-user-secondary-b0c2d8",
		"key of another product":       "canary-model-primary-93e1aa",
		"suspended key":                "canary-paused-primary-5d5d01",
		"secret named value":           "canary-named-value-77ab31",
		"token of an override file":    "canary-override-token-661177",
		"password":                     "canary-basic-password-2f2f2f",
		"token of the planes":          "canary-management-token-e8f0",
		"serving secret":               "canary-model-primary-93e1aa",
		"backend header":               "canary-backend-header-d00d1e",
		"backend query":                "canary-backend-query-ab12cd",
		"backend authorization":        "canary-backend-authorization-9f",
		"managed identity":             "canary.identity.token-4e4e",
		"wrong key sent by a client":   "canary-wrong-key-8a8a8a",
		"wrong token sent by a client": "canary-wrong-token-3b3b3b",
	}
}

// hunt collects everything that the product says, by the place it came from.
type hunt struct {
	t    *testing.T
	mu   sync.Mutex
	said map[string]string
}

func (h *hunt) heard(place, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said[place] += text + "\n"
}

// check looks for every secret, also in the disguises that text takes on its
// way, and wants every place to have said something.
func (h *hunt) check() {
	for place, text := range h.said {
		if strings.TrimSpace(text) == "" {
			h.t.Errorf("%s said nothing at all: the hunt is blind there", place)
		}
		for slot, secret := range canaries() {
			for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), secret[:len(secret)-2]} {
				if i := strings.Index(text, form); i >= 0 {
					h.t.Errorf("%s shows the %s: …%s…", place, slot, text[max(0, i-200):min(len(text), i+len(form)+60)])
					break
				}
			}
		}
	}
}

// delivered collects what reaches the model and the token endpoint, to prove
// that the secrets were in use.
type delivered struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *delivered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metadata/identity/oauth2/token" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":"3600","expires_on":"4102444800"}`, canaries()["managed identity"])
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	fmt.Fprintln(&d.text, r.RequestURI, r.Header)
	if u, p, ok := r.BasicAuth(); ok {
		fmt.Fprintln(&d.text, u, p)
	}
	d.mu.Unlock()
	switch {
	case strings.Contains(string(body), "say 500"):
		http.Error(w, `{"error":{"code":"500","message":"no"}}`, http.StatusInternalServerError)
	case strings.Contains(string(body), "hang up"):
		panic(http.ErrAbortHandler)
	case strings.Contains(string(body), "break off"):
		_ = stream(w)(chunk("first"))
		panic(http.ErrAbortHandler)
	case strings.Contains(string(body), `"stream":true`):
		push := stream(w)
		_ = push(chunk("one"))
		_ = push(doneEvent)
	default:
		answerPlain(w, r)
	}
}

func TestSecretsAreSeenNowhere(t *testing.T) {
	t.Parallel()
	secrets := canaries()
	h := &hunt{t: t, said: map[string]string{}}
	seen := &delivered{}
	m := serveModel(t, seen)
	c := startChain(t, chainOptions{model: m, edit: func(dir string) { plantCanaries(t, dir, m.addr) },
		set: []string{"log.level=debug", "tokens=demo=" + secrets["token of the planes"], "serving.secrets=apim/gateway-key=" + secrets["serving secret"]},
		more: func(p *portBlock) []string {
			return []string{"configuration.tokens=DEMO_FOUNDRY_URL=http://" + m.addr + ",DEMO_SERVING_URL=" + p.url(servingPort) +
				",DEMO_DATABRICKS_TOKEN=" + secrets["token of the planes"] + ",CANARY=" + secrets["token of an override file"]}
		}})
	talkWithSecrets(t, c, h)
	manageWithSecrets(t, c, h)
	breakFiles(t, c, h)
	refuseToStart(t, c, h)

	c.node.signal(syscall.SIGTERM)
	c.node.wait()
	h.heard("log", c.node.log.String())
	h.check()
	for _, slot := range []string{"secret named value", "token of an override file", "password", "backend header", "backend query", "backend authorization", "managed identity"} {
		if !strings.Contains(seen.text.String(), secrets[slot]) {
			t.Errorf("the %s did not reach the backend: its canary proves nothing", slot)
		}
	}
}

// plantCanaries puts a secret into every slot of the example.
func plantCanaries(t *testing.T, dir, model string) {
	secrets := canaries()
	demo := filepath.Join(dir, "configuration.demo.yaml")
	for old, slot := range map[string]string{userKey: "primary key", "demo-only-user-key-second-77e2": "secondary key", modelKey: "key of another product", pausedKey: "suspended key"} {
		edit(t, demo, old, secrets[slot])
	}
	edit(t, demo, "backends:\n", `  - name: canary-token
    properties:
      value: "{#CANARY#}"
  - name: canary-password
    properties:
      value: `+secrets["password"]+`
  - name: canary-named
    properties:
      value: `+secrets["secret named value"]+`
backends:
`)
	for _, name := range []string{"canary-token", "canary-password", "canary-named"} {
		put(t, dir, "named values/"+name+"/namedValueInformation.json", `{ "properties": { "displayName": "`+name+`", "secret": true, "tags": [] } }`)
	}
	put(t, dir, "backends/canary/backendInformation.json", `{ "properties": { "url": "http://`+model+`/openai", "protocol": "http", "credentials": {
  "header": { "X-Plain": ["`+secrets["backend header"]+`"] }, "query": { "plain": ["`+secrets["backend query"]+`"] },
  "authorization": { "scheme": "Bearer", "parameter": "`+secrets["backend authorization"]+`" } } } }`)
	const api = `{ "properties": { "displayName": "canary", "path": "PATH", "protocols": ["http"], "type": "http", "apiRevision": "1", "isCurrent": true, "subscriptionRequired": true,
  "subscriptionKeyParameterNames": { "header": "Ocp-Apim-Subscription-Key", "query": "subscription-key" } } }`
	const spec = "openapi: 3.0.1\ninfo: { title: canary, version: '1' }\npaths:\n  /ask:\n    post:\n      operationId: ask\n      responses: { '200': { description: ok } }\n"
	for name, inbound := range map[string]string{
		"canary-backend": `<set-backend-service backend-id="canary" />
    <set-header name="X-From-Token" exists-action="override"><value>{{canary-token}}</value></set-header>
    <set-header name="X-Named" exists-action="override"><value>{{canary-named}}</value></set-header>
    <set-query-parameter name="named" exists-action="override"><value>{{canary-named}}</value></set-query-parameter>
    <trace source="canary" severity="error"><message>the value is {{canary-named}}</message><metadata name="m" value="{{canary-token}}" /></trace>`,
		"canary-basic": `<set-backend-service base-url="http://` + model + `/{{canary-named}}" />
    <authentication-basic username="u" password="{{canary-password}}" />`,
		"canary-identity": `<set-backend-service base-url="http://` + model + `/openai" />
    <authentication-managed-identity resource="https://cognitiveservices.azure.com" />`,
		"canary-down":  `<set-backend-service base-url="http://127.0.0.1:1/{{canary-named}}" />`,
		"canary-reply": `<return-response><set-status code="418" reason="no" /><set-header name="X-Other"><value>x</value></set-header></return-response>`,
	} {
		put(t, dir, "apis/"+name+"/apiInformation.json", strings.Replace(api, "PATH", name, 1))
		put(t, dir, "apis/"+name+"/specification.yaml", spec)
		put(t, dir, "apis/"+name+"/policy.xml", "<policies>\n  <inbound>\n    <base />\n    "+inbound+"\n  </inbound>\n  <backend><base /></backend>\n  <outbound><base /></outbound>\n  <on-error><base /></on-error>\n</policies>\n")
		put(t, dir, "products/serving/apis/"+name+"/productApiInformation.json", "{}")
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, "apim", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, text)
}

func canaryAPIs() []string {
	return []string{"canary-backend", "canary-basic", "canary-identity", "canary-down", "canary-reply"}
}

// talkWithSecrets calls every API in every way that ends well or badly, traced
// and not, and notes what the caller sees.
func talkWithSecrets(t *testing.T, c *chain, h *hunt) {
	secrets := canaries()
	hc := client(t, "")
	hear := func(place string, r *reply, err error) *reply {
		t.Helper()
		if err != nil {
			h.heard(place, err.Error())
			return &reply{header: http.Header{}}
		}
		h.heard(place, fmt.Sprint(r.status, r.header, r.body))
		return r
	}
	token := func(api string) string {
		r := c.manageAs(t, secrets["token of the planes"], "POST", "/gateways/managed/listDebugCredentials", fmt.Sprintf(`{"apiId":"/apis/%s","purposes":["tracing"]}`, api))
		return strings.TrimSuffix(strings.TrimPrefix(r.body, `{"token":"`), `"}`)
	}
	questions := []string{askPlain, askStream, `{"model":"dublin-chat","messages":[{"role":"user","content":"say 500"}]}`, `{"messages":"hang up"}`, `{"stream":true,"x":"break off"}`, `{broken`}
	urls := map[string]string{"databricks-serving": chatPath, "foundry-openai": modelPath}
	for _, api := range canaryAPIs() {
		urls[api] = "/" + api + "/ask"
	}
	for api, path := range urls {
		header, key := keyHeader, secrets["primary key"]
		if api == "foundry-openai" {
			header, key = "api-key", secrets["key of another product"]
		}
		for _, q := range questions {
			r, err := call(hc, "POST", c.gateway+path, q, header, key, "Apim-Debug-Authorization", token(api))
			if id := hear("answers", r, err).header.Get("Apim-Trace-Id"); id != "" {
				eventually(t, "trace", func() error {
					r := c.manageAs(t, secrets["token of the planes"], "POST", "/gateways/managed/listTrace", fmt.Sprintf(`{"traceId":%q}`, id))
					if r.status != 200 {
						return fmt.Errorf("%d %s", r.status, r.body)
					}
					h.heard("traces", r.body)
					return nil
				})
			}
		}
		for _, k := range []string{secrets["wrong key sent by a client"], secrets["suspended key"], secrets["secondary key"]} {
			r, err := call(hc, "POST", c.gateway+path, askPlain, header, k)
			hear("answers", r, err)
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			r, err = call(hc, "POST", c.gateway+path+sep+"subscription-key="+url.QueryEscape(k), askPlain, "Apim-Debug-Authorization", token(api))
			hear("answers", r, err)
		}
	}
	r, err := call(hc, "POST", c.serving+chatPath, askPlain, "Authorization", "Bearer "+secrets["wrong token sent by a client"])
	hear("answers", r, err)
	r, err = call(hc, "GET", c.serving+"/api/2.0/serving-endpoints", "", "Authorization", "Bearer "+secrets["token of the planes"])
	hear("views of serving endpoints", r, err)
}

func (c *chain) manageAs(t *testing.T, token, method, path, body string) *reply {
	t.Helper()
	const service = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/sallyport-demo"
	return mustCall(t, client(t, ""), method, c.management+service+path+"?api-version=2024-05-01", body, "Authorization", "Bearer "+token)
}

// manageWithSecrets reads all that management shows; listSecrets is the one
// place that is meant to show keys.
func manageWithSecrets(t *testing.T, c *chain, h *hunt) {
	secrets := canaries()
	for _, path := range []string{"", "/apis", "/apis/canary-backend", "/apis/canary-backend/operations", "/products", "/products/serving", "/products/serving/apis", "/subscriptions",
		"/subscriptions/team-dublin", "/namedValues", "/namedValues/canary-named", "/namedValues/canary-token", "/backends", "/backends/canary", "/policyFragments", "/no/such/thing"} {
		r := c.manageAs(t, secrets["token of the planes"], "GET", path, "")
		h.heard("management", fmt.Sprint(r.status, r.header, r.body))
		r = c.manageAs(t, secrets["wrong token sent by a client"], "GET", path, "")
		h.heard("management", fmt.Sprint(r.status, r.header, r.body))
	}
	for _, path := range []string{"/healthz", "/readyz", "/healthz/config", "/metrics", "/api/2.0/serving-endpoints", "/api/2.0/serving-endpoints/dublin-chat"} {
		r := mustCall(t, client(t, ""), "GET", c.management+path, "", "Authorization", "Bearer "+secrets["token of the planes"])
		h.heard("management "+path, fmt.Sprint(r.status, r.header, r.body))
	}
	for _, args := range [][]string{
		{"subscriptions", "list"}, {"subscriptions", "list", "-o", "json"},
		{"trace", "/canary-backend/ask", "-d", askPlain}, {"trace", "/canary-basic/ask", "-d", askPlain, "-o", "json"}, {"trace", "/canary-down/ask", "-d", askPlain, "--show-body"},
	} {
		h.heard("command "+args[0], c.command(t, append(args, "--management", c.management, "--token", secrets["token of the planes"])...))
	}
}

// command runs the binary and returns all it printed.
func (c *chain) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("sallyport", args...)
	cmd.Env = cleanEnv("SALLYPORT_API_KEY="+canaries()["primary key"], "SALLYPORT_GATEWAY_URL="+c.gateway, "DEMO_FOUNDRY_URL=http://127.0.0.1:1",
		"DEMO_SERVING_URL=http://127.0.0.1:1", "DEMO_DATABRICKS_TOKEN="+canaries()["token of the planes"], "CANARY="+canaries()["token of an override file"])
	out, _ := cmd.CombinedOutput() // an exit code other than 0 is wanted now and then
	return string(out)
}

// brokenFiles are mistakes right at a secret: what stands in a file, and what
// takes its place.
func brokenFiles() map[string][][2]string {
	s := canaries()
	return map[string][][2]string{
		"configuration.demo.yaml": {
			{"primaryKey: " + s["primary key"], "primaryKey: [" + s["primary key"] + "]"},
			{"primaryKey: " + s["primary key"], "primaryKey: {a: " + s["primary key"] + "}"},
			{"primaryKey: " + s["primary key"], "primaryKee: " + s["primary key"]},
			{"primaryKey: " + s["primary key"], "primaryKey: \"" + s["primary key"]},
			{"primaryKey: " + s["primary key"], "primaryKey: " + s["primary key"] + ": x"},
			{"primaryKey: " + s["primary key"], "primaryKey: *" + s["primary key"]},
			{"primaryKey: " + s["primary key"], "primaryKey: !!int " + s["primary key"]},
			{"primaryKey: " + s["primary key"], "primaryKey: " + s["primary key"] + "\n      primaryKey: " + s["primary key"]},
			{"primaryKey: " + s["suspended key"], "primaryKey: " + s["primary key"]},
			{"value: " + s["secret named value"], "value: [" + s["secret named value"] + "]"},
			{"value: " + s["secret named value"], "value: \"{#" + "NO_SUCH_VARIABLE" + "#}" + s["secret named value"] + "\""},
			{"value: " + s["secret named value"], "value:\n\t" + s["secret named value"]},
			{"value: " + s["password"], "valeu: " + s["password"]},
		},
		"apim/backends/canary/backendInformation.json": {
			{`["` + s["backend header"] + `"]`, `"` + s["backend header"] + `"`},
			{`["` + s["backend header"] + `"]`, `[{"a": "` + s["backend header"] + `"}]`},
			{`["` + s["backend header"] + `"]`, `["` + s["backend header"] + `]`},
			{`["` + s["backend query"] + `"]`, `{"` + s["backend query"] + `": 1}`},
			{`"parameter": "` + s["backend authorization"] + `"`, `"parameter": ["` + s["backend authorization"] + `"]`},
			{`"parameter": "` + s["backend authorization"] + `"`, `"parametre": "` + s["backend authorization"] + `"`},
			{`"parameter": "` + s["backend authorization"] + `"`, `"parameter": "` + s["backend authorization"] + `" "x"`},
		},
		"sallyport.yaml": {
			{"    value: " + token, "    value: [" + s["token of the planes"] + "]"},
			{"    value: " + token, "    valeu: " + s["token of the planes"]},
			{"    value: " + token, "    value: \"" + s["token of the planes"]},
			{"    value: " + token, "    value: " + s["token of the planes"] + "\n    value: " + s["token of the planes"]},
			{"    value: " + token, "    value: " + s["token of the planes"] + " with blanks"},
			{"gateway-key: " + modelKey, "gateway-key: [" + s["serving secret"] + "]"},
			{"gateway-key: " + modelKey, "gateway-key: *" + s["serving secret"]},
			{"DEMO_DATABRICKS_TOKEN: " + token, "DEMO_DATABRICKS_TOKEN: {x: " + s["token of the planes"] + "}"},
			{"DEMO_DATABRICKS_TOKEN: " + token, "DEMO_DATABRICKS_TOKEN: " + s["token of the planes"] + ": x"},
		},
		"apim/apis/canary-backend/policy.xml": {
			{"<value>{{canary-token}}</value>", "<value>{{canary-token}</value>"},
			{`exists-action="override"><value>{{canary-token}}</value>`, `exists-action="{{canary-named}}"><value>x</value>`},
			{"<value>{{canary-token}}</value>", "<value><x>{{canary-token}}</x></value>"},
			{`backend-id="canary"`, `backend-id="{{canary-named}}"`},
			{"<base />", "<base /><ip-filter action=\"allow\"><address>{{canary-named}}</address></ip-filter>"},
			{"<base />", "<base /><{{canary-named}} />"},
			{"<base />", "<base /><set-status code=\"{{canary-named}}\" />"},
			{"<base />", "<base /><rewrite-uri template=\"{{canary-named}}\" />"},
			{"<base />", "<base /><set-backend-service base-url=\"{{canary-named}}\" />"},
			{"<base />", "<base /><set-method>{{canary-named}}</set-method>"},
			{"<base />", "<base /><cors><allowed-origins><origin>{{canary-named}}</origin></allowed-origins></cors>"},
			{"<base />", "<base /><forward-request timeout=\"{{canary-named}}\" />"},
			{"<base />", "<base /><include-fragment fragment-id=\"{{canary-named}}\" />"},
			{"<base />", "<base /><authentication-managed-identity resource=\"{{canary-named}}\" client-id=\"{{canary-named}}\" bad=\"{{canary-named}}\" />"},
			{"<base />", "<base /><set-header name=\"a b{{canary-named}}\" exists-action=\"override\"><value>x</value></set-header>"},
		},
	}
}

// breakFiles makes mistakes right at the secrets, one at a time, and notes
// what validate says of them in every format, and what a reload does.
func breakFiles(t *testing.T, c *chain, h *hunt) {
	for _, name := range slices.Sorted(maps.Keys(brokenFiles())) {
		file := filepath.Join(c.dir, filepath.FromSlash(name))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, k := range brokenFiles()[name] {
			edit(t, file, k[0], k[1])
			for _, format := range []string{"text", "json", "sarif"} {
				h.heard(fmt.Sprintf("validate --format %s of %s with mistake %d", format, name, n), c.command(t, "validate", c.dir, "--format", format))
			}
			write(t, file, string(b))
		}
	}
	if _, text, err := c.config(); err == nil {
		h.heard("/healthz/config", text)
	}
}

// refuseToStart gives settings on the command line and in the environment that
// are wrong right at a secret.
func refuseToStart(t *testing.T, c *chain, h *hunt) {
	s := canaries()
	for _, set := range []string{"tokens=" + s["token of the planes"], "tokens=a=" + s["token of the planes"] + ",a=" + s["token of the planes"], "serving.secrets=" + s["serving secret"],
		"serving.secrets=apim=" + s["serving secret"], "configuration.tokens=" + s["token of an override file"], "identity.clientSecret=" + s["password"] + ",identity.kind=x",
		"identity.kind=" + "clientSecret"} {
		h.heard("serve --set", c.command(t, append(append([]string{"serve"}, c.args...), "--set", set)...))
		name, value, _ := strings.Cut(set, "=")
		variable := "SALLYPORT_" + strings.ToUpper(strings.ReplaceAll(strings.ReplaceAll(name, "clientSecret", "client_secret"), ".", "_"))
		cmd := exec.Command("sallyport", "validate", c.dir)
		cmd.Env = cleanEnv(variable + "=" + value)
		out, _ := cmd.CombinedOutput()
		h.heard("validate with settings from the environment", string(out))
	}
}
