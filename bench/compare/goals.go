//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// line is what the harness found for one case and target.
type line struct {
	Pinned  bool              `json:"pinned"`
	Case    string            `json:"case"`
	Target  string            `json:"target"`
	Runs    int               `json:"runs"`
	Failed  []string          `json:"failed,omitempty"`
	Errors  int64             `json:"errors"`
	Kinds   map[string]int    `json:"error_kinds,omitempty"`
	OK      int64             `json:"streams_ok"`
	Cut     int64             `json:"streams_cut"`
	Corrupt int64             `json:"streams_corrupt"`
	Metrics map[string]spread `json:"metrics"`
}

type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// figures finds what was measured.
type figures struct {
	lines       []line
	allocations map[string]float64
}

// get is the median of a metric in the pinned part, no number when it was not
// measured.
func (f figures) get(kase, target, metric string) float64 {
	for _, l := range f.lines {
		if l.Pinned && l.Case == kase && l.Target == target {
			if s, ok := l.Metrics[metric]; ok {
				return s.Median
			}
		}
	}
	return math.NaN()
}

func (f figures) ratio(kase, target, against, metric string) float64 {
	return f.get(kase, target, metric) / f.get(kase, against, metric)
}

// goal is one thing to reach. The standard configuration decides; the bare one
// is shown beside it.
type goal struct {
	Name     string   `json:"name"`
	Limit    float64  `json:"limit"`
	AtLeast  bool     `json:"atLeast"` // else at most
	Standard *float64 `json:"standard"`
	Bare     *float64 `json:"bare"`
	Verdict  string   `json:"verdict"`
}

// goals checks what the design asks of the engine fast.
func (f figures) goals() []goal {
	against := func(kase, metric string) func(string) float64 {
		return func(target string) float64 { return f.ratio(kase, target, "nginx", metric) }
	}
	own := func(kase, metric string) func(string) float64 {
		return func(target string) float64 { return f.get(kase, target, metric) }
	}
	const least, most = true, false
	return []goal{
		f.goal("fast", "A: requests/s against nginx (aim 0.9)", 0.75, least, against("A", "rps")),
		f.goal("std", "A: requests/s against nginx, engine std", 0.2, least, against("A", "rps")),
		f.goal("fast", "A: CPU a request against nginx", 1.4, most, against("A", "cpu_us_per_request")),
		f.goal("fast", "B: added median against nginx's", 1.5, most, against("B", "added_p50_us")),
		f.goal("fast", "B: added p99 against nginx's", 1.5, most, against("B", "added_p99_us")),
		f.goal("fast", "C200: CPU an event against nginx", 1.35, most, against("C200", "cpu_us_per_chunk")),
		f.goal("fast", "S1000: CPU an event against nginx", 1.35, most, against("S1000", "cpu_us_per_chunk")),
		f.goal("fast", "C1000: events delivered in time against nginx", 0.97, least, against("C1000", "chunks_per_s")),
		f.goal("fast", "M1000: KB an open stream", 24, most, own("M1000", "kb_per_stream")),
		f.goal("fast", "M5000: KB an open stream", 24, most, own("M5000", "kb_per_stream")),
		f.goal("fast", "M5000: streams that flow at once", 5000, least, own("M5000", "live_streams")),
		f.goal("fast", "idle RSS in MB, fresh process", 30, most, own("M1000", "rss_before_mb")),
		f.goal("fast", "D: requests/s against nginx with default buffers", 1, least, against("D", "rps")),
		f.goal("fast", "D: requests/s against nginx with 64 KB buffers", 1, least,
			func(target string) float64 { return f.ratio("D", target, "nginx-64k", "rps") }),
		f.goal("fast", "allocations a request", 10, most, f.allocated),
		f.goal("fast", "streams cut, corrupt or reordered, errors and failed runs, all cases", 0, most, f.faults),
		f.goal("std", "the same with engine std", 0, most, f.faults),
	}
}

func (f figures) goal(engine, name string, limit float64, atLeast bool, of func(target string) float64) goal {
	g := goal{Name: name, Limit: limit, AtLeast: atLeast, Verdict: "not measured"}
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	g.Standard, g.Bare = known(of(engine+"-standard")), known(of(engine+"-bare"))
	switch v := g.Standard; {
	case v == nil:
	case atLeast && *v >= limit, !atLeast && *v <= limit:
		g.Verdict = "met"
	default:
		g.Verdict = "missed"
	}
	return g
}

func (f figures) allocated(target string) float64 {
	if v, ok := f.allocations[target]; ok {
		return v
	}
	return math.NaN()
}

// faults counts everything that went wrong with target, pinned and unpinned.
func (f figures) faults(target string) float64 {
	n, measured := 0.0, false
	for _, l := range f.lines {
		if l.Target == target {
			measured = true
			n += float64(l.Errors+l.Cut+l.Corrupt) + float64(len(l.Failed))
		}
	}
	if !measured {
		return math.NaN()
	}
	return n
}

// printGoals writes the goals as Markdown.
func printGoals(out io.Writer, goals []goal) {
	fmt.Fprint(out, "\n### Goals\n\nThe standard configuration decides; medians.\n\n| Goal | Limit | Standard | Bare | |\n|---|---|---|---|---|\n")
	for _, g := range goals {
		sign := "≤"
		if g.AtLeast {
			sign = "≥"
		}
		verdict := g.Verdict
		if verdict == "missed" {
			verdict = "**missed**"
		}
		fmt.Fprintf(out, "| %s | %s %s | %s | %s | %s |\n", g.Name, sign, figure(&g.Limit), figure(g.Standard), figure(g.Bare), verdict)
	}
}

func figure(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case math.Abs(*v) >= 100:
		return strconv.FormatFloat(*v, 'f', 0, 64)
	}
	s := strconv.FormatFloat(*v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
