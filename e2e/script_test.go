package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command line the way users do; every file in testdata
// is one story. Commands of our own are in scriptCommands.
func TestScripts(t *testing.T) {
	example, err := filepath.Abs(exampleDir)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("SALLYPORT_E2E_UPDATE") == "1",
		Setup: func(e *testscript.Env) error {
			p, err := takePorts()
			if err != nil {
				return err
			}
			e.Defer(p.release)
			e.Setenv("PATH", os.Getenv("PATH"))
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			for i, name := range []string{"GATEWAY", "MANAGEMENT", "SERVING", "SANDBOX"} {
				e.Setenv(name, p.addr(i))
			}
			e.Setenv("BASE", strconv.Itoa(p.base))
			e.Setenv("TOKEN", token)
			e.Setenv("USER_KEY", userKey)
			e.Setenv("MODEL_KEY", modelKey)
			return os.CopyFS(filepath.Join(e.WorkDir, "example"), os.DirFS(example))
		},
		Cmds: scriptCommands(),
	})
}

func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"code":  scriptCode,
		"ready": scriptReady,
		"ask":   scriptAsk,
		"until": scriptUntil,
	}
}

// scriptCode runs a command and wants its exit code: code 2 sallyport serve.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// scriptReady polls a URL until it answers 200, or the status given.
func scriptReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: ready URL [STATUS]")
	}
	want := 200
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		want = n
	}
	hc := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ts.Check(poll(patience, func() error {
		r, err := call(hc, "GET", args[0], "")
		if err == nil && r.status != want {
			err = fmt.Errorf("%s answers %d, want %d", args[0], r.status, want)
		}
		return err
	}))
}

// scriptAsk sends a question with a subscription key: ask STATUS URL KEY; the
// answer is in the file answer.
func scriptAsk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: ask STATUS URL KEY")
	}
	hc := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := call(hc, "POST", args[1], askPlain, keyHeader, args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), []byte(r.body), 0o600))
	if strconv.Itoa(r.status) != args[0] {
		ts.Fatalf("%s answers %d %s, want %s", args[1], r.status, r.body, args[0])
	}
}

// scriptUntil polls a file until it holds a text: until FILE 'text'. It is for
// what processes in the background print.
func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE text")
	}
	ts.Check(poll(patience, func() error {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.Contains(string(b), args[1]) {
			err = fmt.Errorf("%s does not hold %q: %s", args[0], args[1], b)
		}
		return err
	}))
}
