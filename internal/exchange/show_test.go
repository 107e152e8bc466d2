package exchange

import (
	"net/url"
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/secret"
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

// A secret named value may stand under any name, in a path, and escaped.
func TestSecretValuesAreHiddenUnderAnyName(t *testing.T) {
	const value = "se cret/value-of-a-named-one"
	x := &Exchange{Hider: secret.NewHider([]secret.Text{secret.New(value)})}
	x.Target.Base = BaseURL{Scheme: "https", Authority: "h", Path: "/" + url.PathEscape(value)}
	x.Request.Path, x.Request.Query = "/p", "plain="+url.QueryEscape(value)
	for got, want := range map[string]string{
		x.ShowURL():                                "https://h/se****ne/p?plain=se****ne",
		x.ShowHeader("X-Plain", "a "+value):        "a se****ne",
		x.ShowTarget("/p?plain=" + value + "&b=1"): "/p?plain=se****ne&b=1",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := new(Exchange).ShowTarget("/p?plain=1"); got != "/p?plain=1" {
		t.Errorf("%q", got)
	}
}
