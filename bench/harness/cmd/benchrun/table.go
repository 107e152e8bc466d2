package main

import (
	"fmt"
	"io"
	"strings"

	"sallyport/bench/harness/internal/stats"
)

// column of a table; ref is the target that ratios are counted from.
type column struct {
	title string
	cell  func(l, ref *line) string
}

// spread, median and ratio are the usual cells.
func spread(name string) func(l, ref *line) string {
	return func(l, _ *line) string { return l.get(name).String() }
}

func median(name string) func(l, ref *line) string {
	return func(l, _ *line) string { return stats.Number(l.get(name).Median) }
}

func ratio(name string) func(l, ref *line) string {
	return func(l, ref *line) string { return stats.Number(l.get(name).Median / ref.get(name).Median) }
}

// troubles are errors by kind, and runs without a result.
func troubles(l, _ *line) string {
	s := fmt.Sprint(l.Errors)
	for kind, n := range l.Kinds {
		s += fmt.Sprintf("; %s: %d", kind, n)
	}
	if n := len(l.Failed); n > 0 {
		s += fmt.Sprintf("; **%d of %d runs failed**", n, l.Runs)
	}
	return s
}

func columns(k kind, against string) []column {
	name := column{"target", func(l, _ *line) string { return l.Target }}
	load := []column{{"CPU %", median("cpu_percent")}, {"peak RSS MB", median("rss_peak_mb")}}
	switch k {
	case memory:
		return []column{
			name, {"RSS before MB", median("rss_before_mb")}, {"RSS with streams MB", median("rss_mb")}, {"peak MB", median("rss_peak_mb")},
			{"KB a stream", spread("kb_per_stream")}, {"CPU %", median("cpu_percent")}, {"live streams", median("live_streams")},
			{"cut / corrupt", func(l, _ *line) string { return fmt.Sprintf("%d / %d", l.Cut, l.Corrupt) }},
			{"errors", troubles}, {"KB a stream : " + against, ratio("kb_per_stream")},
		}
	case stream:
		all := append([]column{
			name, {"chunks/s", median("chunks_per_s")}, {"chunk p50 µs", spread("p50_us")}, {"chunk p99 µs", spread("p99_us")},
			{"added p50", median("added_p50_us")}, {"added p99", median("added_p99_us")},
			{"first chunk p50", median("first_chunk_p50_us")}, {"first chunk p99", median("first_chunk_p99_us")},
			{"CPU µs/chunk", spread("cpu_us_per_chunk")},
		}, load...)
		return append(all,
			column{"ok / cut / corrupt", func(l, _ *line) string { return fmt.Sprintf("%d / %d / %d", l.OK, l.Cut, l.Corrupt) }},
			column{"errors", troubles}, column{"chunks/s : " + against, ratio("chunks_per_s")}, column{"CPU/chunk : " + against, ratio("cpu_us_per_chunk")})
	}
	all := append([]column{
		name, {"requests/s", spread("rps")}, {"p50 µs", spread("p50_us")}, {"p99 µs", spread("p99_us")},
		{"added p50", median("added_p50_us")}, {"added p99", median("added_p99_us")}, {"CPU µs/request", spread("cpu_us_per_request")},
	}, load...)
	return append(all, column{"errors", troubles},
		column{"requests/s : " + against, ratio("rps")}, column{"CPU/request : " + against, ratio("cpu_us_per_request")})
}

// printTable writes the lines of a case as Markdown.
func printTable(out io.Writer, w work, lines []line, against, how string) {
	ref := &line{}
	for i := range lines {
		if lines[i].Target == against {
			ref = &lines[i]
		}
	}
	cols := columns(w.kind, against)
	fmt.Fprintf(out, "\n#### %s — %s\n\n%s\n\n", w.name, w.what, how)
	for _, c := range cols {
		fmt.Fprintf(out, "| %s ", c.title)
	}
	fmt.Fprintln(out, "|\n"+strings.Repeat("|---", len(cols))+"|")
	for i := range lines {
		for _, c := range cols {
			fmt.Fprintf(out, "| %s ", c.cell(&lines[i], ref))
		}
		fmt.Fprintln(out, "|")
	}
}
