package sandbox

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"sallyport/internal/secret"
	"sallyport/internal/wire/wiretest"
)

const imds = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"

func TestIMDSTokenOpensTheModel(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := newSandbox(t, func(c *Config) { c.Now = func() time.Time { return now }; c.TokenLife = time.Hour })
	rec := wiretest.Serve(s, wiretest.NewRequest("GET", imds, "", "Metadata: true"))
	got := decode[map[string]string](t, rec.Body())
	token := got["access_token"]
	delete(got, "access_token")
	want := map[string]string{
		"token_type": "Bearer", "resource": DefaultAudience, "client_id": DefaultClientID,
		"expires_in": "3600", "ext_expires_in": "3600",
		"expires_on": itoa(now.Add(time.Hour).Unix()), "not_before": itoa(now.Unix()),
	}
	if d := cmp.Diff(want, got); d != "" || rec.Status() != 200 {
		t.Errorf("status %d: %s", rec.Status(), d)
	}
	if rec := wiretest.Serve(s, wiretest.NewRequest("POST", chatPath, hello, "Authorization: Bearer "+token)); rec.Status() != 200 {
		t.Errorf("the issued token got %d %s", rec.Status(), rec.Body())
	}
	if n := s.Stats().Tokens; n != 1 {
		t.Errorf("%d tokens counted", n)
	}
}

func itoa(n int64) string { return big.NewInt(n).String() }

func TestIMDSRules(t *testing.T) {
	s := newSandbox(t)
	for _, c := range []struct {
		name, target, remote string
		headers              []string
		status               int
	}{
		{"another loopback address", imds, "127.0.0.9:1", []string{"Metadata: true"}, 200},
		{"IPv6 loopback", imds, "[::1]:1", []string{"Metadata: true"}, 200},
		{"own client id", imds + "&client_id=" + DefaultClientID, "", []string{"Metadata: true"}, 200},
		{"own object id", imds + "&object_id=" + DefaultPrincipal, "", []string{"Metadata: true"}, 200},
		{"own resource id", imds + "&msi_res_id=" + s.resourceID(), "", []string{"Metadata: true"}, 200},
		{"other resource id", imds + "&mi_res_id=/x", "", []string{"Metadata: true"}, 400},
		{"other client id", imds + "&client_id=x", "", []string{"Metadata: true"}, 400},
		{"other object id", imds + "&object_id=x", "", []string{"Metadata: true"}, 400},
		{"no Metadata header", imds, "", nil, 400},
		{"Metadata: false", imds, "", []string{"Metadata: false"}, 400},
		{"through a proxy", imds, "", []string{"Metadata: true", "X-Forwarded-For: 1.2.3.4"}, 400},
		{"no resource", "/metadata/identity/oauth2/token?api-version=2018-02-01", "", []string{"Metadata: true"}, 400},
		{"no api-version", "/metadata/identity/oauth2/token?resource=x", "", []string{"Metadata: true"}, 400},
		{"old api-version", "/metadata/identity/oauth2/token?resource=x&api-version=2017-01-01", "", []string{"Metadata: true"}, 400},
		{"from elsewhere", imds, "192.0.2.1:1", []string{"Metadata: true"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wiretest.NewRequest("GET", c.target, "", c.headers...)
			if c.remote != "" {
				r.Remote = netip.MustParseAddrPort(c.remote)
			}
			rec := wiretest.Serve(s, r)
			if rec.Status() != c.status {
				t.Fatalf("status %d: %s", rec.Status(), rec.Body())
			}
			if got := decode[map[string]string](t, rec.Body()); c.status != 200 && (got["error"] == "" || got["error_description"] == "") {
				t.Errorf("body %s", rec.Body())
			}
		})
	}
	if rec := wiretest.Serve(s, wiretest.NewRequest("POST", imds, "", "Metadata: true")); rec.Status() != 405 {
		t.Errorf("POST: %d", rec.Status())
	}
}

func TestAppService(t *testing.T) {
	target := "/MSI/token?api-version=2019-08-01&resource=" + DefaultAudience
	if rec := wiretest.Serve(newSandbox(t), wiretest.NewRequest("GET", target, "")); rec.Status() != 404 {
		t.Errorf("switched off: %d", rec.Status())
	}
	s := newSandbox(t, func(c *Config) { c.IdentityHeader = secret.New("shared") })
	if rec := wiretest.Serve(s, wiretest.NewRequest("GET", target, "", "X-IDENTITY-HEADER: other")); rec.Status() != 401 {
		t.Errorf("wrong header: %d", rec.Status())
	}
	rec := wiretest.Serve(s, wiretest.NewRequest("GET", target, "", "X-IDENTITY-HEADER: shared"))
	if got := decode[map[string]string](t, rec.Body()); rec.Status() != 200 || got["access_token"] == "" || got["expires_on"] == "" {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
}

func TestPublishedKeyVerifiesTokens(t *testing.T) {
	s := newSandbox(t)
	doc := decode[map[string]any](t, wiretest.Serve(s, wiretest.NewRequest("GET", "http://127.0.0.1:8083/"+DefaultTenant+"/.well-known/openid-configuration", "")).Body())
	if doc["issuer"] != s.Issuer() || doc["jwks_uri"] != "http://127.0.0.1:8083/discovery/keys" {
		t.Errorf("document %v", doc)
	}
	set := decode[struct{ Keys []map[string]string }](t, wiretest.Serve(s, wiretest.NewRequest("GET", "/discovery/keys", "")).Body())
	number := func(v string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(b)
	}
	key := &rsa.PublicKey{N: number(set.Keys[0]["n"]), E: int(number(set.Keys[0]["e"]).Int64())}
	raw, err := s.Token("api://other")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := jwt.Parse(raw.Reveal(), func(*jwt.Token) (any, error) { return key, nil }, jwt.WithAudience("api://other"), jwt.WithIssuer(s.Issuer()))
	if err != nil || tok.Header["kid"] != set.Keys[0]["kid"] {
		t.Errorf("verify: %v", err)
	}
}
