package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// relay is the product in a row of processes, each of which takes over from
// the one before. They share a log file: pipes would end with the first.
type relay struct {
	*chain
	t     *testing.T
	first *process
	log   string
	more  []string // environment
}

// startRelay starts a chain whose node logs into a file.
func startRelay(t *testing.T, o chainOptions, env ...string) *relay {
	t.Helper()
	c := startChain(t, o)
	c.node.signal(syscall.SIGTERM) // it has only found the ports
	if code := c.node.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	r := &relay{chain: c, t: t, log: filepath.Join(t.TempDir(), "log"), more: env}
	t.Cleanup(r.end)
	toFile := []string{"sh", "-c", `log=$1; shift; exec "$@" >>"$log" 2>&1`, "sh", r.log}
	r.first = start(t, toFile, env, append([]string{"serve"}, c.args...)...)
	if err := r.first.ready(c.management); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *relay) text() string {
	b, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

var handedOver = regexp.MustCompile(`"msg":"handed over","pid":(\d+)`)

// pids are the processes that have taken over so far.
func (r *relay) pids() []int {
	var all []int
	for _, m := range handedOver.FindAllStringSubmatch(r.text(), -1) {
		pid, _ := strconv.Atoi(m[1])
		all = append(all, pid)
	}
	return all
}

// handOver signals the process that serves and returns its successor.
func (r *relay) handOver(from int) (to int) {
	r.t.Helper()
	before := len(r.pids())
	if err := syscall.Kill(from, syscall.SIGUSR2); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "the hand-over", func() error {
		if pids := r.pids(); len(pids) > before {
			to = pids[before]
			return nil
		}
		return errors.New(tail(r.text(), 2000))
	})
	return to
}

// ours reports whether a process is one of this relay: numbers are used again.
func (r *relay) ours(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(b), r.dir)
}

func (r *relay) end() {
	for _, pid := range r.pids() {
		if !r.ours(pid) {
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGTERM)
		if poll(20*time.Second, func() error {
			if r.ours(pid) {
				return errors.New("it runs")
			}
			return nil
		}) != nil {
			r.t.Errorf("process %d did not end after SIGTERM", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	text := r.text()
	for _, bad := range []string{"DATA RACE", "request panicked", "handler panicked", "goroutine 1 ["} {
		if strings.Contains(text, bad) {
			r.t.Errorf("the log holds %q", bad)
		}
	}
	if r.t.Failed() {
		r.t.Logf("log: %s", tail(text, 6000))
	}
}

// relayLoad calls all the time, on connections that are kept and on new ones, and
// counts every call that does not succeed.
type relayLoad struct {
	stop   chan struct{}
	ended  chan error
	passed atomic.Int64
}

func (r *relay) load() *relayLoad {
	s := &relayLoad{stop: make(chan struct{}), ended: make(chan error, 2*loaders)}
	kept := client(r.t, "")
	single := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range 2 * loaders {
		hc, body := kept, askPlain
		if i%2 == 1 {
			hc = single
		}
		if i%4 >= 2 {
			body = askStream
		}
		go func() {
			var all error
			for failed := 0; failed < 3; {
				select {
				case <-s.stop:
					s.ended <- all
					return
				default:
				}
				a, err := r.ask(hc, body)
				if err == nil && (a.status != 200 || body == askStream && !strings.HasSuffix(a.body, doneEvent)) {
					err = fmt.Errorf("%d %s", a.status, tail(a.body, 300))
				}
				if err != nil {
					failed++
					all = errors.Join(all, fmt.Errorf("kept connections %v: %w", hc == kept, err))
					continue
				}
				s.passed.Add(1)
			}
			s.ended <- all
		}()
	}
	return s
}

func (s *relayLoad) end(t *testing.T) {
	t.Helper()
	close(s.stop)
	for range 2 * loaders {
		if err := <-s.ended; err != nil {
			t.Errorf("requests failed: %v", err)
		}
	}
	t.Logf("%d requests passed", s.passed.Load())
}

// more waits until n more calls have passed.
func (s *relayLoad) more(t *testing.T, n int64) {
	t.Helper()
	want := s.passed.Load() + n
	eventually(t, "the load", func() error {
		if s.passed.Load() < want {
			return fmt.Errorf("%d calls passed, want %d", s.passed.Load(), want)
		}
		return nil
	})
}

// Three processes in a row under load that never stops: no call fails, a stream
// of the first one ends as it should, and the first one ends after it.
func TestHandOverLosesNothing(t *testing.T) { eachEngine(t, handOverTwice) }

func handOverTwice(t *testing.T, engine string) {
	goOn := make(chan struct{})
	r := startRelay(t, chainOptions{model: startModel(t, answerBoth(goOn)), set: []string{"log.access=false", engine}})
	held := holdMany(t, 3, r.gateway+modelPath, servingAddress, "api-key", modelKey, "X-Kind", "hold")
	s := r.load()
	s.more(t, 50)
	second := r.handOver(r.first.cmd.Process.Pid)
	s.more(t, 200)
	third := r.handOver(second)
	s.more(t, 200)
	eventually(t, "the end of the second process", func() error {
		if r.ours(second) {
			return errors.New("it runs")
		}
		return nil
	})
	if r.first.ended() {
		t.Error("the first process ended before its streams")
	}
	close(goOn)
	if err := held(); err != nil {
		t.Error(err)
	}
	if code := r.first.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.more(t, 50)
	s.end(t)
	if !r.ours(third) {
		t.Error("the third process does not run")
	}
}

// A successor that cannot start, or is killed on the way, changes nothing.
func TestHandOverThatFails(t *testing.T) {
	t.Parallel()
	r := startRelay(t, chainOptions{model: startModel(t, answerBoth(nil)), set: []string{"log.access=false", "configuration.reload=false"}})
	pid := r.first.cmd.Process.Pid
	settings := filepath.Join(r.dir, "sallyport.yaml")
	good, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	failure := func(n int, says string) {
		t.Helper()
		eventually(t, "the failure", func() error {
			text := r.text()
			if strings.Count(text, "the hand-over came to nothing, this process goes on") != n || !strings.Contains(text, says) {
				return errors.New(tail(text, 1000))
			}
			return nil
		})
	}
	s := r.load()
	s.more(t, 20)

	write(t, settings, "gateway: {listen: nonsense}\n")
	_ = syscall.Kill(pid, syscall.SIGUSR2)
	failure(1, "exit status 2")
	s.more(t, 20)

	// A pipe without a writer holds the successor while it reads its settings.
	if err := os.Remove(settings); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(settings, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGUSR2)
	var child int
	eventually(t, "a child", func() error {
		var err error
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for task := range threads(pid) {
			more, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, task))
			b = append(b, more...)
		}
		if f := strings.Fields(string(b)); len(f) > 0 {
			child, err = strconv.Atoi(f[0])
			return err
		}
		return errors.New("there is none")
	})
	s.more(t, 20)
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	failure(2, "signal: killed")
	s.more(t, 20)

	if err := os.Remove(settings); err != nil {
		t.Fatal(err)
	}
	write(t, settings, string(good))
	r.handOver(pid)
	s.more(t, 20)
	s.end(t)
	if code := r.first.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// threads yields the tasks of a process.
func threads(pid int) func(func(int) bool) {
	return func(yield func(int) bool) {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, e := range entries {
			if n, err := strconv.Atoi(e.Name()); err == nil && !yield(n) {
				return
			}
		}
	}
}

// manager is a service manager as far as it listens.
func manager(t *testing.T) (socket string, said func(want string)) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp-e2e") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "n")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return socket, func(want string) {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil || !regexp.MustCompile("^(?:"+want+")$").Match(b[:n]) {
			t.Errorf("the service manager is told %q %v, want %q", b[:n], err, want)
		}
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	socket, said := manager(t)
	r := startRelay(t, chainOptions{model: startModel(t, answerPlain)}, "NOTIFY_SOCKET="+socket)
	said("READY=1")
	second := r.handOver(r.first.cmd.Process.Pid)
	said(`RELOADING=1\nMONOTONIC_USEC=\d+`)
	said("READY=1") // the new one
	said(`MAINPID=` + strconv.Itoa(second) + `\nREADY=1`)
	if code := r.first.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said("STOPPING=1")
}

