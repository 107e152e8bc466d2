package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sallyport/internal/secret"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

func TestNetworkRule(t *testing.T) {
	s := newSandbox(t, func(c *Config) {
		c.AllowFrom = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	})
	for addr, want := range map[string]int{
		"10.1.2.3:5": 200, "[::ffff:10.1.2.3]:5": 200, "[fd00::1]:5": 200,
		"10.2.0.1:5": 403, "127.0.0.1:5": 403, "[::1]:5": 403,
	} {
		r := authed(t, s, "POST", chatPath, hello, "X-Forwarded-For: 10.1.2.3")
		r.Remote = netip.MustParseAddrPort(addr)
		rec := wiretest.Serve(s, r)
		if rec.Status() != want {
			t.Errorf("%s: status %d, want %d", addr, rec.Status(), want)
		}
		if want == 403 {
			if got := rec.Body(); got != `{"error":{"code":"AccessDenied","message":"Access denied due to Virtual Network/Firewall rules."}}` {
				t.Errorf("%s: body %s", addr, got)
			}
		}
	}
	if n := s.Stats().Refused[ReasonNetwork]; n != 3 {
		t.Errorf("%d refusals counted, want 3", n)
	}
}

func TestEmptyNetworkRuleRefusesEveryone(t *testing.T) {
	s := newSandbox(t, func(c *Config) { c.AllowFrom = nil })
	wantError(t, post(t, s, chatPath, hello), 403, "AccessDenied", "Firewall")
}

// forged is a token with the right claims and key id, signed by key.
func forged(t *testing.T, s *Sandbox, method jwt.SigningMethod, key any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, jwt.MapClaims(s.Claims(DefaultAudience)))
	tok.Header["kid"] = s.signer.kid
	raw, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func otherKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTokens(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := newSandbox(t, func(c *Config) { c.Now = func() time.Time { return now } })
	sign := func(change func(map[string]any)) string {
		claims := s.Claims(DefaultAudience)
		change(claims)
		tok, err := s.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Reveal()
	}
	set := func(name string, v any) func(map[string]any) {
		return func(m map[string]any) { m[name] = v }
	}
	for _, c := range []struct {
		name, token string
		reason      Reason // "" = admitted
		message     string
	}{
		{"good", sign(func(map[string]any) {}), "", ""},
		{"audience with slash", sign(set("aud", DefaultAudience+"/")), "", ""},
		{"expired within leeway", sign(set("exp", now.Add(-30*time.Second).Unix())), "", ""},
		{"expired", sign(set("exp", now.Add(-2*time.Minute).Unix())), ReasonTokenExpired, "expired"},
		{"early", sign(set("nbf", now.Add(2*time.Minute).Unix())), ReasonTokenEarly, "not valid yet"},
		{"audience", sign(set("aud", "https://management.azure.com")), ReasonTokenAudience, `"https://management.azure.com"`},
		{"no audience", sign(func(m map[string]any) { delete(m, "aud") }), ReasonTokenMalformed, "missing"},
		{"no expiry", sign(func(m map[string]any) { delete(m, "exp") }), ReasonTokenMalformed, "missing"},
		{"issuer", sign(set("iss", "https://sts.windows.net/other/")), ReasonTokenIssuer, "issuer"},
		{"principal", sign(set("oid", "someone-else")), ReasonPrincipal, "Principal"},
		{"signature", forged(t, s, jwt.SigningMethodRS256, otherKey(t)), ReasonTokenSignature, "signature"},
		{"HMAC with the public key", forged(t, s, jwt.SigningMethodHS256, s.PublicKey().N.Bytes()), ReasonTokenSignature, "signature"},
		{"no signature", forged(t, s, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), ReasonTokenSignature, "signature"},
		{"not a token", "dapi-databricks-token", ReasonTokenMalformed, "not a JSON web token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.ResetStats()
			rec := wiretest.Serve(s, wiretest.NewRequest("POST", chatPath, hello, "Authorization: Bearer "+c.token))
			if c.reason == "" {
				if rec.Status() != 200 {
					t.Errorf("status %d: %s", rec.Status(), rec.Body())
				}
				return
			}
			code := "401"
			if c.reason == ReasonPrincipal {
				code = "PermissionDenied"
			}
			wantError(t, rec, 401, code, c.message)
			if st := s.Stats(); st.Refused[c.reason] != 1 {
				t.Errorf("counted %v", st.Refused)
			}
			if strings.Contains(rec.Body(), c.token) {
				t.Error("the answer repeats the token")
			}
		})
	}
}

func TestMissingCredentials(t *testing.T) {
	s := newSandbox(t)
	for _, h := range [][]string{nil, {"Authorization: Basic eDp5"}, {"Authorization: Bearer "}, {"Authorization: Bearer"}} {
		wantError(t, wiretest.Serve(s, wiretest.NewRequest("POST", chatPath, hello, h...)), 401, "401", "Access denied")
	}
	if n := s.Stats().Refused[ReasonNoCredentials]; n != 4 {
		t.Errorf("%d counted", n)
	}
}

func TestKeys(t *testing.T) {
	s := newSandbox(t)
	wantError(t, wiretest.Serve(s, authed(t, s, "POST", chatPath, hello, "api-key: user-key")), 403, "AuthenticationTypeDisabled", "disabled")

	keyed := newSandbox(t, func(c *Config) { c.APIKey = secret.New("resource-key") })
	ask := func(target, body, header string) *wiretest.Recorder {
		return wiretest.Serve(keyed, wiretest.NewRequest("POST", target, body, header))
	}
	if rec := ask(chatPath, hello, "api-key: resource-key"); rec.Status() != 200 {
		t.Errorf("key: %d %s", rec.Status(), rec.Body())
	}
	wantError(t, ask(chatPath, hello, "api-key: wrong"), 401, "401", "Access denied")
	v1 := `{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"x"}]}`
	if rec := ask("/openai/v1/chat/completions", v1, "Authorization: Bearer resource-key"); rec.Status() != 200 {
		t.Errorf("v1 bearer key: %d %s", rec.Status(), rec.Body())
	}
	wantError(t, ask(chatPath, hello, "Authorization: Bearer resource-key"), 401, "401", "not a JSON web token")
}

func TestStatsShowWhatArrived(t *testing.T) {
	s := newSandbox(t)
	r := authed(t, s, "POST", chatPath, hello, "X-Forwarded-For: 192.0.2.9", "traceparent: 00-1-2-01")
	r.Remote = netip.MustParseAddrPort("127.0.0.1:4711")
	wiretest.Serve(s, r)
	for i := range recent {
		wiretest.Serve(s, authed(t, s, "POST", chatPath, hello, fmt.Sprintf("x-n: %d", i)))
	}
	st := s.Stats()
	if st.Calls != recent+1 || st.Answered != recent+1 || len(st.Recent) != recent || st.Last().Header.Get("x-n") != fmt.Sprint(recent-1) {
		t.Errorf("calls %d answered %d kept %d last %v", st.Calls, st.Answered, len(st.Recent), st.Last().Header)
	}
	s.ResetStats()
	wiretest.Serve(s, r)
	got := s.Stats().Last()
	if got.Header.Get("X-Forwarded-For") != "192.0.2.9" || got.Header.Has("api-key") || got.Remote.Port() != 4711 || got.Target != chatPath {
		t.Errorf("seen %s %s", got.Target, got.Remote)
	}
	r.Header[1] = wire.Field{Name: "changed", Value: "later"}
	if s.Stats().Last().Header.Has("changed") {
		t.Error("the sandbox kept the request's own header")
	}
}
