package databricks

import (
	"encoding/base64"
	"testing"

	"sallyport/internal/secret"
	"sallyport/internal/wire/wiretest"
)

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestTokens(t *testing.T) {
	const (
		missing = `{"error_code":"UNAUTHENTICATED","message":"Authentication is required: send the header 'Authorization: Bearer <token>'."}`
		wrong   = `{"error_code":"UNAUTHENTICATED","message":"The access token is not valid."}`
	)
	p := newPlane(answering(200, "{}"), func(c *Config) {
		c.Tokens = append(c.Tokens, Token{Name: "second", Value: secret.New("other:with:colons")}, Token{Name: "unset"})
	})
	for _, tt := range []struct {
		name    string
		headers []string
		want    string // "" = let in
	}{
		{"bearer", []string{bearer}, ""},
		{"scheme without case", []string{"authorization: bEARER  " + testToken}, ""},
		{"second token", []string{"Authorization: Bearer other:with:colons"}, ""},
		{"basic", []string{basic("token", testToken)}, ""},
		{"basic with colons", []string{basic("token", "other:with:colons")}, ""},
		{"none", nil, missing},
		{"wrong", []string{"Authorization: Bearer " + testToken + "x"}, wrong},
		{"prefix", []string{"Authorization: Bearer " + testToken[:5]}, wrong},
		{"empty", []string{"Authorization: Bearer "}, wrong},
		{"empty basic", []string{basic("token", "")}, wrong},
		{"other user", []string{basic("admin", testToken)}, wrong},
		{"not base64", []string{"Authorization: Basic %%%"}, wrong},
		{"other scheme", []string{"Authorization: Digest " + testToken}, wrong},
		{"two headers", []string{bearer, bearer}, wrong},
		{"other header", []string{"api-key: " + testToken}, missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := wiretest.Serve(p, wiretest.NewRequest("POST", invokeDublin, chatBody, tt.headers...))
			if tt.want == "" {
				if got.Status() != 200 {
					t.Errorf("status %d, %s", got.Status(), got.Body())
				}
				return
			}
			if got.Status() != 401 || got.Body() != tt.want || got.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("status %d, %s, %v", got.Status(), got.Body(), got.Header())
			}
		})
	}
}

func TestNothingIsToldWithoutToken(t *testing.T) {
	p := newPlane(answering(200, "{}"), nil)
	for _, target := range []string{"/", "/nothing", "/serving-endpoints/nobody/invocations", "/api/2.0/serving-endpoints/dublin-chat"} {
		if got := wiretest.Serve(p, wiretest.NewRequest("GET", target, "")); got.Status() != 401 {
			t.Errorf("%s: status %d", target, got.Status())
		}
	}
	if got := wiretest.Serve(p, wiretest.NewRequest("GET", "/healthz", "")); got.Status() != 200 || got.Body() != "ok\n" {
		t.Errorf("healthz: %d %q", got.Status(), got.Body())
	}
}

func TestNoTokensLetNobodyIn(t *testing.T) {
	p := newPlane(answering(200, "{}"), func(c *Config) { c.Tokens = []Token{{Name: "unset"}} })
	for _, h := range []string{bearer, "Authorization: Bearer ", basic("token", "")} {
		if got := wiretest.Serve(p, wiretest.NewRequest("POST", invokeDublin, chatBody, h)); got.Status() != 401 {
			t.Errorf("%q: status %d", h, got.Status())
		}
	}
}
