//go:build linux

// Command compare measures the gateway, with both engines and in two
// configurations, beside nginx, HAProxy, Caddy and small reference proxies. It
// knows how each of them is started, and leaves measuring to the harness in
// bench/harness; it prints Markdown tables with the goals checked, and writes
// the figures as JSON beside them.
// Start at run; contestants.go lists who takes part.
//
//	go run ./bench/compare
//	go run ./bench/compare -rounds 2 -d 2s -cases A -pin pinned -targets nginx,fast-standard
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"sallyport/bench/internal/lab"
)

// options are the flags.
type options struct {
	rounds             int
	dur                time.Duration
	cases, unpinned    []string
	targets            []string // empty = all
	rate               float64
	pin                string
	loadCPU, proxyCPU  string
	port               int
	out, work, profile string
	sallyport, caddy   string
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "interleaved rounds; the cases of memory run once, on fresh processes")
	f.DurationVar(&o.dur, "d", 4*time.Second, "measured time of each run")
	cases := f.String("cases", "M1000,M5000,A,B,C200,C1000,S1000,D", "cases of the pinned part")
	unpinned := f.String("unpinned-cases", "A,C200", "cases of the unpinned part")
	targets := f.String("targets", "", "only these (comma separated); empty = all of "+strings.Join(names(contestants()), ","))
	f.Float64Var(&o.rate, "rate", 2000, "requests a second of case B")
	f.StringVar(&o.pin, "pin", "both", "both, pinned (each proxy on a core of its own, client and model on another) or unpinned")
	f.StringVar(&o.loadCPU, "load-cpu", "0", "core of client and model in the pinned part")
	f.StringVar(&o.proxyCPU, "proxy-cpu", "1", "core of the proxies in the pinned part")
	f.IntVar(&o.port, "port-base", 9100, "the 60 ports from here on must be free")
	f.StringVar(&o.out, "out", filepath.Join("dist", "bench"), "folder for compare.md, compare.json and runs.jsonl")
	f.StringVar(&o.work, "work", "", "folder for binaries and logs, kept; empty = a temporary one")
	f.StringVar(&o.profile, "profile", "", "folder for CPU profiles of the gateway in case A")
	f.StringVar(&o.sallyport, "sallyport", "", "measure this binary instead of the one built from the tree")
	f.StringVar(&o.caddy, "caddy", "caddy", "Caddy's binary, or \"build\" to build "+caddyModule)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.cases, o.unpinned, o.targets = list(*cases), list(*unpinned), list(*targets)
	return o, o.check()
}

func list(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(s string) bool { return s == "" })
}

func (o *options) check() error {
	if !slices.Contains([]string{"both", "pinned", "unpinned"}, o.pin) {
		return fmt.Errorf("-pin %s: both, pinned or unpinned expected", o.pin)
	}
	if o.pin != "unpinned" && runtime.NumCPU() < 2 {
		return errors.New("the pinned part needs two cores; -pin unpinned runs without")
	}
	known := names(contestants())
	for _, t := range o.targets {
		if !slices.Contains(known, t) {
			return fmt.Errorf("-targets: there is no %q; there are %s", t, strings.Join(known, ", "))
		}
	}
	return nil
}

func (o *options) wants(name string) bool {
	return len(o.targets) == 0 || slices.Contains(o.targets, name)
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// run is the whole comparison.
func run(ctx context.Context, o *options) (err error) {
	lab.RaiseLimit()
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r, err := newReport(ctx, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if o.pin != "unpinned" {
		if err := b.part(ctx, r, true, o.cases); err != nil {
			return err
		}
	}
	if o.pin != "pinned" {
		if err := b.part(ctx, r, false, o.unpinned); err != nil {
			return err
		}
	}
	return r.finish()
}

// part runs cases with or without pinning. Memory goes first, each of its cases
// on fresh processes: a process keeps what it has grown to.
func (b *bench) part(ctx context.Context, r *report, pinned bool, cases []string) error {
	var timed []string
	for _, c := range cases {
		if !strings.HasPrefix(c, "M") {
			timed = append(timed, c)
			continue
		}
		if err := b.session(ctx, r, pinned, []string{c}, 1, nil); err != nil {
			return err
		}
	}
	if len(timed) == 0 {
		return nil
	}
	return b.session(ctx, r, pinned, timed, b.o.rounds, func(s *stand) error {
		if !pinned {
			return nil
		}
		return b.inspect(ctx, r, s)
	})
}

// session starts everybody, runs cases, and ends everybody.
func (b *bench) session(ctx context.Context, r *report, pinned bool, cases []string, rounds int, before func(*stand) error) error {
	s, err := b.start(ctx, pinned)
	defer s.stop()
	if err != nil {
		return err
	}
	if before != nil {
		if err := before(s); err != nil {
			return err
		}
	}
	return b.measure(ctx, r, s, cases, rounds)
}
