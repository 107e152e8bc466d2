//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"sallyport/bench/internal/lab"
)

// sample is what the gateway says about itself.
type sample struct{ rss, heap, goroutines, descriptors, inFlight, requests, reloads float64 }

func (s sample) String() string {
	return fmt.Sprintf("RSS %.1f MB, heap %.1f MB, %.0f goroutines, %.0f descriptors, %.0f in flight", s.rss, s.heap, s.goroutines, s.descriptors, s.inFlight)
}

func (s *soak) metrics(ctx context.Context) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.manage+"/metrics", http.NoBody)
	if err != nil {
		return sample{}, fmt.Errorf("read metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return sample{}, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return sample{}, fmt.Errorf("read metrics: status %d, %w", answer.StatusCode, err)
	}
	const mb = 1 << 20
	m := lab.Metrics(string(text))
	return sample{
		rss: m["process_resident_memory_bytes"] / mb, heap: m["go_memstats_heap_inuse_bytes"] / mb, goroutines: m["go_goroutines"],
		descriptors: m["process_open_fds"], inFlight: m["sallyport_requests_in_flight"], requests: m["sallyport_requests_total"],
		reloads: m["sallyport_config_reload_total"],
	}, nil
}

// watch collects samples and looks for growth.
type watch struct {
	warmUp time.Duration
	before sample
	at     []time.Duration // since the load began
	all    []sample
}

func (w *watch) add(at time.Duration, s sample) {
	w.at, w.all = append(w.at, at), append(w.all, s)
	if len(w.all)%12 == 1 {
		fmt.Printf("%7s  %s, %.0f requests, %.0f reloads\n", at.Round(time.Second), s, s.requests, s.reloads)
	}
}

// measure is one figure with how fast it may grow. What the whole run shows of
// growth must also be more than noise, so that short runs do not fail by chance.
type measure struct {
	name    string
	unit    string
	perHour float64
	noise   float64
	of      func(sample) float64
}

func measures() []measure {
	return []measure{
		{"RSS", "MB", 8, 12, func(s sample) float64 { return s.rss }},
		{"heap in use", "MB", 8, 12, func(s sample) float64 { return s.heap }},
		{"goroutines", "", 60, 60, func(s sample) float64 { return s.goroutines }},
		{"descriptors", "", 60, 60, func(s sample) float64 { return s.descriptors }},
	}
}

// judge prints the slopes after the warm-up and returns those that are too steep.
func (w *watch) judge(out io.Writer) (trouble []string) {
	var hours []float64
	first := 0
	for i, at := range w.at {
		if at < w.warmUp {
			first = i + 1
			continue
		}
		hours = append(hours, at.Hours())
	}
	rest := w.all[first:]
	if len(rest) < 3 {
		return []string{"too few samples to tell anything; run longer or sample more often"}
	}
	fmt.Fprintf(out, "\nGrowth from %s to %s, %d samples:\n\n| | before the load | first | last | per hour | limit | |\n|---|---|---|---|---|---|---|\n",
		w.at[first].Round(time.Second), w.at[len(w.at)-1].Round(time.Second), len(rest))
	span := hours[len(hours)-1] - hours[0]
	for _, m := range measures() {
		values := make([]float64, len(rest))
		for i, s := range rest {
			values[i] = m.of(s)
		}
		slope := leastSquares(hours, values)
		verdict := "flat"
		if slope > m.perHour && slope*span > m.noise {
			verdict = "**grows**"
			trouble = append(trouble, fmt.Sprintf("%s grows by %.1f %s an hour, at most %.0f is allowed", m.name, slope, m.unit, m.perHour))
		} else if slope > m.perHour {
			verdict = "within noise"
		}
		fmt.Fprintf(out, "| %s | %.1f %s | %.1f | %.1f | %+.1f | %.0f | %s |\n", m.name, m.of(w.before), m.unit, values[0], values[len(values)-1], slope, m.perHour, verdict)
	}
	return trouble
}

// leastSquares is the slope of the line nearest to the points.
func leastSquares(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(y))
	}
	var xy, xx float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	if xx == 0 {
		return 0
	}
	return xy / xx
}