// A socket that was open before the process is used: a call that waits in it
// since then is answered.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain)})
	c.node.signal(syscall.SIGTERM)
	c.node.wait()
	ln, err := net.Listen("tcp", strings.TrimPrefix(c.gateway, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // f is the same socket
	defer f.Close()
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, err := unused.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = unused.Close()
	defer g.Close()
	answered := make(chan error, 1)
	go func() {
		r, err := c.ask(client(t, ""), askPlain)
		if err == nil && r.status != 200 {
			err = fmt.Errorf("%d %s", r.status, r.body)
		}
		answered <- err
	}()
	var log buffer
	cmd := exec.Command("sh", append([]string{"-c", `export LISTEN_PID=$$; exec sallyport serve "$@"`, "sh"}, c.args...)...)
	cmd.ExtraFiles, cmd.Stderr, cmd.SysProcAttr = []*os.File{f, g}, &log, dieWithParent()
	cmd.Env = cleanEnv("LISTEN_FDS=2", "LISTEN_FDNAMES=whatever:nobody")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, tail(log.String(), 3000))
		}
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the call that waited in the socket has no answer")
	}
	eventually(t, "the word about the other socket", func() error {
		if text := log.String(); !strings.Contains(text, "an inherited socket belongs to no listener") || !strings.Contains(text, `"socket":"nobody `) {
			return errors.New(tail(text, 1000))
		}
		return nil
	})
}

// Two processes on one port: the second one binds it beside the first.
func TestReusePort(t *testing.T) {
	t.Parallel()
	m := startModel(t, answerPlain)
	c := startChain(t, chainOptions{model: m, set: []string{"gateway.reusePort=true", "log.access=false"}})
	first := c.node
	if err := c.serve(); err != nil {
		t.Fatal(err)
	}
	first.signal(syscall.SIGTERM)
	if code := first.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for range 20 {
		if r, err := c.ask(client(t, ""), askPlain); err != nil || r.status != 200 {
			t.Fatalf("%v %v", r, err)
		}
	}
}
