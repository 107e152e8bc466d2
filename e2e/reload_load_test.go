package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// largeService is the large service, running: the gateway alone, and a backend
// that is part of the test.
type largeService struct {
	t                   *testing.T
	dir                 string
	gateway, management string
	node                *process
}

const streamEvents = 60 // of one stream, 20 ms apart

// largeBackend answers with the target it was asked for, or with a stream of
// numbered events.
func largeBackend(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Query().Get("stream") == "" {
		fmt.Fprintf(w, `{"path":%q,"pad":%q}`, r.URL.Path, strings.Repeat("x", 900))
		return
	}
	push := stream(w)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range streamEvents {
		if push(fmt.Sprintf("data: %d\n\n", i)) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
	_ = push(doneEvent)
}

func startLargeService(t *testing.T, set ...string) *largeService {
	t.Helper()
	s := &largeService{t: t, dir: filepath.Join(t.TempDir(), "large")}
	file := writeService(t, s.dir, serveModel(t, http.HandlerFunc(largeBackend)).addr, serviceAPIs)
	for try := 0; ; try++ {
		p, err := takePorts()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.release)
		s.gateway, s.management = p.url(gatewayPort), p.url(managementPort)
		args := []string{"serve", "-c", file}
		for _, v := range append([]string{"gateway.listen=" + p.addr(gatewayPort), "management.listen=" + p.addr(managementPort), "state.dir=" + filepath.Join(s.dir, "state")}, set...) {
			args = append(args, "--set", v)
		}
		s.node = start(t, nil, nil, args...)
		if err = s.node.ready(s.management); err == nil {
			return s
		}
		if try == 3 || !strings.Contains(err.Error(), "another process uses the port") {
			t.Fatal(err)
		}
	}
}

// url of an operation of an API.
func (s *largeService) url(api, op int) string {
	return fmt.Sprintf("%s/%s/area%d/items/42", s.gateway, apiName(api), op)
}

// largeLoad is load at a steady rate: plain calls by several clients and streams
// side by side. Latencies are kept by phase.
type largeLoad struct {
	s      *largeService
	hc     *http.Client
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	phase  atomic.Int32
	calls  atomic.Int64
	whole  atomic.Int64 // streams that arrived in full
	mu     sync.Mutex
	took   [3][]time.Duration
	failed error
	faults int
}

const (
	largeClients = 16
	largePause   = 10 * time.Millisecond
	largeStreams = 20
)

func startLargeLoad(s *largeService) *largeLoad {
	ctx, stop := context.WithCancel(context.Background())
	l := &largeLoad{s: s, hc: client(s.t, ""), ctx: ctx, stop: stop}
	for range largeClients {
		l.wg.Go(l.plain)
	}
	for range largeStreams {
		l.wg.Go(l.streams)
	}
	return l
}

func (l *largeLoad) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults++; l.faults <= 5 {
		l.failed = errors.Join(l.failed, err)
	}
}

// plain calls one operation after the other, with a pause: the rate must not
// depend on how fast the answers come.
func (l *largeLoad) plain() {
	tick := time.NewTicker(largePause)
	defer tick.Stop()
	for l.ctx.Err() == nil {
		api, op := rand.IntN(serviceAPIs), rand.IntN(serviceOperations)
		began, phase := time.Now(), l.phase.Load()
		r, err := call(l.hc, "POST", l.s.url(api, op), `{"name":"gate"}`, keyHeader, serviceKey)
		if err == nil && (r.status != 200 || !strings.HasPrefix(r.body, fmt.Sprintf(`{"path":"/b/area%d/items/42"`, op))) {
			err = fmt.Errorf("%s: %d %s", apiName(api), r.status, tail(r.body, 200))
		}
		if err != nil {
			l.fail(err)
		} else {
			l.calls.Add(1)
			took := time.Since(began)
			l.mu.Lock()
			l.took[phase] = append(l.took[phase], took)
			l.mu.Unlock()
		}
		<-tick.C
	}
}

// streams opens one stream after the other and follows each to its end.
func (l *largeLoad) streams() {
	for l.ctx.Err() == nil {
		if err := l.stream(rand.IntN(serviceAPIs)); err != nil {
			l.fail(err)
			continue
		}
		l.whole.Add(1)
	}
}

