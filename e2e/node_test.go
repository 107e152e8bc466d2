package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The npm client: OpenAI against the serving endpoint, AzureOpenAI against the
// model's API. What it checks is in node/client.mjs.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		needed(t, "node is not installed")
	}
	if _, err := os.Stat("node/node_modules/openai"); err != nil {
		needed(t, "the npm packages are not installed (run npm ci in e2e/node)")
	}
	c := startChain(t, chainOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "client.mjs")
	cmd.Dir = "node"
	cmd.Env = cleanEnv("E2E_GATEWAY="+c.gateway, "E2E_USER_KEY="+userKey, "E2E_MODEL_KEY="+modelKey, "E2E_SERVING_ADDRESS="+servingAddress)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), ": ok\n"); n != 5 {
		t.Errorf("%d of 5 checks:\n%s", n, out)
	}
}

// The lock file must work with every registry.
func TestLockFileNamesNoHost(t *testing.T) {
	b, err := os.ReadFile("node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"resolved"`) || strings.Contains(string(b), "://") || !strings.Contains(string(b), `"integrity"`) {
		t.Error("node/package-lock.json names a host or lacks integrity; run npm install with the .npmrc of the folder")
	}
}
