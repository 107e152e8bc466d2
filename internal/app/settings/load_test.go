package settings

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

var compare = cmp.Options{
	cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b.Reveal()) }),
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
}

// from loads text as conf/sallyport.yaml with the environment given.
func from(text string, environ ...string) (*Settings, diag.List) {
	s, l := load([]byte(text), Options{File: "conf/sallyport.yaml", Environ: environ})
	l.Sort()
	return s, l
}

func lines(l diag.List) string {
	var b strings.Builder
	for _, f := range l {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func TestDefaults(t *testing.T) {
	got, l := Load(Options{})
	if len(l) > 0 {
		t.Fatal(lines(l))
	}
	want := &Settings{
		Service: Service{Name: "sallyport"},
		Gateway: Gateway{
			Listen: "127.0.0.1:8080", Engine: "fast", Correlation: "W3C", Usage: Usage{Count: true}, DrainTimeout: 30 * time.Second,
			Limits:   Limits{BackendConnections: 16384, RequestLine: 16 << 10, Headers: 64 << 10, BufferedBody: 16 << 20, InFlight: 20_000, Queue: 1000},
			Timeouts: Timeouts{ReadHeader: 10 * time.Second, ReadBody: time.Minute, Idle: 120 * time.Second, Request: 300 * time.Second, Write: 30 * time.Second, Queue: 5 * time.Second}, DrainDelay: 250 * time.Millisecond,
		},
		Management:    Management{Listen: "127.0.0.1:8081"},
		Serving:       Serving{Listen: "127.0.0.1:8082", MaxBody: 16 << 20, UpstreamTimeout: 297 * time.Second},
		Configuration: Configuration{Reload: true, Debounce: 200 * time.Millisecond},
		Egress:        Egress{ConnectTimeout: 10 * time.Second},
		State:         State{Dir: ".sallyport"},
		Trace:         Trace{TTL: time.Hour, MaxBytes: 32 << 20, MaskSecrets: true},
		Log:           Log{Level: "info", Format: "json", Access: true},
		Sandbox: Sandbox{
			Listen: "127.0.0.1:8083", Gap: 20 * time.Millisecond,
			AllowFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
	}
	if d := cmp.Diff(want, got, compare); d != "" {
		t.Error(d)
	}
}

const full = `
service: {name: house}
gateway:
  listen: 0.0.0.0:80
  tls: {listen: ":8443", certFile: tls/cert.pem, keyFile: /abs/key.pem}
  hostnames: [API.example.com]
  trustedProxies: [10.0.0.0/8, 192.0.2.7]
  sourceAddress: 127.0.0.2
  correlation: None
  stripSubscriptionKey: true
  proxyProtocol: {trusted: [192.0.2.8]}
  reusePort: false
  limits: {requestLine: 8KiB, headers: 32768, bufferedBody: 1MiB, requestBody: 0, connections: 9, inFlight: 8, queue: 7, memory: 1GiB}
  timeouts: {readHeader: 1s, readBody: 3s, idle: 2s, request: 4s, write: 5s, queue: 6s}
  drainDelay: 1s
  drainTimeout: 0s
serving:
  enabled: true
  bundle: databricks.yml
  target: dev
  variables: {host: h, empty: ""}
  secrets:
    apim: {gateway-key: "${KEY}", other: plain-text}
configuration:
  apiops: .
  overrides: [configuration.dev.yaml]
  tokens: {MODEL_URL: "http://${HOST:-127.0.0.1}:8083"}
  reload: false
tokens:
  - {name: admin, value: "${TOKEN}"}
egress:
  hosts: {foundry.example.com: 10.1.2.3}
  allow: [::/0]
sandbox:
  deployments: [gpt, "vec:embedding"]
log:
# all lines of this section are commented out
`

func TestFile(t *testing.T) {
	got, l := from(full, "KEY=k-1", "TOKEN=0123456789abcdef")
	if len(l) > 0 {
		t.Fatal(lines(l))
	}
	want, _ := Load(Options{})
	want.File, want.Dir = "conf/sallyport.yaml", "conf"
	want.Service.Name = "house"
	want.Gateway = Gateway{
		Listen:         "0.0.0.0:80",
		TLS:            TLS{Listen: ":8443", CertFile: filepath.Join("conf", "tls", "cert.pem"), KeyFile: "/abs/key.pem"},
		Hostnames:      []string{"api.example.com"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		SourceAddress:  netip.MustParseAddr("127.0.0.2"), Engine: "fast", Correlation: "None", Usage: Usage{Count: true}, StripSubscriptionKey: true,
		ProxyProtocol: ProxyProtocol{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/32")}},
		Limits:        Limits{BackendConnections: 16384, RequestLine: 8 << 10, Headers: 32768, BufferedBody: 1 << 20, Connections: 9, InFlight: 8, Queue: 7, Memory: 1 << 30},
		Timeouts:      Timeouts{ReadHeader: time.Second, ReadBody: 3 * time.Second, Idle: 2 * time.Second, Request: 4 * time.Second, Write: 5 * time.Second, Queue: 6 * time.Second}, DrainDelay: time.Second,
	}
	want.Serving.Enabled, want.Serving.Bundle, want.Serving.Target = true, filepath.Join("conf", "databricks.yml"), "dev"
	want.Serving.Variables = map[string]string{"host": "h", "empty": ""}
	want.Serving.Secrets = map[string]map[string]secret.Text{"apim": {"gateway-key": secret.New("k-1"), "other": secret.New("plain-text")}}
	want.Configuration.APIOps, want.Configuration.Overrides = "conf", []string{filepath.Join("conf", "configuration.dev.yaml")}
	want.Configuration.Tokens = map[string]secret.Text{"MODEL_URL": secret.New("http://127.0.0.1:8083")}
	want.Configuration.Reload = false
	want.Tokens = []Token{{"admin", secret.New("0123456789abcdef")}}
	want.Egress.Hosts = map[string]string{"foundry.example.com": "10.1.2.3"}
	want.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("::/0")}
	want.State.Dir = filepath.Join("conf", ".sallyport")
	want.Sandbox.Deployments = []Deployment{{"gpt", "chat"}, {"vec", "embedding"}}
	if d := cmp.Diff(want, got, compare); d != "" {
		t.Error(d)
	}
}

func TestFindings(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"unknown section":    {"gatway:\n  listen: a", `conf/sallyport.yaml:1:1: error SP1003: there is no setting 'gatway' (did you mean 'gateway'?)`},
		"unknown setting":    {"gateway:\n  lissten: 127.0.0.1:1", `conf/sallyport.yaml:2:3: error SP1003: there is no setting 'gateway.lissten' (did you mean 'listen'?)`},
		"in the wrong place": {"trustedProxies: []", `conf/sallyport.yaml:1:1: error SP1003: there is no setting 'trustedProxies' (did you mean 'gateway.trustedProxies'?)`},
		"unknown far away":   {"zzz: 1", `conf/sallyport.yaml:1:1: error SP1003: there is no setting 'zzz'`},
		"no mapping":         {"- a", `conf/sallyport.yaml:1:1: error SP1004: the file: expected a mapping of settings, found a list`},
		"group as text":      {"gateway: on", `conf/sallyport.yaml:1:10: error SP1004: gateway: expected a mapping of settings, found 'on' (text)`},
		"number for text":    {"identity: {tenantId: 12}", `conf/sallyport.yaml:1:22: error SP1004: identity.tenantId: expected text, found '12' (a number) (put the value in quotes)`},
		"number as duration": {"gateway: {drainTimeout: 30}", `conf/sallyport.yaml:1:25: error SP1004: gateway.drainTimeout: expected a duration such as 30s or 5m, found '30' (did you mean '30s'?)`},
		"duration too long":  {"gateway: {drainTimeout: 2h}", `conf/sallyport.yaml:1:25: error SP1005: gateway.drainTimeout: '2h' must be between 0s and 1h0m0s`},
		"bad size":           {"gateway: {limits: {headers: 64 kilos}}", `conf/sallyport.yaml:1:29: error SP1004: gateway.limits.headers: expected a size such as 64KiB or 16MiB, found '64 kilos'`},
		"size too small":     {"gateway: {limits: {headers: 1}}", `conf/sallyport.yaml:1:29: error SP1005: gateway.limits.headers: '1' must be between 1KiB and 1GiB`},
		"size overflow":      {"gateway: {limits: {requestBody: 9000000000TiB}}", `conf/sallyport.yaml:1:33: error SP1004: gateway.limits.requestBody: expected a size such as 64KiB or 16MiB, found '9000000000TiB'`},
		"quoted boolean":     {"log: {access: 'true'}", `conf/sallyport.yaml:1:15: error SP1004: log.access: expected true or false, found 'true' (text)`},
		"yes is no boolean":  {"log: {access: yes}", `conf/sallyport.yaml:1:15: error SP1004: log.access: expected true or false, found 'yes' (text)`},
		"word":               {"log: {level: inf}", `conf/sallyport.yaml:1:14: error SP1004: log.level: expected one of debug, info, warn, error, found 'inf' (did you mean 'info'?)`},
		"wrong case":         {"gateway: {correlation: w3c}", `conf/sallyport.yaml:1:24: error SP1004: gateway.correlation: expected one of W3C, None, found 'w3c' (did you mean 'W3C'?)`},
		"address as number":  {"gateway: {listen: 8080}", `conf/sallyport.yaml:1:19: error SP1004: gateway.listen: expected an address to listen on such as 127.0.0.1:8080, found '8080' (a number)`},
		"address, no port":   {"gateway: {listen: 127.0.0.1}", `conf/sallyport.yaml:1:19: error SP1004: gateway.listen: expected an address to listen on such as 127.0.0.1:8080, found '127.0.0.1'`},
		"port out of range":  {"gateway: {listen: '127.0.0.1:70000'}", `conf/sallyport.yaml:1:19: error SP1005: gateway.listen: '127.0.0.1:70000' needs a port between 0 and 65535`},
		"host bits":          {"gateway: {trustedProxies: [10.1.2.3/8]}", `conf/sallyport.yaml:1:28: error SP1005: gateway.trustedProxies: '10.1.2.3/8' has host bits set; the range is 10.0.0.0/8`},
		"bad range":          {"gateway:\n  trustedProxies:\n    - 10.0.0.0/8\n    - lan", `conf/sallyport.yaml:4:7: error SP1004: gateway.trustedProxies: expected an address range such as 10.0.0.0/8, found 'lan'`},
		"bad url":            {"serving: {publicUrl: ftp://x}", `conf/sallyport.yaml:1:22: error SP1004: serving.publicUrl: expected an http or https URL, found 'ftp://x'`},
		"url with query":     {"serving: {publicUrl: 'https://x?y'}", `conf/sallyport.yaml:1:22: error SP1005: serving.publicUrl: 'https://x?y' must have neither user, query nor fragment`},
		"host with port":     {"gateway: {hostnames: ['a:1']}", `conf/sallyport.yaml:1:23: error SP1004: gateway.hostnames: expected a host name without port, found 'a:1'`},
		"service name":       {"service: {name: 'a/b'}", `conf/sallyport.yaml:1:17: error SP1005: service.name: 'a/b' must be 1 to 50 letters, digits and '-', begin with a letter and not end with '-'`},
		"nothing":            {"gateway:\n  listen:", `conf/sallyport.yaml:2:10: error SP1004: gateway.listen: expected an address to listen on such as 127.0.0.1:8080, found nothing`},
		"written twice":      {"log: {level: info}\nlog: {level: warn}", `conf/sallyport.yaml:2:1: error SP1006: 'log' is written twice`},
		"merge key":          {"log: &a {level: info}\ntrace:\n  <<: *a", `conf/sallyport.yaml:3:3: error SP1002: merge keys ('<<') are not supported in settings`},
		"two documents":      {"log: {}\n---\nlog: {}", `conf/sallyport.yaml:2:1: error SP1002: the file holds more than one YAML document`},
		"variable not set":   {"gateway: {listen: '${ADDR}'}", `conf/sallyport.yaml:1:19: error SP1007: gateway.listen: the environment variable ADDR is not set`},
		"variable unended":   {"gateway: {listen: '${ADDR'}", `conf/sallyport.yaml:1:19: error SP1007: gateway.listen: '${' without '}'`},
		"variable misnamed":  {"gateway: {listen: '${var.x}'}", `conf/sallyport.yaml:1:19: error SP1007: gateway.listen: '${var.x}' is not the name of an environment variable`},
		"list for a value":   {"log: {level: [info]}", `conf/sallyport.yaml:1:14: error SP1004: log.level: expected one of debug, info, warn, error, found a list`},
		"value for a list":   {"gateway: {hostnames: a}", `conf/sallyport.yaml:1:22: error SP1004: gateway.hostnames: expected a list of values, each a host name without port, found 'a' (text)`},
		"secret of a number": {"identity: {clientSecret: 424242}", `conf/sallyport.yaml:1:26: error SP1004: identity.clientSecret: expected text, found a number (put the value in quotes)`},
		"unknown in a token": {"tokens:\n  - {name: a, valeu: 0123456789abcdef}", "conf/sallyport.yaml:2:3: error SP1009: tokens: a token needs a name and a value\nconf/sallyport.yaml:2:15: error SP1003: a token has no 'valeu' (did you mean 'value'?)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, l := from(tc.in)
			if d := cmp.Diff(tc.want+"\n", lines(l)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRules(t *testing.T) {
	const token = "tokens: [{name: a, value: 0123456789abcdef}]\n"
	tests := map[string]struct {
		in   string
		code diag.Code // "" = nothing to find
		says string
	}{
		"open management":         {"management: {listen: '0.0.0.0:8081'}", diag.SettingsOpen, "2:1"},
		"open on every interface": {"management: {listen: ':8081'}", diag.SettingsOpen, "no tokens"},
		"open on a name":          {"management: {listen: 'box:8081'}", diag.SettingsOpen, ""},
		"open over TLS":           {"management: {tls: {listen: ':1', certFile: c, keyFile: k}}", diag.SettingsOpen, "management.tls.listen"},
		"guarded, plain":          {token + "management: {listen: '0.0.0.0:8081'}", diag.SettingsPlaintext, ""},
		"guarded, TLS":            {token + "management: {tls: {listen: ':1', certFile: c, keyFile: k}}", "", ""},
		"loopback names":          {"management: {listen: 'localhost:8081'}\ngateway: {listen: '[::1]:8080'}", "", ""},
		"open serving":            {"serving: {enabled: true, bundle: b, listen: ':8082'}", diag.SettingsOpen, "serving.listen"},
		"serving not enabled":     {"serving: {listen: ':8082'}", "", ""},
		"no bundle":               {"serving: {enabled: true}", diag.SettingsMissing, "serving.bundle"},
		"bundle unused":           {"serving: {bundle: b}", diag.SettingsRisky, "not used"},
		"no certificate":          {"gateway: {tls: {listen: ':1', keyFile: k}}", diag.SettingsMissing, "gateway.tls.certFile"},
		"no key":                  {"gateway: {tls: {listen: ':1', certFile: c}}", diag.SettingsMissing, "gateway.tls.keyFile"},
		"certificate unused":      {"gateway: {tls: {certFile: c}}", diag.SettingsMissing, "gateway.tls.listen"},
		"no listener":             {"gateway: {listen: ''}", diag.SettingsMissing, "neither"},
		"one address twice":       {"gateway: {listen: '127.0.0.1:8081'}", diag.SettingsConflict, "already the address of management.listen"},
		"any port twice":          {"gateway: {listen: '127.0.0.1:0'}\nmanagement: {listen: '127.0.0.1:0'}", "", ""},
		"trust everyone":          {"gateway: {trustedProxies: [0.0.0.0/0]}", diag.SettingsRisky, "ip-filter"},
		"everyone is a proxy":     {"gateway: {proxyProtocol: {trusted: ['::/0']}}", diag.SettingsRisky, "state its own address"},
		"chain without header":    {"gateway: {proxyProtocol: {trusted: [127.0.0.1]}}\nserving: {enabled: true, bundle: b}", diag.SettingsRisky, "will be refused"},
		"chain outside the range": {"gateway: {proxyProtocol: {trusted: [127.0.0.1]}}\nserving: {enabled: true, bundle: b, sourceAddress: 127.0.0.3}", "", ""},
		"a queue for nobody":      {"gateway: {limits: {inFlight: 0, queue: 5}}", diag.SettingsRisky, "nothing ever waits"},
		"no limit, no queue":      {"gateway: {limits: {inFlight: 0}}", "", ""},
		"little memory":           {"gateway: {limits: {memory: 16MiB}}", diag.SettingsRisky, "without any request"},
		"fewer than none":         {"gateway: {limits: {connections: -1}}", diag.SettingsType, "a number"},
		"too many":                {"gateway: {limits: {queue: 1048577}}", diag.SettingsValue, "between 0 and 1048576"},
		"unmasked traces":         {"trace: {maskSecrets: false}", diag.SettingsRisky, "in full"},
		"short token":             {"tokens: [{name: a, value: hunter2}]", diag.SettingsRisky, "'a'"},
		"blank in a token":        {"tokens: [{name: a, value: 'hunter2 hunter2 hunter2'}]", diag.SettingsValue, "blanks"},
		"token without value":     {"tokens: [{name: a}]", diag.SettingsMissing, ""},
		"token names repeat":      {"tokens: [{name: a, value: 0123456789abcdef}, {name: a, value: 1123456789abcdef}]", diag.SettingsDuplicate, "named 'a'"},
		"token values repeat":     {"tokens: [{name: a, value: 0123456789abcdef}, {name: b, value: 0123456789abcdef}]", diag.SettingsDuplicate, "'b'"},
		"client secret, no id":    {"identity: {kind: clientSecret, tenantId: t, clientSecret: s}", diag.SettingsMissing, "identity.clientId"},
		"client secret, none":     {"identity: {kind: clientSecret, tenantId: t, clientId: c}", diag.SettingsMissing, "identity.clientSecret"},
		"two credentials":         {"identity: {clientSecret: s, certificateFile: f}", diag.SettingsConflict, "exclude"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, l := from("# the first line\n" + tc.in)
			if tc.code == "" {
				if len(l) > 0 {
					t.Error(lines(l))
				}
				return
			}
			if len(l) != 1 || l[0].Code != tc.code || l[0].Line == 0 {
				t.Fatalf("want one %s with a position, got\n%s", tc.code, lines(l))
			}
			if says := strings.Replace(tc.says, "2:1", "sallyport.yaml:2:", 1); !strings.Contains(l[0].String(), says) {
				t.Errorf("%s does not say %q", l[0], says)
			}
		})
	}
}

func TestPriority(t *testing.T) {
	file := "service: {name: file}\nlog: {level: warn, format: text}\ntrace: {ttl: 1m}"
	o := Options{
		Environ:   []string{"SALLYPORT_SERVICE_NAME=env", "SALLYPORT_LOG_LEVEL=error", "SALLYPORT_TRACE_TTL=", "HOME=/x"},
		Overrides: map[string]string{"service.name": "flag"},
	}
	s, l := load([]byte(file), o)
	if len(l) > 0 {
		t.Fatal(lines(l))
	}
	got := fmt.Sprint(s.Service.Name, " ", s.Log.Level, " ", s.Log.Format, " ", s.Trace.TTL)
	if got != "flag error text 1m0s" {
		t.Error(got)
	}
}

func TestTextForms(t *testing.T) {
	s, l := load(nil, Options{Environ: []string{
		"SALLYPORT_GATEWAY_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1",
		"SALLYPORT_SERVING_VARIABLES=a=1,b=x=y",
		"SALLYPORT_SERVING_SECRETS=apim/k=v\napim/l=with, comma\nother/k=w",
		"SALLYPORT_TOKENS=ops=0123456789abcdef==",
		"SALLYPORT_GATEWAY_TLS_CERT_FILE=rel/cert.pem",
		"SALLYPORT_GATEWAY_TLS_KEY_FILE=rel/key.pem",
		"SALLYPORT_GATEWAY_TLS_LISTEN=:8443",
	}, File: "conf/s.yaml"})
	if len(l) > 0 {
		t.Fatal(lines(l))
	}
	if got := s.Gateway.TrustedProxies; len(got) != 2 || got[1].String() != "192.0.2.1/32" {
		t.Error(got)
	}
	if d := cmp.Diff(map[string]string{"a": "1", "b": "x=y"}, s.Serving.Variables); d != "" {
		t.Error(d)
	}
	want := map[string]map[string]secret.Text{"apim": {"k": secret.New("v"), "l": secret.New("with, comma")}, "other": {"k": secret.New("w")}}
	if d := cmp.Diff(want, s.Serving.Secrets, compare); d != "" {
		t.Error(d)
	}
	if len(s.Tokens) != 1 || s.Tokens[0].Name != "ops" || !s.Tokens[0].Value.Equal("0123456789abcdef==") {
		t.Error(s.Tokens)
	}
	if s.Gateway.TLS.CertFile != "rel/cert.pem" {
		t.Errorf("a path from the environment was made relative to the file: %s", s.Gateway.TLS.CertFile)
	}
}

func TestEnvironmentFindings(t *testing.T) {
	_, l := load(nil, Options{
		Environ:   []string{"SALLYPORT_GATEWAY_LISSTEN=x", "SALLYPORT_LOG_LEVEL=loud", "SALLYPORT_TOKEN=client", "SALLYPORT_GATEWAY_URL=u", "SALLYPORT_SERVING_SECRETS=oops-secret"},
		Overrides: map[string]string{"gateway.listn": "x", "trace.ttl": "soon"},
	})
	l.Sort()
	want := `error SP1003: there is no setting 'gateway.listn' (did you mean 'gateway.listen'?)
error SP1004: SALLYPORT_LOG_LEVEL: expected one of debug, info, warn, error, found 'loud'
error SP1004: SALLYPORT_SERVING_SECRETS: expected entries of the form scope/key=value
error SP1004: flag trace.ttl: expected a duration such as 30s or 5m, found 'soon'
warning SP1008: the environment variable SALLYPORT_GATEWAY_LISSTEN matches no setting (did you mean 'SALLYPORT_GATEWAY_LISTEN'?)
`
	if d := cmp.Diff(want, lines(l)); d != "" {
		t.Error(d)
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "sallyport.yaml")
	if err := os.WriteFile(name, []byte("\xef\xbb\xbfservice: {name: disk}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, l := Load(Options{File: name})
	if len(l) > 0 || s.Service.Name != "disk" || s.Dir != dir || s.State.Dir != filepath.Join(dir, ".sallyport") {
		t.Errorf("%+v\n%s", s, lines(l))
	}
	_, l = Load(Options{File: filepath.Join(dir, "none.yaml")})
	if len(l) != 1 || l[0].Code != diag.SettingsUnreadable {
		t.Error(lines(l))
	}
	if err := os.WriteFile(name, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, l = Load(Options{File: name}); len(l) != 1 || l[0].Code != diag.SettingsSyntax {
		t.Error(lines(l))
	}
}
