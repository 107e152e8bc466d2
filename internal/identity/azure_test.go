package identity

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/egress"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// cleanEnv removes what a developer's machine or an Azure host would add.
func cleanEnv(t *testing.T) {
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET",
		"IMDS_ENDPOINT", "AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
}

func listen(t *testing.T, cfg wire.ServerConfig, h wire.HandlerFunc) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := std.NewServer(cfg, h)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// imds answers as the instance metadata service does and keeps the requests.
type imds struct {
	mu       sync.Mutex
	seen     []string
	statuses []int // answered first, one a request
	life     time.Duration
}

func (m *imds) serve(_ context.Context, r *wire.Request, w wire.Responder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, r.Method+" "+r.Host+r.Target+" Metadata="+r.Header.Get("Metadata"))
	if len(m.statuses) > 0 {
		status := m.statuses[0]
		m.statuses = m.statuses[1:]
		replyJSON(w, status, map[string]string{"error": "invalid_request", "error_description": "Identity not found"})
		return
	}
	u, err := url.Parse(r.Target)
	if err != nil || u.Path != "/metadata/identity/oauth2/token" || r.Header.Get("Metadata") != "true" {
		replyJSON(w, 400, map[string]string{"error": "bad_request"})
		return
	}
	q := u.Query()
	expires := time.Now().Add(m.life)
	replyJSON(w, 200, map[string]string{
		"access_token": fmt.Sprintf("%s|%s|%d", q.Get("resource"), q.Get("client_id"), len(m.seen)),
		"expires_in":   fmt.Sprint(int(m.life.Seconds())), "expires_on": fmt.Sprint(expires.Unix()),
		"resource": q.Get("resource"), "token_type": "Bearer", "not_before": fmt.Sprint(time.Now().Unix()),
	})
}

func (m *imds) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.seen...)
}

