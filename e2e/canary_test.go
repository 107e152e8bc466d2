package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// canaries are secrets, one in every slot that takes any. Each may appear where
// it is needed and nowhere else.
var canaries = map[string]string{
	"primary key of a user":       "canary-user-primary-4f7a91",
	"secondary key of a user":     "canary-user-secondary-b0c2d8",
	"key of the models' product":  "canary-model-primary-93e1aa",
	"suspended key":               "canary-paused-primary-5d5d01",
	"secret named value":          "canary-named-value-77ab31",
	"serving token":               "canary-serving-token-c1d2e3",
	"management token":            "canary-management-token-e8f0",
	"serving secret":              "canary-serving-secret-1a2b3c",
	"backend header credential":   "canary-backend-header-d00d1e",
	"backend query credential":    "canary-backend-query-ab12cd",
	"backend authorization":       "canary-backend-authorization-9f",
	"token of an override file":   "canary-override-token-661177",
	"identity client secret":      "canary-client-secret-0c0c0c",
	"managed identity token":      "canary.identity.token-4e4e",
	"wrong key sent by a client":  "canary-wrong-key-8a8a8a",
	"wrong token sent to serving": "canary-wrong-token-3b3b3b",
	"password in a policy":        "canary-basic-password-2f2f2f",
}

// secretHunt collects everything that the product says, by the place it came from.
type secretHunt struct {
	t    *testing.T
	mu   sync.Mutex
	text map[string]string
}

func (h *secretHunt) add(place, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text[place] += text
}

// check looks for every canary as it is and in the disguises that text takes
// on its way.
func (h *secretHunt) check() {
	for place, text := range h.text {
		for slot, secret := range canaries {
			for how, form := range map[string]string{
				"": secret, "URL-encoded": url.QueryEscape(secret), "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "cut": secret[:len(secret)-3],
			} {
				if i := strings.Index(text, form); i >= 0 {
					h.t.Errorf("%s shows the %s %s: …%s…", place, slot, how, text[max(0, i-120):min(len(text), i+len(form)+60)])
					break
				}
			}
		}
	}
}

// canaryModel answers with failures when asked, and checks that the secrets
// meant for it arrive: a canary that was lost on the way proves nothing.
func canaryModel(t *testing.T) (*model, *http.ServeMux) {
	mux := http.NewServeMux()
	mux.HandleFunc("/metadata/identity/oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":"3600","expires_on":"4102444800"}`, canaries["managed identity token"])
	})
	return serveModel(t, mux), mux
}

func canaryConfig(t *testing.T, dir string) {
	demo := filepath.Join(dir, "configuration.demo.yaml")
	for old, slot := range map[string]string{
		userKey: "primary key of a user", "demo-only-user-key-second-77e2": "secondary key of a user", modelKey: "key of the models' product", pausedKey: "suspended key",
	} {
		edit(t, demo, old, canaries[slot])
	}
	edit(t, demo, "subscriptions:", "  - name: canary\n    properties:\n      value: \"{#CANARY#}\"\n  - name: canary-password\n    properties:\n      value: "+canaries["password in a policy"]+
		"\n  - name: canary-named\n    properties:\n      value: "+canaries["secret named value"]+"\nsubscriptions:")
	edit(t, demo, "namedValues:", "namedValues:")
	moveBackends(t, demo)
	for _, name := range []string{"canary", "canary-password", "canary-named"} {
		nv := filepath.Join(dir, "apim", "named values", name)
		if err := os.MkdirAll(nv, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(nv, "namedValueInformation.json"), `{ "properties": { "displayName": "`+name+`", "secret": true, "tags": [] } }`)
	}
	serving := filepath.Join(dir, "apim", "apis", "databricks-serving", "policy.xml")
	edit(t, serving, "</inbound>", `    <set-header name="X-Canary" exists-action="override"><value>{{canary}}</value></set-header>
        <set-header name="X-Named" exists-action="override"><value>{{canary-named}}</value></set-header>
        <set-query-parameter name="plain" exists-action="override"><value>{{canary-named}}</value></set-query-parameter>
        <trace source="canary" severity="information"><message>named {{canary-named}}</message><metadata name="m" value="{{canary}}" /></trace>
    </inbound>`)
	foundry := filepath.Join(dir, "apim", "apis", "foundry-openai", "policy.xml")
	edit(t, foundry, "<authentication-managed-identity", `<authentication-basic username="u" password="{{canary-password}}" />
        <authentication-managed-identity`)
	write(t, filepath.Join(dir, "apim", "backends", "foundry-ai-endpoint", "backendInformation.json"), `{ "properties": { "url": "https://x.example.com/openai", "protocol": "http",
  "credentials": { "header": { "X-Plain-Name": ["`+canaries["backend header credential"]+`"] }, "query": { "plainname": ["`+canaries["backend query credential"]+`"] } } } }`)
	write(t, filepath.Join(dir, "apim", "backends", "databricks-serving-endpoint", "backendInformation.json"), `{ "properties": { "url": "https://y.example.com/serving-endpoints", "protocol": "http",
  "credentials": { "header": { "X-Other-Name": ["`+canaries["backend authorization"]+`"] } } } }`)
}
