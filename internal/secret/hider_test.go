package secret_test

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/secret"
)

func texts(values ...string) []secret.Text {
	var all []secret.Text
	for _, v := range values {
		all = append(all, secret.New(v))
	}
	return all
}

func TestHider(t *testing.T) {
	h := secret.NewHider(texts("canary-one", "canary-one-and-more", "a b/c&d", "abc"))
	for in, want := range map[string]string{
		"nothing here":                      "nothing here",
		"x=canary-one":                      "x=****",
		"canary-one-and-more canary-one":    "ca****re ****",
		"q=a+b%2Fc%26d p=a%20b%2Fc&d r=abc": "q=**** p=**** r=abc",
	} {
		if got := h.Hide(in); got != want {
			t.Errorf("Hide(%q) = %q, want %q", in, got, want)
		}
	}
	if secret.NewHider(texts("abc", "")) != nil {
		t.Error("there is nothing to hide")
	}
	var none *secret.Hider
	if got := none.Hide("x"); got != "x" {
		t.Errorf("%q", got)
	}
}

func TestHiderOfMany(t *testing.T) {
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf("value-number-%d-canary", i))
	}
	h := secret.NewHider(texts(values...))
	if got := h.Hide("a " + strings.Join(values, " ") + " z"); strings.Contains(got, "canary") || !strings.HasPrefix(got, "a ") || !strings.HasSuffix(got, " z") {
		t.Errorf("%.200s", got)
	}
}

func TestHiderAllocatesNothingWhenThereIsNothingToHide(t *testing.T) {
	h := secret.NewHider(texts("canary-one", "canary two"))
	if n := testing.AllocsPerRun(100, func() { h.Hide("/openai/deployments/gpt/chat/completions?api-version=2024-10-21") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
