// Command benchrun measures several HTTP proxies side by side in one run. It
// takes a list of targets that already run (an address, headers and process
// ids; see fleet.go), gives each the same work in interleaved rounds, samples
// CPU time and memory of each one's process tree, and prints medians with their
// spread and ratios against a chosen target. It knows no proxy by name, starts
// nothing but the load client and ends nothing.
// Start at runner.all; cases.go lists the work.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"sallyport/bench/harness/internal/proc"
)

// options are the flags.
type options struct {
	targets, load, cases, only, loadCPU, base, against, out, summary string
	rounds, conns, threads                                           int
	dur, pause                                                       time.Duration
	rate                                                             float64
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.targets, "targets", "targets.json", "the targets")
	flag.StringVar(&o.load, "load", "./load", "the load client")
	flag.StringVar(&o.cases, "cases", "A,B,C200,C1000,D", "cases to run: "+caseNames())
	flag.StringVar(&o.only, "only", "", "only these targets (comma separated)")
	flag.IntVar(&o.rounds, "rounds", 3, "interleaved rounds")
	flag.DurationVar(&o.dur, "d", 4*time.Second, "measured time of each run")
	flag.StringVar(&o.loadCPU, "load-cpu", "", "pin the load client to these CPUs (taskset list)")
	flag.Float64Var(&o.rate, "rate", 2000, "requests a second for case B")
	flag.IntVar(&o.conns, "c", 64, "connections for A, B and D")
	flag.StringVar(&o.base, "base", "direct", "target that added latency is counted from")
	flag.StringVar(&o.against, "against", "nginx", "target that ratios are counted from")
	flag.StringVar(&o.out, "out", "", "append every single result to this file (JSON lines)")
	flag.StringVar(&o.summary, "summary", "", "write medians and spreads to this file (JSON)")
	flag.IntVar(&o.threads, "load-threads", 1, "event loops of the load client")
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "rest between runs")
	flag.Parse()
	return o
}

func main() {
	o := parseFlags()
	f, err := readFleet(o.targets, o.only)
	if err != nil {
		log.Fatal(err)
	}
	r := &runner{options: o, fleet: f, proc: "/proc", singles: io.Discard}
	if o.out != "" {
		file, err := os.OpenFile(o.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		r.singles = file
	}
	lines, err := r.all()
	if err != nil {
		log.Fatal(err) //nolint:gocritic // what was written so far is on disk
	}
	if o.summary != "" {
		b, err := json.MarshalIndent(lines, "", " ")
		if err == nil {
			err = os.WriteFile(o.summary, append(b, '\n'), 0o600)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// runner is one run over all cases.
type runner struct {
	options
	fleet   *fleet
	proc    proc.FS
	singles io.Writer
}

// all measures every case and prints its table.
func (r *runner) all() ([]line, error) {
	var all []line
	table := cases(r.conns, r.rate)
	for name := range strings.SplitSeq(r.cases, ",") {
		w, ok := table[name]
		if !ok {
			return nil, fmt.Errorf("there is no case %q; there are %s", name, caseNames())
		}
		results, err := r.oneCase(w)
		if err != nil {
			return nil, err
		}
		lines := summarise(w, r.fleet.Targets, results, r.base)
		printTable(os.Stdout, w, lines, r.against, fmt.Sprintf("Medians of %d interleaved rounds of %v (lowest–highest).", r.rounds, r.measured(w)))
		all = append(all, lines...)
	}
	return all, nil
}

// oneCase gives every target one case in interleaved rounds.
func (r *runner) oneCase(w work) ([]result, error) {
	answer, err := http.Get(r.fleet.Mock.Control + "/_mock/set?" + w.mock)
	if err != nil {
		return nil, fmt.Errorf("set the mock model up: %w", err)
	}
	_ = answer.Body.Close()
	var results []result
	for round := range r.rounds {
		n := len(r.fleet.Targets)
		for i := range n {
			t := &r.fleet.Targets[(i+round)%n] // another order each round
			if !t.takes(w.name) {
				continue
			}
			one := r.measure(t, w)
			one.Round = round
			results = append(results, one)
			j, err := json.Marshal(one)
			if err != nil {
				return nil, fmt.Errorf("write a result: %w", err)
			}
			fmt.Fprintln(r.singles, string(j))
			fmt.Fprintf(os.Stderr, "%-6s round %d %-24s %9.0f/s err %d %v cut %d %s\n", w.name, round, t.Name, one.Load.RPS, one.Load.Errors, one.Load.Kinds, one.Load.Cut, one.Failed)
			time.Sleep(r.pause)
		}
	}
	return results, nil
}

// measured is how long a run of the case is measured.
func (r *runner) measured(w work) time.Duration {
	if w.dur > 0 {
		return w.dur
	}
	return r.dur
}
