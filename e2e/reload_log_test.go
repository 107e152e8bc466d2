package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Lines go to the file of log.file; after logrotate has moved it and sent
// SIGHUP they go to a new one, and none is lost on the way.
func TestLogFileIsRotated(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	file, moved := filepath.Join(logs, "gateway.log"), filepath.Join(logs, "gateway.log.1")
	m := startModel(t, answerPlain)
	p, err := takePorts()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.release)
	dir := t.TempDir()
	settings := writeService(t, dir, m.addr, 1)
	node := start(t, nil, nil, "serve", "-c", settings, "--set", "gateway.listen="+p.addr(gatewayPort), "--set", "management.listen="+p.addr(managementPort),
		"--set", "state.dir="+filepath.Join(dir, "state"), "--set", "log.file="+file, "--set", "configuration.reload=false")
	if err := node.ready(p.url(managementPort)); err != nil {
		t.Fatal(err)
	}
	hc := client(t, "")
	calls := 0
	ask := func() { // the path is unknown on purpose: no backend is needed
		t.Helper()
		calls++
		if r := mustCall(t, hc, "GET", fmt.Sprintf("%s/no/such/api/%d", p.url(gatewayPort), calls), ""); r.status != 404 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	lines := func(name string) (requests int, err error) {
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(b)) {
			var v struct {
				URL, Category                       string
				AcceptTime, MatchTime, PoliciesTime float64
				FirstByteTime, LastByteTime         float64
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				return 0, fmt.Errorf("%s: %q: %w", filepath.Base(name), line, err)
			}
			if v.Category == "GatewayLogs" && strings.Contains(v.URL, "/no/such/api/") {
				requests++
				if v.AcceptTime < 0 || v.MatchTime < 0 || v.PoliciesTime < 0 || v.FirstByteTime < v.AcceptTime || v.LastByteTime < v.FirstByteTime {
					return 0, fmt.Errorf("times that cannot be: %s", line)
				}
			}
		}
		return requests, nil
	}
	for range 10 {
		ask()
	}
	eventually(t, "ten lines", func() error { // they are written a moment later
		n, err := lines(file)
		if err == nil && n != 10 {
			err = fmt.Errorf("%d lines", n)
		}
		return err
	})
	if err := os.Rename(file, moved); err != nil {
		t.Fatal(err)
	}
	ask()
	node.signal(syscall.SIGHUP)
	eventually(t, "the new log file", func() error {
		ask()
		n, err := lines(file)
		if err == nil && n == 0 {
			err = errors.New("no request in it yet")
		}
		return err
	})
	node.signal(syscall.SIGTERM)
	if code := node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	before, err1 := lines(moved)
	after, err2 := lines(file)
	if err := errors.Join(err1, err2); err != nil || before < 10 || before+after != calls {
		t.Errorf("%d lines in the old file and %d in the new one of %d requests: %v", before, after, calls, err)
	}
	if text := node.log.String(); strings.Contains(text, "GatewayLogs") {
		t.Errorf("lines went to standard error as well: %s", tail(text, 500))
	}
}

// A log file that cannot be opened ends the start: nobody would read the lines.
func TestLogFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	node := start(t, nil, nil, "serve", "-c", filepath.Join(exampleDir, "sallyport.yaml"), "--set", "log.file="+filepath.Join(t.TempDir(), "no", "folder.log"))
	if code := node.wait(); code != 2 || !strings.Contains(node.log.String(), "open log file") {
		t.Errorf("exit code %d, %s", code, node.log.String())
	}
}
