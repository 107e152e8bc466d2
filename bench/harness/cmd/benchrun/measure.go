package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"sallyport/bench/harness/internal/stats"
)

// summary is a histogram as the load client reports it.
type summary struct {
	P50 float64 `json:"p50_us"`
	P90 float64 `json:"p90_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`
}

// loadReport is what the load client reports.
type loadReport struct {
	Seconds   float64        `json:"seconds"`
	Requests  int64          `json:"requests"`
	RPS       float64        `json:"rps"`
	Errors    int64          `json:"errors"`
	Kinds     map[string]int `json:"error_kinds"`
	Latency   *summary       `json:"latency"`
	Service   *summary       `json:"service"`
	TTFB      *summary       `json:"ttfb"`
	TTFC      *summary       `json:"ttfc"`
	Chunk     *summary       `json:"chunk_delay"`
	Streams   int64          `json:"streams"`
	OK        int64          `json:"streams_ok"`
	Cut       int64          `json:"streams_cut"`
	Corrupt   int64          `json:"streams_corrupt"`
	Chunks    int64          `json:"chunks"`
	ChunkRate float64        `json:"chunks_per_s"`
	PerRead   float64        `json:"chunks_per_read"`
	Live      int64          `json:"live_streams"`
	ClientCPU float64        `json:"client_cpu_s"`
}

// result is one run of one case against one target.
type result struct {
	Round    int        `json:"round"`
	Case     string     `json:"case"`
	Target   string     `json:"target"`
	Load     loadReport `json:"load"`
	ProxyCPU float64    `json:"proxy_cpu_s"`
	MockCPU  float64    `json:"mock_cpu_s"`
	OtherCPU float64    `json:"other_cpu_s"` // busy or stolen time nobody here used
	RSS0     float64    `json:"rss_before_mb"`
	RSS      float64    `json:"rss_median_mb"`
	RSSPeak  float64    `json:"rss_peak_mb"`
	Failed   string     `json:"failed,omitempty"`
}

// measure runs the load client against t; a failure is told in the result.
func (r *runner) measure(t *target, w work) result {
	res := result{Case: w.name, Target: t.Name}
	if err := r.run(t, w, &res); err != nil {
		res.Failed = err.Error()
	}
	return res
}

func (r *runner) command(t *target, w work) *exec.Cmd {
	args := append([]string{r.load, "-url", t.URL, "-d", r.measured(w).String(), "-threads", strconv.Itoa(r.threads)}, w.args...)
	if t.Model != "" {
		args = append(args, "-model", t.Model)
	}
	for k, v := range t.Headers {
		args = append(args, "-H", k+": "+v)
	}
	if r.loadCPU != "" {
		args = append([]string{"taskset", "-c", r.loadCPU}, args...)
	}
	return exec.Command(args[0], args[1:]...)
}

func (r *runner) run(t *target, w work, res *result) error {
	cmd := r.command(t, w)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start the load client: %w", err)
	}
	m := &watch{r: r, pids: t.PIDs, tree: r.proc.Tree(t.PIDs)}
	res.RSS0 = r.proc.RSS(m.tree)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the load client: %w", err)
	}
	stop := m.sample()
	said := m.follow(stderr)
	err = cmd.Wait()
	stop()
	if err != nil {
		return fmt.Errorf("load client: %w: %s", err, said)
	}
	if err := json.Unmarshal(stdout.Bytes(), &res.Load); err != nil {
		return fmt.Errorf("read the report of the load client: %w", err)
	}
	spent := m.end.minus(m.begin)
	res.ProxyCPU, res.MockCPU = spent.proxy, spent.mock
	if len(t.PIDs) > 0 && len(r.fleet.Mock.PIDs) > 0 && t.PIDs[0] == r.fleet.Mock.PIDs[0] {
		res.ProxyCPU = 0 // the direct target has no proxy
	}
	res.OtherCPU = spent.busy - res.ProxyCPU - res.MockCPU - res.Load.ClientCPU
	res.RSS, res.RSSPeak = stats.Median(m.inside), m.peak
	return nil
}

// watch samples a proxy while the load client runs.
type watch struct {
	r          *runner
	pids, tree []int
	begin, end cpuTimes

	mu     sync.Mutex
	inside []float64 // RSS in the measured window
	peak   float64
	on     bool
}

// cpuTimes are seconds of CPU time.
type cpuTimes struct{ proxy, mock, busy float64 }

func (c cpuTimes) minus(b cpuTimes) cpuTimes {
	return cpuTimes{c.proxy - b.proxy, c.mock - b.mock, c.busy - b.busy}
}

func (m *watch) now() cpuTimes {
	p := m.r.proc
	return cpuTimes{p.CPU(m.tree), p.CPU(m.r.fleet.Mock.PIDs), p.Busy()}
}

// sample reads memory until the function it returns is called.
func (m *watch) sample() func() {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			m.mu.Lock()
			v := m.r.proc.RSS(m.tree)
			m.peak = max(m.peak, v)
			if m.on {
				m.inside = append(m.inside, v)
			}
			m.mu.Unlock()
		}
	}()
	return func() { close(quit); <-done }
}

// follow reads START and END of the load client, and returns what else it said.
func (m *watch) follow(stderr io.Reader) (said string) {
	for sc := bufio.NewScanner(stderr); sc.Scan(); {
		m.mu.Lock()
		switch sc.Text() {
		case "START":
			m.tree = m.r.proc.Tree(m.pids)
			m.begin, m.on = m.now(), true
		case "END":
			m.end, m.on = m.now(), false
		default:
			said = sc.Text()
		}
		m.mu.Unlock()
	}
	return said
}
