package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sallyport/internal/secret"
)

// Nothing that prints, encodes or logs a value may reach the characters.
func TestNothingPrintsASecret(t *testing.T) {
	const canary = "canary-7f3a"
	s := secret.New(canary)
	holder := struct {
		Key  secret.Text
		priv secret.Text
		Ptr  *secret.Text
		List []secret.Text
		Map  map[string]secret.Text
	}{s, s, &s, []secret.Text{s}, map[string]secret.Text{"k": s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", s, holder)
	}
	fmt.Fprintln(&out, s, holder, fmt.Errorf("wrapped: %v", s))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "key", s, "holder", holder, slog.Group("g", "k", s))
	}
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret is in:\n%s", out.String())
	}
	if s.Reveal() != canary || !s.Equal(canary) || s.Equal("other") || s.IsZero() || !secret.New("").IsZero() {
		t.Error("the secret itself is lost")
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{"": "****", "short": "****", "elevenchars": "****", "twelve-chars": "tw****rs"} {
		if got := secret.Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}
