//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/app/cli"
)

func made(kase, target string, metrics ...any) line {
	l := line{Pinned: true, Case: kase, Target: target, Runs: 1, Metrics: map[string]spread{}}
	for i := 0; i < len(metrics); i += 2 {
		l.Metrics[metrics[i].(string)] = spread{Median: metrics[i+1].(float64)}
	}
	return l
}

func verdicts(f figures) map[string]string {
	all := map[string]string{}
	for _, g := range f.goals() {
		all[g.Name] = g.Verdict + " " + figure(g.Standard) + " " + figure(g.Bare)
	}
	return all
}

func TestGoals(t *testing.T) {
	broken := made("C200", "fast-standard", "cpu_us_per_chunk", 27.0)
	broken.Pinned, broken.Cut, broken.Failed = false, 2, []string{"x"}
	got := verdicts(figures{
		lines: []line{
			made("A", "nginx", "rps", 1000.0, "cpu_us_per_request", 20.0),
			made("A", "fast-standard", "rps", 750.0, "cpu_us_per_request", 29.0),
			made("A", "fast-bare", "rps", 900.0, "cpu_us_per_request", 20.0),
			made("A", "std-standard", "rps", 199.0),
			made("C200", "nginx", "cpu_us_per_chunk", 20.0),
			broken, // unpinned: counts for faults alone
			made("D", "nginx", "rps", 100.0), made("D", "nginx-64k", "rps", 200.0), made("D", "fast-standard", "rps", 150.0),
			made("M1000", "fast-standard", "kb_per_stream", 24.0, "rss_before_mb", 31.0),
			made("M5000", "fast-standard", "kb_per_stream", 12.0, "live_streams", 2048.0),
		},
		allocations: map[string]float64{"fast-standard": 10.4, "fast-bare": 9},
	})
	for name, want := range map[string]string{
		"A: requests/s against nginx (aim 0.9)":                                "met 0.75 0.9",
		"A: requests/s against nginx, engine std":                              "missed 0.2 –",
		"A: CPU a request against nginx":                                       "missed 1.45 1",
		"B: added median against nginx's":                                      "not measured – –",
		"C200: CPU an event against nginx":                                     "not measured – –",
		"D: requests/s against nginx with default buffers":                     "met 1.5 –",
		"D: requests/s against nginx with 64 KB buffers":                       "missed 0.75 –",
		"M1000: KB an open stream":                                             "met 24 –",
		"M5000: streams that flow at once":                                     "missed 2048 –",
		"idle RSS in MB, fresh process":                                        "missed 31 –",
		"allocations a request":                                                "missed 10.4 9",
		"streams cut, corrupt or reordered, errors and failed runs, all cases": "missed 3 0",
		"the same with engine std":                                             "met 0 –",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for name, v := range verdicts(figures{}) {
		if v != "not measured – –" {
			t.Errorf("%s without figures: %s", name, v)
		}
	}
	var b strings.Builder
	printGoals(&b, figures{}.goals())
	if !strings.Contains(b.String(), "| M1000: KB an open stream | ≤ 24 | – | – | not measured |\n") {
		t.Error(b.String())
	}
}

// TestFilesOfOtherProgramsAreFilled lays every contestant out as start does.
func TestFilesOfOtherProgramsAreFilled(t *testing.T) {
	b := &bench{o: &options{port: 19100}, root: filepath.Join("..", ".."), work: t.TempDir(), settings: "`gateway.engine`"}
	s := &stand{bench: b, pinned: true, dir: t.TempDir()}
	ports := map[int]string{}
	for _, c := range contestants() {
		for _, p := range []int{c.port, c.manage} {
			if other := ports[p]; p != 0 && other != "" {
				t.Errorf("%s and %s share port %d", c.name, other, p)
			}
			ports[p] = c.name
		}
		if err := os.MkdirAll(filepath.Join(s.dir, c.name), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, absent, err := c.command(s, &c); err != nil {
			t.Errorf("%s: %v %s", c.name, err, absent)
		}
	}
	for _, file := range []string{"nginx.conf", "nginx-standard.conf", "haproxy.cfg", "Caddyfile"} {
		c := contestant{name: "filled-" + file, port: 7}
		if err := os.MkdirAll(filepath.Join(s.dir, c.name), 0o755); err != nil {
			t.Fatal(err)
		}
		name, err := s.fill(&c, file, "@BUFFER@", "4k", "@RANGES@", "")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(text)) {
			if i := strings.IndexByte(l, '@'); i >= 0 && !strings.Contains(l, "@denied") && !strings.HasPrefix(l, "#") {
				t.Errorf("%s: not filled: %s", file, l)
			}
		}
		for _, want := range []string{"127.0.0.1:19107", "127.0.0.1:19100"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not name %s", file, want)
			}
		}
	}
}

func TestTheConfigurationIsClean(t *testing.T) {
	// Variables of the surroundings would be taken for settings, and warned of.
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "SALLYPORT_") {
			t.Setenv(name, value) // restores it afterwards
			_ = os.Unsetenv(name)
		}
	}
	var out, errs bytes.Buffer
	code := cli.Run(context.Background(), []string{"validate", filepath.Join("..", "config", "sallyport.yaml")}, strings.NewReader(""), &out, &errs)
	if code != 0 || !strings.Contains(out.String(), "0 error(s), 0 warning(s)") {
		t.Errorf("%d: %s%s", code, out.String(), errs.String())
	}
	policy, err := os.ReadFile(filepath.Join("..", "config", "apim", "products", "standard", "policy.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(policy, []byte("<address")); n != 138 {
		t.Errorf("the standard configuration has %d ranges", n)
	}
}

func TestTheConfigurationIsCopiedWithTheModelsAddress(t *testing.T) {
	b := &bench{o: &options{port: 19100}, root: filepath.Join("..", ".."), work: t.TempDir()}
	if err := b.configure(); err != nil {
		t.Fatal(err)
	}
	for _, api := range []string{"models", "standard"} {
		text, err := os.ReadFile(filepath.Join(b.work, "config", "apim", "apis", api, "apiInformation.json"))
		if err != nil || !bytes.Contains(text, []byte(`"http://127.0.0.1:19100/openai"`)) {
			t.Errorf("%v: %s", err, text)
		}
	}
}

func TestFlags(t *testing.T) {
	o, err := parseFlags([]string{"-targets", "nginx,fast-bare", "-cases", "A,D", "-pin", "unpinned"})
	if err != nil || !o.wants("nginx") || o.wants("caddy") || len(o.cases) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-pin", "maybe"}, {"-pin", "unpinned", "-targets", "apache"}} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}
