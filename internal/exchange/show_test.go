package exchange

import (
	"strings"
	"testing"

	"sallyport/internal/model"
)

func TestShowHeaderMasksCredentials(t *testing.T) {
	x := &Exchange{API: &model.API{KeyHeader: "X-Door", KeyQuery: "door"}}
	x.Target.Backend = &BackendEntity{Header: []Credential{{Name: "X-Upstream"}}}
	const canary = "0123456789abcdefcanary"
	for _, name := range []string{"Authorization", "proxy-authorization", "api-key", "Ocp-Apim-Subscription-Key", "X-Api-Key",
		"x-functions-key", "Cookie", "Set-Cookie", "X-Door", "x-upstream", "X-Ms-Token", "X-Client-Secret"} {
		if got := x.ShowHeader(name, canary); strings.Contains(got, canary[2:len(canary)-2]) {
			t.Errorf("ShowHeader(%s) = %q shows the secret", name, got)
		}
	}
	if got := x.ShowHeader("Authorization", "Bearer "+canary); got != "Bearer ****" {
		t.Errorf("Authorization shown as %q", got)
	}
	if got := x.ShowHeader("Content-Type", "text/plain"); got != "text/plain" {
		t.Errorf("Content-Type shown as %q", got)
	}
}

func TestShowURLMasksQuery(t *testing.T) {
	x := &Exchange{API: &model.API{KeyQuery: "door"}}
	x.Target.Base = BaseURL{Scheme: "https", Authority: "h", Path: "/b"}
	x.Request.Path, x.Request.Query = "/p", "a=1&door=0123456789abcdef&api%2Dkey=short"
	if got, want := x.ShowURL(), "https://h/b/p?a=1&door=01****ef&api%2Dkey=****"; got != want {
		t.Errorf("ShowURL() = %q, want %q", got, want)
	}
}
