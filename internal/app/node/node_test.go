package node

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/app/settings"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// example is a copy of the example's configuration, on ports of the system's
// choice.
func example(t *testing.T) *settings.Settings {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../examples/foundry-databricks")); err != nil {
		t.Fatal(err)
	}
	set, fs := settings.Load(settings.Options{File: filepath.Join(dir, "sallyport.yaml"), Overrides: map[string]string{
		"gateway.listen": "127.0.0.1:0", "management.listen": "127.0.0.1:0", "serving.listen": "127.0.0.1:0", "sandbox.listen": "127.0.0.1:0",
	}})
	if fs.HasErrors() {
		t.Fatal(fs.Err())
	}
	return set
}

func noEnv(string) (string, bool) { return "", false }

func newNode(t *testing.T, set *settings.Settings) *Node {
	t.Helper()
	n, fs, err := New(set, Options{Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewMetrics("test"), Env: noEnv})
	if err != nil || fs.HasErrors() {
		t.Fatal(err, fs.Err())
	}
	return n
}

func TestEnvironmentWinsOverSettings(t *testing.T) {
	set := example(t)
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"DEMO_FOUNDRY_URL": "http://from-environment.test", "BUNDLE_VAR_gateway_url": "http://127.0.0.1:9"}[name]
		return v, ok
	}
	c := ReadConfiguration(set, env)
	if c.Findings.HasErrors() {
		t.Fatal(c.Findings.Err())
	}
	urls := map[string]string{}
	for _, b := range c.Snapshot.Backends {
		urls[b.ID] = b.URL
	}
	if urls["foundry-ai-endpoint"] != "http://from-environment.test/openai" || urls["databricks-serving-endpoint"] != "http://127.0.0.1:8082/serving-endpoints" {
		t.Errorf("%v", urls)
	}
	b, err := json.Marshal(c.Snapshot.ServingEndpoints)
	if err != nil || !strings.Contains(string(b), "http://127.0.0.1:9/foundry/") {
		t.Errorf("%s %v", b, err)
	}
}

func TestWithoutConfigurationNothingIsServed(t *testing.T) {
	c := ReadConfiguration(&settings.Settings{Service: settings.Service{Name: "empty"}}, noEnv)
	if c.Snapshot == nil || c.Snapshot.ServiceName != "empty" || len(c.Snapshot.APIs) != 0 || len(c.Findings) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMissingKeysAreGeneratedOnce(t *testing.T) {
	set := example(t)
	file := set.Configuration.Overrides[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const key = "      secondaryKey: demo-only-user-key-second-77e2\n"
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), key, "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	generated := func(n *Node) string {
		for _, s := range n.rollout.Snapshot().Subscriptions {
			if s.ID == "team-dublin" {
				if s.PrimaryKey.Reveal() != "demo-only-user-key-3a7d6e90b41c" {
					t.Error("the key that is given was replaced")
				}
				return s.SecondaryKey.Reveal()
			}
		}
		return ""
	}
	first := generated(newNode(t, set))
	if len(first) < 32 || first == strings.TrimSpace(key) {
		t.Fatalf("a key of %d characters", len(first))
	}
	if again := generated(newNode(t, set)); again != first {
		t.Error("another node on the same state made another key")
	}
}

func TestStateThatCannotBeUsedIsAnError(t *testing.T) {
	set := example(t)
	set.State.Dir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(set.State.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(set, Options{Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewMetrics("test"), Env: noEnv}); err == nil || !strings.Contains(err.Error(), "open state") {
		t.Errorf("%v", err)
	}
}

func TestBindExplainsATakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := Bind("gateway", ln.Addr().String()); err == nil || !strings.Contains(err.Error(), "gateway cannot listen on "+ln.Addr().String()+": another process uses the port") {
		t.Errorf("%v", err)
	}
	if _, err := Bind("gateway", "256.0.0.1:1"); err == nil || strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
}

// A listener that cannot be opened leaves none open.
func TestListenIsAllOrNothing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	set := example(t)
	set.Serving.Listen = ln.Addr().String()
	n := newNode(t, set)
	if err := n.Listen(); err == nil || len(n.Addresses()) != 0 {
		t.Errorf("%v %v", err, n.Addresses())
	}
	set.Serving.Listen = "127.0.0.1:0"
	set.Gateway.TLS = settings.TLS{Listen: "127.0.0.1:0", CertFile: "nowhere.pem", KeyFile: "nowhere.pem"}
	if err := n.Listen(); err == nil || !strings.Contains(err.Error(), "load certificate") || len(n.Addresses()) != 0 {
		t.Errorf("%v %v", err, n.Addresses())
	}
}

func get(t *testing.T, addr, path string) (status int, body string) {
	t.Helper()
	tr := std.NewTransport(wire.TransportConfig{ConnectTimeout: 10 * time.Second})
	res, err := tr.RoundTrip(t.Context(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: addr, Target: path, Header: wire.Header{{Name: "Connection", Value: "close"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.Status, b.String()
}

func TestRunServesReloadsAndDrains(t *testing.T) {
	set := example(t)
	set.Configuration.Reload = false
	n := newNode(t, set)
	if err := n.Listen(); err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for _, a := range n.Addresses() {
		at[a.Plane] = a.Address
	}
	if len(at) != 3 {
		t.Fatalf("planes %v", at)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	if s, body := get(t, at["management"], "/readyz"); s != 200 {
		t.Errorf("%d %s", s, body)
	}
	if s, body := get(t, at["gateway"], "/"); s != 404 || !strings.Contains(body, "Resource not found") {
		t.Errorf("%d %s", s, body)
	}
	if s, body := get(t, at["serving"], "/serving-endpoints/x/invocations"); s != 401 {
		t.Errorf("%d %s", s, body)
	}
	// Files are not watched here; asking for a load works all the same.
	before := n.Status().Generation
	n.Reload()
	for deadline := time.Now().Add(time.Minute); n.Status().Generation == before; {
		if time.Now().After(deadline) {
			t.Fatal("Reload had no effect")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n.gateway.Ready() {
		t.Error("ready after the drain")
	}
}
