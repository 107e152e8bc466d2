//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"sallyport/bench/internal/lab"
)

// stand is one session: the model and the contestants that run.
type stand struct {
	bench   *bench
	pinned  bool
	dir     string
	model   *lab.Process
	running []*entrant
	trim    chan struct{}
	all     []*lab.Process
}

// entrant is a contestant that runs.
type entrant struct {
	contestant
	process *lab.Process
}

// maxLog is how long a log may grow before it is cut: the gateway writes
// hundreds of megabytes in a run.
const maxLog = 256 << 20

// start runs the model and every contestant that is wanted and can run. The
// stand is never nil, so that what has started can be ended after an error.
func (b *bench) start(ctx context.Context, pinned bool) (*stand, error) {
	s := &stand{bench: b, pinned: pinned, trim: make(chan struct{})}
	go s.trimLogs()
	var err error
	if s.dir, err = os.MkdirTemp(b.work, "session-"); err != nil {
		return s, fmt.Errorf("make a folder for the session: %w", err)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return s, fmt.Errorf("open the folder of the session: %w", err)
	}
	if s.model, err = s.run(b.o.loadCPU, "model", []string{b.tool("mockmodel"), "-addr", s.address(0), "-key", "backend-key"}); err != nil {
		return s, err
	}
	if err := s.answers(ctx, s.model, "http://"+s.address(0)+chat, "backend-key"); err != nil {
		return s, err
	}
	for _, c := range contestants() {
		if !b.o.wants(c.name) {
			continue
		}
		if err := s.enter(ctx, c); err != nil {
			return s, err
		}
	}
	return s, nil
}

// enter starts one contestant and waits until it answers.
func (s *stand) enter(ctx context.Context, c contestant) error {
	if err := os.MkdirAll(filepath.Join(s.dir, c.name), 0o755); err != nil {
		return fmt.Errorf("make a folder for %s: %w", c.name, err)
	}
	argv, absent, err := c.command(s, &c)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if absent != "" {
		note("without %s: %s", c.name, absent)
		return nil
	}
	p, err := s.run(s.bench.o.proxyCPU, c.name, argv)
	if err != nil {
		return err
	}
	if err := s.answers(ctx, p, c.url(s), c.key); err != nil {
		return err
	}
	s.running = append(s.running, &entrant{c, p})
	return nil
}

// run starts a process, on the core named when the session is pinned.
func (s *stand) run(cpu, name string, argv []string) (*lab.Process, error) {
	var env []string
	if s.pinned {
		argv = append([]string{"taskset", "-c", cpu}, argv...)
		env = append(env, "GOMAXPROCS=1")
	}
	p, err := lab.Launch(name, filepath.Join(s.dir, name+".log"), env, argv)
	if err == nil {
		s.all = append(s.all, p)
	}
	return p, err
}

// answers waits until a request with the key passes through.
func (s *stand) answers(ctx context.Context, p *lab.Process, url, key string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	last := errors.New("no answer")
	for range 150 {
		if p.Ended() {
			return fmt.Errorf("%s ended at once: %s", p.Name, p.Said())
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"messages":[]}`))
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		req.Header.Set("Api-Key", key)
		req.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(req)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", answer.StatusCode)
		}
		last = err
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not answer at %s: %w: %s", p.Name, url, last, p.Said())
}

func (s *stand) address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.bench.o.port+port))
}

func (s *stand) workers() int {
	if s.pinned {
		return 1
	}
	return runtime.NumCPU()
}

// fill writes a file of bench/conf for c, with what stands between two @.
func (s *stand) fill(c *contestant, file string, pairs ...string) (string, error) {
	pairs = append(pairs, "@WORKERS@", strconv.Itoa(s.workers()), "@LISTEN@", s.address(c.port), "@MODEL@", s.address(0))
	name := filepath.Join(s.dir, c.name, file)
	return name, lab.CopyFile(filepath.Join(s.bench.root, "bench", "conf", file), name, 0o644, strings.NewReplacer(pairs...))
}

// writeTargets writes the file that benchrun reads.
func (s *stand) writeTargets() (string, error) {
	type target struct {
		Name    string            `json:"name"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		PIDs    []int             `json:"pids"`
		Cases   []string          `json:"cases,omitempty"`
	}
	var f struct {
		Mock struct {
			Control string `json:"control"`
			PIDs    []int  `json:"pids"`
		} `json:"mock"`
		Targets []target `json:"targets"`
	}
	f.Mock.Control, f.Mock.PIDs = "http://"+s.address(0), []int{s.model.PID()}
	f.Targets = append(f.Targets, target{Name: "direct", URL: "http://" + s.address(0) + chat, Headers: map[string]string{"api-key": "backend-key"}, PIDs: f.Mock.PIDs})
	for _, e := range s.running {
		f.Targets = append(f.Targets, target{e.name, e.url(s), map[string]string{"api-key": e.key}, []int{e.process.PID()}, e.cases})
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return "", fmt.Errorf("write targets: %w", err)
	}
	name := filepath.Join(s.dir, "targets.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		return "", fmt.Errorf("write targets: %w", err)
	}
	return name, nil
}

// stop ends everything that was started. What does not end as it should is
// told; it does not spoil what was measured.
func (s *stand) stop() {
	close(s.trim)
	for _, p := range s.all {
		if err := p.Stop(10 * time.Second); err != nil {
			note("%v", err)
		}
	}
	if s.bench.ours { // access logs are large
		_ = os.RemoveAll(s.dir)
	}
}

// trimLogs cuts logs that have grown too long. They are opened for appending,
// so that writing goes on at the new end.
func (s *stand) trimLogs() {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.trim:
			return
		case <-tick.C:
		}
		for _, pattern := range []string{"*.log", "*/*.log"} {
			logs, _ := filepath.Glob(filepath.Join(s.dir, pattern)) // the pattern is a good one
			for _, l := range logs {
				if info, err := os.Stat(l); err == nil && info.Size() > maxLog {
					_ = os.Truncate(l, 0)
				}
			}
		}
	}
}