func dialerTo(t *testing.T, hosts map[string]string) *egress.Dialer {
	t.Helper()
	d, err := egress.New(egress.Config{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tokens(t *testing.T, c Config, d *egress.Dialer) *Tokens {
	t.Helper()
	tk, err := New(c, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tk.Close)
	return tk
}

// TestManagedIdentityThroughIMDS runs the real library against a local
// endpoint, reached by the egress override of the metadata address.
func TestManagedIdentityThroughIMDS(t *testing.T) {
	cleanEnv(t)
	m := &imds{life: time.Hour}
	d := dialerTo(t, map[string]string{"169.254.169.254:80": listen(t, wire.ServerConfig{}, m.serve)})
	tk := tokens(t, Config{}, d)
	want(t, token(tk, "https://cognitiveservices.azure.com", ""), "https://cognitiveservices.azure.com||1")
	want(t, token(tk, "https://cognitiveservices.azure.com", ""), "https://cognitiveservices.azure.com||1")
	want(t, token(tk, "https://cognitiveservices.azure.com/", ""), "https://cognitiveservices.azure.com/||2")
	want(t, token(tk, "https://cognitiveservices.azure.com", "user-id"), "https://cognitiveservices.azure.com|user-id|3")
	// Another Tokens of the same process must not get MSAL's process-wide copy,
	// or a renewal would bring the old token back.
	want(t, token(tokens(t, Config{Kind: ManagedIdentity}, d), "https://cognitiveservices.azure.com", ""),
		"https://cognitiveservices.azure.com||4")
	want(t, token(tokens(t, Config{Kind: ManagedIdentity, ClientID: "mine"}, d), "https://cognitiveservices.azure.com", ""),
		"https://cognitiveservices.azure.com|mine|5")
	const first = "GET 169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com Metadata=true"
	if got := m.requests(); got[0] != first || len(got) != 5 {
		t.Errorf("requests:\n%s", strings.Join(got, "\n"))
	}
}

func TestRenewalBringsANewToken(t *testing.T) {
	cleanEnv(t)
	m := &imds{life: time.Hour}
	tk := tokens(t, Config{}, dialerTo(t, map[string]string{"169.254.169.254:80": listen(t, wire.ServerConfig{}, m.serve)}))
	want(t, token(tk, "r", ""), "r||1")
	k := key{"r", ""}
	tk.mu.Lock()
	tk.entries[k].renewAt = time.Now()
	tk.mu.Unlock()
	want(t, token(tk, "r", ""), "r||1")
	tk.mu.Lock()
	running := tk.entries[k].running
	tk.mu.Unlock()
	if running != nil {
		<-running.done
	}
	want(t, token(tk, "r", ""), "r||2")
}

func TestIMDSErrors(t *testing.T) {
	cleanEnv(t)
	t.Run("passing trouble is retried", func(t *testing.T) {
		m := &imds{life: time.Hour, statuses: []int{429, 503}}
		tk := tokens(t, Config{}, dialerTo(t, map[string]string{"169.254.169.254": listen(t, wire.ServerConfig{}, m.serve)}))
		want(t, token(tk, "r", ""), "r||3")
	})
	t.Run("a refusal is not", func(t *testing.T) {
		m := &imds{life: time.Hour, statuses: []int{400}}
		tk := tokens(t, Config{}, dialerTo(t, map[string]string{"169.254.169.254": listen(t, wire.ServerConfig{}, m.serve)}))
		got := token(tk, "r", "")
		if len(m.requests()) != 1 || !strings.Contains(got, "Identity not found") || strings.ContainsAny(got, "\n\r") || strings.Contains(got, "---") {
			t.Errorf("%d requests, %q", len(m.requests()), got)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed := l.Addr().String()
		_ = l.Close()
		tk := tokens(t, Config{}, dialerTo(t, map[string]string{"169.254.169.254": closed}))
		if got := token(tk, "r", ""); !strings.Contains(got, "refused") || !strings.Contains(got, "outside Azure choose another identity kind") {
			t.Errorf("%q", got)
		}
	})
}

func TestAppService(t *testing.T) {
	cleanEnv(t)
	var got string
	addr := listen(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		got = r.Target + " " + r.Header.Get("X-Identity-Header")
		replyJSON(w, 200, map[string]string{"access_token": "app-service", "expires_on": fmt.Sprint(time.Now().Add(time.Hour).Unix()),
			"resource": "r", "token_type": "Bearer"})
	})
	t.Setenv("IDENTITY_ENDPOINT", "http://169.254.130.3:8081/msi/token") // link-local, as on Linux plans
	t.Setenv("IDENTITY_HEADER", "proof")
	tk := tokens(t, Config{}, dialerTo(t, map[string]string{"169.254.130.3": addr}))
	want(t, token(tk, "r", "id"), "app-service")
	want(t, got, "/msi/token?api-version=2019-08-01&client_id=id&resource=r proof")
}

// TestIdentityMayReachLinkLocal: the rule for everything else does not stop the
// identity endpoints themselves, an explicit deny does.
func TestIdentityMayReachLinkLocal(t *testing.T) {
	cleanEnv(t)
	d, err := egress.New(egress.Config{ConnectTimeout: 50 * time.Millisecond, DenyCIDRs: []netip.Prefix{netip.MustParsePrefix("169.254.169.254/32")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := token(tokens(t, Config{}, d), "r", ""); !strings.Contains(got, "egress rules deny 169.254.169.254") {
		t.Errorf("%q", got)
	}
}

// authority is a small Entra ID: discovery and token endpoint of one tenant.
func authority(t *testing.T) (hosts map[string]string, roots *x509.CertPool, form func() url.Values) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"login.example"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(leaf)
	var mu sync.Mutex
	var last url.Values
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	addr := listen(t, wire.ServerConfig{TLS: conf}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if strings.HasSuffix(strings.SplitN(r.Target, "?", 2)[0], "/tenant/v2.0/.well-known/openid-configuration") {
			replyJSON(w, 200, map[string]string{"issuer": "https://login.example/tenant/v2.0",
				"token_endpoint":         "https://login.example/tenant/oauth2/v2.0/token",
				"authorization_endpoint": "https://login.example/tenant/oauth2/v2.0/authorize"})
			return
		}
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		last, _ = url.ParseQuery(string(b))
		mu.Unlock()
		if last.Get("client_secret") == "wrong-secret-value" {
			replyJSON(w, 401, map[string]string{"error": "invalid_client",
				"error_description": "AADSTS7000215: Invalid client secret wrong-secret-value provided"})
			return
		}
		replyJSON(w, 200, map[string]any{"access_token": "entra", "expires_in": 3600, "token_type": "Bearer"})
	})
	return map[string]string{"login.example:443": addr}, roots, func() url.Values {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

func TestServicePrincipals(t *testing.T) {
	cleanEnv(t)
	hosts, roots, form := authority(t)
	dir := t.TempDir()
	certFile, tokenFile := filepath.Join(dir, "app.pem"), filepath.Join(dir, "token")
	writeCertificate(t, certFile)
	if err := os.WriteFile(tokenFile, []byte("cluster-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := Config{TenantID: "tenant", ClientID: "app", AuthorityHost: "https://login.example/", RootCAs: roots}
	for _, tc := range []struct {
		name  string
		set   func(c *Config)
		field string
		value string // "" = any
	}{
		{"client secret", func(c *Config) { c.Kind, c.ClientSecret = ClientSecret, secret.New("s3cret-value") }, "client_secret", "s3cret-value"},
		{"client certificate", func(c *Config) { c.Kind, c.CertificateFile = ClientCertificate, certFile }, "client_assertion", ""},
		{"workload identity", func(c *Config) { c.Kind, c.TokenFile = WorkloadIdentity, tokenFile }, "client_assertion", "cluster-token"},
		{"workload identity from the environment", func(c *Config) {
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", tokenFile)
			t.Setenv("AZURE_TENANT_ID", "tenant")
			t.Setenv("AZURE_CLIENT_ID", "app")
			c.TenantID, c.ClientID = "", ""
		}, "client_assertion", "cluster-token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := base
			tc.set(&c)
			want(t, token(tokens(t, c, dialerTo(t, hosts)), "https://x.example/", ""), "entra")
			f := form()
			if got := f.Get(tc.field); got == "" || tc.value != "" && got != tc.value {
				t.Errorf("%s = %q", tc.field, got)
			}
			if !strings.Contains(f.Get("scope"), "https://x.example//.default") || f.Get("client_id") != "app" {
				t.Errorf("scope %q client %q", f.Get("scope"), f.Get("client_id"))
			}
		})
	}
}

func writeCertificate(t *testing.T, file string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "app"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: pk})
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsStayInside: neither errors nor logs show a secret, even when the
// sign-in service repeats it.
func TestSecretsStayInside(t *testing.T) {
	cleanEnv(t)
	hosts, roots, _ := authority(t)
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := Config{Kind: ClientSecret, TenantID: "tenant", ClientID: "app", AuthorityHost: "https://login.example/", RootCAs: roots,
		ClientSecret: secret.New("wrong-secret-value")}
	tk, err := New(c, dialerTo(t, hosts), log)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tk.Token(context.Background(), "r", "")
	tk.Close()
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Fatalf("%v", err)
	}
	tk.mu.Lock() // the log line is written under the lock
	text := logged.String() + fmt.Sprintf("%v %+v", err, c)
	tk.mu.Unlock()
	if strings.Contains(text, "wrong-secret-value") {
		t.Errorf("the secret got out: %s", text)
	}
	if !strings.Contains(logged.String(), "no token") {
		t.Errorf("nothing logged: %s", logged.String())
	}
}

func TestSettle(t *testing.T) {
	full := map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
	for _, tc := range []struct {
		name string
		c    Config
		env  map[string]string
		kind Kind
		err  string
	}{
		{"nothing", Config{}, nil, ManagedIdentity, ""},
		{"auto in a cluster", Config{Kind: Auto}, full, WorkloadIdentity, ""},
		{"auto with half of it", Config{Kind: Auto}, map[string]string{"AZURE_CLIENT_ID": "c"}, ManagedIdentity, ""},
		{"explicit wins", Config{Kind: AzureCLI}, full, AzureCLI, ""},
		{"unknown", Config{Kind: "magic"}, nil, "", `unknown kind "magic"`},
		{"secret missing", Config{Kind: ClientSecret, TenantID: "t"}, nil, "", "clientSecret needs client secret, client id"},
		{"file missing", Config{Kind: ClientCertificate, TenantID: "t", ClientID: "c"}, nil, "", "certificate file"},
		{"token file missing", Config{Kind: WorkloadIdentity, TenantID: "t", ClientID: "c"}, nil, "", "AZURE_FEDERATED_TOKEN_FILE"},
		{"plain authority", Config{AuthorityHost: "http://x"}, nil, "", "https://"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.c.settle(func(n string) string { return tc.env[n] })
			if tc.err == "" && (err != nil || tc.c.Kind != tc.kind) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("kind %q, %v", tc.c.Kind, err)
			}
		})
	}
}

func replyJSON(w wire.Responder, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	wire.Reply(w, status, "application/json", b)
}