func (l *largeLoad) stream(api int) error {
	res, err := send(context.Background(), l.hc, "POST", l.s.url(api, 0)+"?stream=1", `{}`, keyHeader, serviceKey)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 200 {
		return fmt.Errorf("stream of %s: %d", apiName(api), res.StatusCode)
	}
	// The answer's head was made by the configuration the stream began with, and
	// so must everything behind it be: the whole stream, in order.
	in, next := bufio.NewReader(res.Body), 0
	for {
		line, err := in.ReadString('\n')
		switch {
		case err == io.EOF && line == "" && next == streamEvents+1:
			return nil
		case err != nil:
			return fmt.Errorf("stream of %s broke off after %d events: %w", apiName(api), next, err)
		case line == "\n":
			continue
		}
		want := "data: " + strconv.Itoa(next) + "\n"
		if next == streamEvents {
			want = "data: [DONE]\n"
		}
		if line != want {
			return fmt.Errorf("stream of %s: %q, want %q", apiName(api), line, want)
		}
		next++
	}
}

func (l *largeLoad) end() {
	l.stop()
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults > 0 {
		l.s.t.Errorf("%d requests failed while the configuration changed, the first: %v", l.faults, l.failed)
	}
	if l.calls.Load() < 500 || l.whole.Load() < largeStreams {
		l.s.t.Errorf("%d calls and %d streams are no load to speak of", l.calls.Load(), l.whole.Load())
	}
}

// percentiles of a phase, for people.
func (l *largeLoad) percentiles(phase int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := slices.Clone(l.took[phase])
	if len(d) == 0 {
		return "no calls"
	}
	slices.Sort(d)
	at := func(q float64) time.Duration { return d[min(int(q*float64(len(d))), len(d)-1)].Round(time.Microsecond) }
	return fmt.Sprintf("%d calls, p50 %v, p99 %v, p99.9 %v, longest %v", len(d), at(.5), at(.99), at(.999), d[len(d)-1].Round(time.Microsecond))
}

// With 500 APIs of 20 operations, files change several times a second under
// load: a policy, a specification, and what every API depends on. No request is
// lost, no stream is touched. What it costs is printed, and asserted nowhere.
func TestReloadOfLargeServiceUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: 500 APIs under load")
	}
	const quiet, changing, every = 3 * time.Second, 10 * time.Second, 300 * time.Millisecond
	s := startLargeService(t, "configuration.debounce=50ms", "log.access=false")
	l := startLargeLoad(s)
	time.Sleep(time.Second) // connections are made, caches are warm
	l.phase.Store(1)
	time.Sleep(quiet)
	l.phase.Store(2)
	changes := 0
	for until := time.Now().Add(changing); time.Now().Before(until); time.Sleep(every) {
		changes++
		s.change(changes)
	}
	last := "last"
	write(t, filepath.Join(s.dir, "apim", "named values", "generation", "namedValueInformation.json"), namedGeneration(last))
	hc := client(t, "")
	eventually(t, "the last change", func() error {
		r, err := call(hc, "POST", s.url(1, 1), "{}", keyHeader, serviceKey)
		if err == nil && (r.status != 200 || r.header.Get(marker) != last) {
			err = fmt.Errorf("%d, %s %q", r.status, marker, r.header.Get(marker))
		}
		return err
	})
	l.end()
	c := &chain{t: t, management: s.management}
	h, text, err := c.config()
	if err != nil || h.Result != "accepted" || h.Generation < 5 {
		t.Errorf("after %d changes: %s %v", changes, text, err)
	}
	t.Logf("%d changes, %d generations, %d streams whole", changes, h.Generation, l.whole.Load())
	t.Logf("quiet:    %s", l.percentiles(1))
	t.Logf("changing: %s", l.percentiles(2))
	took := s.node.log.String()
	if i := strings.LastIndex(took, `"took":`); i >= 0 {
		t.Logf("the last load: %s", strings.TrimSpace(took[i:min(i+30, len(took))]))
	}
}

// change edits one thing or another, in the ways that editors and deployment
// tools do.
func (s *largeService) change(n int) {
	apis := filepath.Join(s.dir, "apim", "apis")
	switch n % 3 {
	case 0:
		i := rand.IntN(serviceAPIs)
		replace(s.t, n, filepath.Join(apis, apiName(i), "policy.xml"), apiPolicy(strconv.Itoa(n)))
	case 1:
		i := rand.IntN(serviceAPIs)
		replace(s.t, n, filepath.Join(apis, apiName(i), "specification.yaml"), strings.ReplaceAll(specification(i), "An error", "An error, change "+strconv.Itoa(n)))
	default:
		replace(s.t, n, filepath.Join(s.dir, "apim", "named values", "generation", "namedValueInformation.json"), namedGeneration("value"+strconv.Itoa(n)))
	}
}
