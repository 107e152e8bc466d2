//go:build linux

package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMetrics(t *testing.T) {
	got := Metrics(`# HELP go_memstats_mallocs_total x
# TYPE go_memstats_mallocs_total counter
go_memstats_mallocs_total 1.5e+06
sallyport_requests_total{api="a b",code="200",reason=""} 40
sallyport_requests_total{api="c",code="401",reason="x } 7"} 2
bad
`)
	if len(got) != 2 || got["go_memstats_mallocs_total"] != 1.5e6 || got["sallyport_requests_total"] != 42 {
		t.Errorf("%v", got)
	}
}

func TestAProcessEndsWhenAsked(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Launch("shell", log, []string{"WORD=hello"}, []string{"sh", "-c", `trap 'echo bye; exit 3' TERM; echo $WORD; while :; do sleep 0.05; done`})
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(p.Said(), "hello") {
		time.Sleep(5 * time.Millisecond)
	}
	if p.Ended() {
		t.Fatal("it has ended by itself")
	}
	if err := p.Stop(time.Minute); err != nil || p.Code() != 3 || p.Said() != "hello\nbye" {
		t.Errorf("%v, code %d: %s", err, p.Code(), p.Said())
	}
	if p.Stop(time.Minute) == nil {
		t.Error("a process that ended before its time must be told")
	}
}

func TestAProcessThatDoesNotEndIsKilled(t *testing.T) {
	p, err := Launch("shell", filepath.Join(t.TempDir(), "log"), nil, []string{"sh", "-c", `trap '' TERM; echo deaf; while :; do sleep 0.05; done`})
	if err != nil {
		t.Fatal(err)
	}
	for p.Said() != "deaf" {
		time.Sleep(5 * time.Millisecond)
	}
	if err := p.Stop(10 * time.Millisecond); err == nil || !p.Ended() {
		t.Errorf("%v", err)
	}
}

func TestCopyTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	for _, dir := range []string{filepath.Join(from, "a b"), to} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{filepath.Join(from, "a b", "x"): "at HERE", filepath.Join(to, "old"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := CopyTree(from, to, strings.NewReplacer("HERE", "there")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "a b", "x"))
	if err != nil || string(text) != "at there" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(to, "old")); err == nil {
		t.Error("what was there before is still there")
	}
}
