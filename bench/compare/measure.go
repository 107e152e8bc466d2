//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sallyport/bench/internal/lab"
)

// token opens the management listener of bench/config.
const token = "sallyport-bench-token"

// measure has the harness run cases against all who run; its tables go into
// the report.
func (b *bench) measure(ctx context.Context, r *report, s *stand, cases []string, rounds int) error {
	targets, err := s.writeTargets()
	if err != nil {
		return err
	}
	summary := filepath.Join(s.dir, "summary.json")
	args := []string{"-targets", targets, "-load", b.tool("load"), "-cases", strings.Join(cases, ","), "-rounds", strconv.Itoa(rounds),
		"-d", b.o.dur.String(), "-rate", fmt.Sprint(b.o.rate), "-against", s.against(), "-summary", summary, "-out", r.singles}
	if s.pinned {
		args = append(args, "-load-cpu", b.o.loadCPU)
	}
	r.heading(s)
	cmd := exec.CommandContext(ctx, b.tool("benchrun"), args...)
	cmd.Stdout, cmd.Stderr = r, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure %s: %w", strings.Join(cases, ","), err)
	}
	data, err := os.ReadFile(summary)
	if err != nil {
		return fmt.Errorf("read the figures: %w", err)
	}
	var lines []line
	if err := json.Unmarshal(data, &lines); err != nil {
		return fmt.Errorf("read the figures: %w", err)
	}
	for _, l := range lines {
		l.Pinned = s.pinned
		r.Lines = append(r.Lines, l)
	}
	return nil
}

// against is what ratios are counted from: nginx when it runs.
func (s *stand) against() string {
	for _, e := range s.running {
		if e.name == "nginx" {
			return e.name
		}
	}
	if len(s.running) == 0 {
		return "direct"
	}
	return s.running[0].name
}

// inspect looks into the gateways before the measured rounds: allocations of a
// request, and CPU profiles when they are asked for.
func (b *bench) inspect(ctx context.Context, r *report, s *stand) error {
	for _, e := range s.running {
		if e.manage == 0 {
			continue
		}
		if err := b.load(ctx, s, e, time.Second); err != nil { // fills pools and opens connections
			return err
		}
		mallocs, requests, err := counters(ctx, e.managed(s, "/metrics"))
		if err != nil {
			return err
		}
		if err := b.load(ctx, s, e, 2*time.Second); err != nil {
			return err
		}
		mallocsAfter, requestsAfter, err := counters(ctx, e.managed(s, "/metrics"))
		if err != nil {
			return err
		}
		if n := requestsAfter - requests; n > 0 {
			r.Allocations[e.name] = (mallocsAfter - mallocs) / n
		}
		if b.o.profile == "" {
			continue
		}
		if err := b.takeProfile(ctx, s, e); err != nil {
			return err
		}
	}
	return nil
}

// load runs case A against e for d, results unread.
func (b *bench) load(ctx context.Context, s *stand, e *entrant, d time.Duration) error {
	args := []string{b.tool("load"), "-url", e.url(s), "-H", "api-key: " + e.key, "-mode", "closed", "-c", "64", "-warmup", "0s", "-d", d.String()}
	if s.pinned {
		args = append([]string{"taskset", "-c", b.o.loadCPU}, args...)
	}
	_, err := lab.Output(ctx, args[0], args[1:]...)
	return err
}

// takeProfile profiles e while case A runs.
func (b *bench) takeProfile(ctx context.Context, s *stand, e *entrant) error {
	if !b.knows("management.pprof") {
		return errors.New("-profile: this binary gives no profiles")
	}
	if err := os.MkdirAll(b.o.profile, 0o755); err != nil {
		return fmt.Errorf("make the folder of the profiles: %w", err)
	}
	note("profiling %s", e.name)
	loaded := make(chan error, 1)
	go func() { loaded <- b.load(ctx, s, e, b.o.dur+time.Second) }()
	data, err := fetch(ctx, e.managed(s, fmt.Sprintf("/debug/pprof/profile?seconds=%g", b.o.dur.Seconds())))
	if err = errors.Join(err, <-loaded); err != nil {
		return fmt.Errorf("profile %s: %w", e.name, err)
	}
	if err := os.WriteFile(filepath.Join(b.o.profile, e.name+".pprof"), data, 0o600); err != nil {
		return fmt.Errorf("profile %s: %w", e.name, err)
	}
	return nil
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", answer.StatusCode, data)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	return data, nil
}

// counters reads allocations and requests so far from the metrics endpoint.
func counters(ctx context.Context, url string) (mallocs, requests float64, err error) {
	data, err := fetch(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	m := lab.Metrics(string(data))
	return m["go_memstats_mallocs_total"], m["sallyport_requests_total"], nil
}
