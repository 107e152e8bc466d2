package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/ai/sse"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

// testKey is made once: an RSA key takes longer than all the tests.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newSandbox(t testing.TB, change ...func(*Config)) *Sandbox {
	t.Helper()
	c := Config{SigningKey: testKey(), AllowFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	chatPath = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
	hello    = `{"messages":[{"role":"user","content":"What is a gateway?"}]}`
)

// authed builds a request with a good token.
func authed(t testing.TB, s *Sandbox, method, target, body string, headers ...string) *wire.Request {
	t.Helper()
	tok, err := s.Token(DefaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	return wiretest.NewRequest(method, target, body, append([]string{"Authorization: Bearer " + tok.Reveal()}, headers...)...)
}

func post(t testing.TB, s *Sandbox, target, body string) *wiretest.Recorder {
	t.Helper()
	return wiretest.Serve(s, authed(t, s, "POST", target, body))
}

func decode[T any](t testing.TB, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	return v
}

// events returns the data of every event.
func events(t testing.TB, body string) []string {
	t.Helper()
	var out []string
	s := sse.NewScanner(sse.Options{}, func(e *sse.Event) { out = append(out, string(e.Data)) })
	if err := s.Feed([]byte(body)); err != nil {
		t.Fatal(err)
	}
	return out
}

// wantError checks status and the two members every shape of error has.
func wantError(t *testing.T, rec *wiretest.Recorder, status int, code, message string) {
	t.Helper()
	var e struct {
		Error struct {
			Code    *string
			Message string
		}
	}
	if err := json.Unmarshal([]byte(rec.Body()), &e); err != nil {
		t.Fatalf("status %d, body %q: %v", rec.Status(), rec.Body(), err)
	}
	got := ""
	if e.Error.Code != nil {
		got = *e.Error.Code
	}
	if rec.Status() != status || got != code || !strings.Contains(e.Error.Message, message) {
		t.Errorf("got %d %q %q, want %d %q with %q", rec.Status(), got, e.Error.Message, status, code, message)
	}
	if rec.Header().Get(Label) != "true" {
		t.Error("the answer is not labelled")
	}
}
