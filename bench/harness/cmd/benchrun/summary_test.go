package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func plainRun(target string, rps, p50, p99, cpu float64) result {
	return result{Case: "A", Target: target, ProxyCPU: cpu, Load: loadReport{
		Seconds: 2, Requests: int64(2 * rps), RPS: rps, Latency: &summary{P50: p50, P99: p99}, Kinds: map[string]int{}}}
}

func TestSummaryOfPlainRuns(t *testing.T) {
	broken := plainRun("gw", 1, 1, 1, 1)
	broken.Failed = "load client: exit status 1"
	faulty := plainRun("gw", 600, 30, 300, 1.2)
	faulty.Load.Errors, faulty.Load.Kinds = 2, map[string]int{"status 502": 2}
	lines := summarise(work{name: "A"}, []target{{Name: "direct"}, {Name: "nginx"}, {Name: "gw"}, {Name: "absent"}}, []result{
		plainRun("direct", 1000, 10, 100, 0), plainRun("nginx", 800, 15, 150, 0.4),
		plainRun("gw", 400, 20, 200, 0.8), broken, faulty, plainRun("gw", 500, 25, 250, 1),
	}, "direct")
	if len(lines) != 3 {
		t.Fatalf("%d lines: a target that did not run has none", len(lines))
	}
	gw := &lines[2]
	for name, want := range map[string]string{
		"rps": "500 (400–600)", "p50_us": "25.0 (20.0–30.0)", "added_p50_us": "15.0 (15.0–15.0)", "added_p99_us": "150 (150–150)",
		"cpu_us_per_request": "1000 (1000–1000)", "cpu_us_per_chunk": "–", "kb_per_stream": "–",
	} {
		if got := gw.get(name).String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if gw.Runs != 4 || len(gw.Failed) != 1 || gw.Errors != 2 {
		t.Errorf("%+v", gw)
	}
	if _, err := json.Marshal(lines); err != nil {
		t.Error(err) // a figure that is no number cannot be written
	}
	var b strings.Builder
	printTable(&b, work{name: "A", what: "x"}, lines, "nginx", "how")
	if want := "| gw | 500 (400–600) | 25.0 (20.0–30.0) | 250 (200–300) | 15.0 | 150 | 1000 (1000–1000) | 50.0 | 0.00 | 2; status 502: 2; **1 of 4 runs failed** | 0.62 | 4.00 |"; !strings.Contains(b.String(), want) {
		t.Errorf("no line %s in\n%s", want, &b)
	}
}

func TestSummaryOfStreams(t *testing.T) {
	r := result{Case: "M", Target: "gw", ProxyCPU: 0.1, RSS0: 20, RSS: 40, RSSPeak: 41, Load: loadReport{
		Seconds: 2, Chunk: &summary{P50: 5, P99: 6}, TTFC: &summary{P50: 7, P99: 8}, Chunks: 1000, ChunkRate: 500, Live: 1024, OK: 9, Cut: 2, Corrupt: 1}}
	l := summarise(work{name: "M"}, []target{{Name: "gw"}}, []result{r}, "direct")[0]
	for name, want := range map[string]float64{"kb_per_stream": 20, "p99_us": 6, "first_chunk_p99_us": 8, "cpu_us_per_chunk": 100, "chunks_per_s": 500, "rss_before_mb": 20} {
		if got := l.get(name).Median; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if l.OK != 9 || l.Cut != 2 || l.Corrupt != 1 {
		t.Errorf("%+v", l)
	}
	for _, k := range []kind{stream, memory} {
		var b strings.Builder
		printTable(&b, work{name: "M", kind: k}, []line{l}, "gw", "how")
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if n := len(lines); strings.Count(lines[n-1], "|") != strings.Count(lines[n-3], "|") {
			t.Errorf("columns do not match:\n%s", &b)
		}
	}
}

func TestReadFleet(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("a.pid", "12 13\n")
	file := write("targets.json", `{"mock":{"control":"http://m","pids":[7]},"targets":[{"name":"a","pidfile":"a.pid","skip":["D"]},{"name":"b","cases":["A"]}]}`)
	f, err := readFleet(file, "")
	if err != nil {
		t.Fatal(err)
	}
	a, b := f.Targets[0], f.Targets[1]
	if f.Mock.PIDs[0] != 7 || len(a.PIDs) != 2 || a.PIDs[1] != 13 {
		t.Errorf("%+v", f)
	}
	if a.takes("D") || !a.takes("A") || !b.takes("A") || b.takes("D") {
		t.Error("cases are not chosen as the file says")
	}
	if f, err := readFleet(file, "b"); err != nil || len(f.Targets) != 1 || f.Targets[0].Name != "b" {
		t.Errorf("%+v, %v", f, err)
	}
	write("a.pid", "x")
	if _, err := readFleet(file, ""); err == nil {
		t.Error("a pidfile without a number must be refused")
	}
}

func TestCaseNamesAreThoseOfTheTable(t *testing.T) {
	table := cases(64, 2000)
	names := strings.Fields(caseNames())
	for _, n := range names {
		if table[n].name != n || len(table[n].args) == 0 {
			t.Errorf("case %s is not in the table", n)
		}
	}
	if len(names) != len(table) {
		t.Error("not every case is named")
	}
}
