package main

import (
	"math"

	"sallyport/bench/harness/internal/stats"
)

// line is what came of one case and one target.
type line struct {
	Case    string                  `json:"case"`
	Target  string                  `json:"target"`
	Runs    int                     `json:"runs"`
	Failed  []string                `json:"failed,omitempty"` // runs that gave no result
	Errors  int64                   `json:"errors"`
	Kinds   map[string]int          `json:"error_kinds,omitempty"`
	OK      int64                   `json:"streams_ok"`
	Cut     int64                   `json:"streams_cut"`
	Corrupt int64                   `json:"streams_corrupt"`
	Metrics map[string]stats.Spread `json:"metrics"` // what was not measured is left out
}

// get returns a metric, no number when it was not measured.
func (l *line) get(name string) stats.Spread {
	if s, ok := l.Metrics[name]; ok {
		return s
	}
	return stats.Of(nil)
}

// metric is a figure of one run, no number when the run does not have it.
type metric struct {
	name string
	of   func(r *result) float64
}

func metrics() []metric {
	first := func(r *result) *summary { return r.Load.TTFC }
	return []metric{
		{"rps", func(r *result) float64 { return r.Load.RPS }},
		{"chunks_per_s", func(r *result) float64 { return r.Load.ChunkRate }},
		{"p50_us", func(r *result) float64 { return p50(delay(r)) }},
		{"p99_us", func(r *result) float64 { return p99(delay(r)) }},
		{"first_chunk_p50_us", func(r *result) float64 { return p50(first(r)) }},
		{"first_chunk_p99_us", func(r *result) float64 { return p99(first(r)) }},
		{"cpu_us_per_request", func(r *result) float64 { return each(r, r.Load.Requests) }},
		{"cpu_us_per_chunk", func(r *result) float64 { return each(r, r.Load.Chunks) }},
		{"cpu_percent", func(r *result) float64 { return 100 * r.ProxyCPU / r.Load.Seconds }},
		{"rss_before_mb", func(r *result) float64 { return r.RSS0 }},
		{"rss_mb", func(r *result) float64 { return r.RSS }},
		{"rss_peak_mb", func(r *result) float64 { return r.RSSPeak }},
		{"live_streams", func(r *result) float64 { return float64(r.Load.Live) }},
		{"kb_per_stream", func(r *result) float64 { return (r.RSS - r.RSS0) * 1024 / float64(r.Load.Live) }},
	}
}

// delay is the latency that a case is about: of a chunk, or of a request.
func delay(r *result) *summary {
	if r.Load.Chunk != nil {
		return r.Load.Chunk
	}
	return r.Load.Latency
}

func p50(s *summary) float64 {
	if s == nil {
		return math.NaN()
	}
	return s.P50
}

func p99(s *summary) float64 {
	if s == nil {
		return math.NaN()
	}
	return s.P99
}

// each is the proxy's CPU time for one of n, in microseconds.
func each(r *result, n int64) float64 {
	if r.ProxyCPU == 0 || n == 0 {
		return math.NaN()
	}
	return r.ProxyCPU * 1e6 / float64(n)
}

// summarise makes the lines of a case, in the order of the targets. Added
// latency is the difference to the median of base.
func summarise(w work, targets []target, results []result, base string) []line {
	groups := map[string][]result{}
	for _, r := range results {
		groups[r.Target] = append(groups[r.Target], r)
	}
	var lines []line
	for _, t := range targets {
		if g := groups[t.Name]; len(g) > 0 {
			lines = append(lines, summariseOne(w, t.Name, g))
		}
	}
	for _, l := range lines {
		if l.Target != base {
			continue
		}
		for i := range lines {
			lines[i].add("added_p50_us", lines[i].get("p50_us").Median-l.get("p50_us").Median)
			lines[i].add("added_p99_us", lines[i].get("p99_us").Median-l.get("p99_us").Median)
		}
	}
	return lines
}

func summariseOne(w work, name string, group []result) line {
	l := line{Case: w.name, Target: name, Runs: len(group), Kinds: map[string]int{}, Metrics: map[string]stats.Spread{}}
	var good []result
	for _, r := range group {
		if r.Failed != "" {
			l.Failed = append(l.Failed, r.Failed)
			continue
		}
		good = append(good, r)
		l.OK += r.Load.OK
		l.Cut += r.Load.Cut
		l.Corrupt += r.Load.Corrupt
		l.Errors += r.Load.Errors
		for k, n := range r.Load.Kinds {
			l.Kinds[k] += n
		}
	}
	for _, m := range metrics() {
		var values []float64
		for i := range good {
			if v := m.of(&good[i]); !math.IsInf(v, 0) {
				values = append(values, v)
			}
		}
		if s := stats.Of(values); s.Known() {
			l.Metrics[m.name] = s
		}
	}
	return l
}

// add puts a figure that has no spread.
func (l *line) add(name string, v float64) {
	if !math.IsNaN(v) {
		l.Metrics[name] = stats.Spread{Median: v, Low: v, High: v}
	}
}
