// Package e2e_test proves the product from outside: it builds the binary once,
// runs it on free loopback ports and talks to it as users, operators and SDKs
// do. It knows nothing of the rooms below internal, only files, flags, sockets.
// Start at chain_test.go for the harness and testdata for the scripts.
package e2e_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary and puts it first on PATH, so that every test and
// script calls it the way users do.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"build", "-o", filepath.Join(dir, "sallyport")}
	if raceBuild() {
		args = append(args, "-race")
		if os.Getenv("GORACE") == "" {
			// By default every process waits a second for late reports at its end.
			_ = os.Setenv("GORACE", "atexit_sleep_ms=10")
		}
	}
	build := exec.Command("go", append(args, "./cmd/sallyport")...)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build the binary: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// TestSources looks at every source of the binary. go test keeps results while
// the files that tests looked at stay the same, and does not see what the
// build of the binary reads.
func TestSources(t *testing.T) {
	seen := 0
	for _, root := range []string{"../cmd", "../internal", "../examples", "../go.mod", "../go.sum"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			seen++
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("only %d files seen", seen)
	}
}

// raceBuild reports whether the binary under test is built with the race
// detector; its reports then fail the test that ran it.
func raceBuild() bool { return os.Getenv("SALLYPORT_E2E_RACE") == "1" }

// needed ends a test for want of something on this machine: skipped with the
// reason, or failed where everything is required to be there.
func needed(t *testing.T, format string, args ...any) {
	t.Helper()
	reason := fmt.Sprintf(format, args...)
	if os.Getenv("SALLYPORT_REQUIRE_SERVICES") == "1" {
		t.Fatal("needed here (SALLYPORT_REQUIRE_SERVICES=1): " + reason)
	}
	t.Skip(reason)
}

// cleanEnv is the environment without settings of the product, so that a test
// does not depend on who runs it.
func cleanEnv(extra ...string) []string {
	env := make([]string, 0, len(os.Environ())+len(extra)+1)
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); {
		case strings.HasPrefix(name, "SALLYPORT_"), strings.HasPrefix(name, "BUNDLE_VAR_"), strings.HasPrefix(name, "DEMO_"),
			strings.HasPrefix(name, "OPENAI_"), strings.HasPrefix(name, "AZURE_"), strings.HasSuffix(strings.ToLower(name), "_proxy"):
		default:
			env = append(env, e)
		}
	}
	return append(append(env, "NO_COLOR=1"), extra...)
}
