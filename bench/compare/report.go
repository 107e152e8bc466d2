//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// report collects what was found. As a writer it takes Markdown, for the file
// and for the terminal.
type report struct {
	Date        string             `json:"date"`
	Machine     string             `json:"machine"`
	Versions    map[string]string  `json:"versions"`
	Rounds      int                `json:"rounds"`
	Duration    string             `json:"duration"`
	Allocations map[string]float64 `json:"allocationsPerRequest"`
	Lines       []line             `json:"lines"`
	Goals       []goal             `json:"goals"`

	dir     string
	singles string // every single result, as JSON lines
	file    *os.File
	part    string // the heading written last
}

func newReport(ctx context.Context, b *bench) (*report, error) {
	o := b.o
	r := &report{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(), Versions: versions(ctx, b),
		Rounds: o.rounds, Duration: o.dur.String(), Allocations: map[string]float64{}, Lines: []line{}, dir: o.out,
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for results: %w", err)
	}
	r.singles = filepath.Join(r.dir, "runs.jsonl")
	if err := os.WriteFile(r.singles, nil, 0o600); err != nil {
		return nil, fmt.Errorf("start the results: %w", err)
	}
	var err error
	if r.file, err = os.Create(filepath.Join(r.dir, "compare.md")); err != nil {
		return nil, fmt.Errorf("start the report: %w", err)
	}
	fmt.Fprintf(r, "Machine: %s; load average at the start %s.  \n", r.Machine, loadAverage())
	for _, name := range []string{"go", "sallyport", "nginx", "haproxy", "caddy"} {
		if v := r.Versions[name]; v != "" {
			fmt.Fprintf(r, "%s: %s.  \n", name, v)
		}
	}
	fmt.Fprintf(r, "Run of %s.\n", r.Date)
	return r, nil
}

// Write implements io.Writer.
func (r *report) Write(p []byte) (int, error) {
	_, _ = os.Stdout.Write(p) // the file is what counts
	return r.file.Write(p)
}

// heading begins a part, once.
func (r *report) heading(s *stand) {
	title := "Unpinned: everything free on all cores"
	if s.pinned {
		title = fmt.Sprintf("Pinned: proxies on core %s, client and model on core %s", s.bench.o.proxyCPU, s.bench.o.loadCPU)
	}
	if title != r.part {
		r.part = title
		fmt.Fprintf(r, "\n### %s\n", title)
	}
}

// finish writes what follows from all figures.
func (r *report) finish() error {
	r.Goals = figures{r.Lines, r.Allocations}.goals()
	printGoals(r, r.Goals)
	r.printTroubles(r)
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "compare.json"), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	note("written to %s", r.dir)
	return nil
}

// printTroubles lists the targets with errors, cut streams or failed runs, by
// case and kind.
func (r *report) printTroubles(out io.Writer) {
	heading := "\nErrors and broken streams:\n\n"
	for _, l := range r.Lines {
		if l.Errors+l.Cut+l.Corrupt == 0 && len(l.Failed) == 0 {
			continue
		}
		fmt.Fprintf(out, "%s- %s, case %s, pinned %v: %d errors %v, %d cut, %d corrupt, %d of %d runs failed%s\n",
			heading, l.Target, l.Case, l.Pinned, l.Errors, l.Kinds, l.Cut, l.Corrupt, len(l.Failed), l.Runs, first(l.Failed))
		heading = ""
	}
	if heading != "" {
		fmt.Fprint(out, "\nNo target had an error, or a stream cut or corrupt.\n")
	}
}

func first(failed []string) string {
	if len(failed) == 0 {
		return ""
	}
	return " (" + failed[0] + ")"
}

func (r *report) close() error { return r.file.Close() }

func machine() string {
	cpu := "unknown CPU"
	data, _ := os.ReadFile("/proc/cpuinfo") // the name is only for the reader
	for l := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(l, "model name"); ok {
			cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			break
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d × %s, Linux %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(release)))
}

func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(data))
	return strings.Join(f[:min(3, len(f))], " ")
}

// versions asks each program; one that is not there has none.
func versions(ctx context.Context, b *bench) map[string]string {
	all := map[string]string{}
	for name, argv := range map[string][]string{
		"go": {"go", "version"}, "sallyport": {b.tool("sallyport"), "version"}, "nginx": {"nginx", "-v"}, "haproxy": {"haproxy", "-v"}, "caddy": {b.caddy, "version"},
	} {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput() // nginx answers on standard error
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		all[name] = strings.TrimPrefix(strings.TrimSpace(line), "nginx version: ")
	}
	if b.o.caddy == "build" { // built this way it does not know its version
		all["caddy"] = caddyModule
	}
	return all
}
