package e2e_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of this package. It is generous on purpose: tests
// share two busy cores, and a bound only ends what will never come.
const patience = 60 * time.Second

// process is the binary, running.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, log buffer
	done     chan struct{} // closed when it has ended
}

// buffer collects output; it may be read while the process runs.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs `sallyport args…`. wrap, when given, is a command line that runs
// the rest of the line, such as ip netns exec.
func start(t *testing.T, wrap, env []string, args ...string) *process {
	t.Helper()
	line := append(append(append([]string{}, wrap...), "sallyport"), args...)
	p := &process{t: t, cmd: exec.Command(line[0], line[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = &p.out, &p.log, cleanEnv(env...)
	p.cmd.SysProcAttr = dieWithParent()
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state tells; an exit code other than 0 is no error here
		close(p.done)
	}()
	t.Cleanup(p.cleanup)
	return p
}

func (p *process) cleanup() {
	if !p.ended() {
		p.signal(syscall.SIGTERM)
		if !p.endsWithin(20 * time.Second) {
			p.t.Errorf("%v did not end after SIGTERM", p.cmd.Args)
			p.signal(syscall.SIGKILL)
			<-p.done
		}
	}
	log := p.log.String()
	for _, bad := range []string{"DATA RACE", "request panicked", "handler panicked", "goroutine 1 ["} {
		if strings.Contains(log, bad) {
			p.t.Errorf("%v wrote %q to its log:\n%s", p.cmd.Args, bad, tail(log, 8000))
			return
		}
	}
	if p.t.Failed() {
		p.t.Logf("output of %s:\n%s%s", strings.Join(p.cmd.Args, " "), tail(p.out.String(), 2000), tail(log, 4000))
	}
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) endsWithin(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

// wait returns the exit code, -1 for a process that a signal ended.
func (p *process) wait() int {
	p.t.Helper()
	if !p.endsWithin(patience) {
		p.t.Fatalf("%v has not ended", p.cmd.Args)
	}
	return p.cmd.ProcessState.ExitCode()
}

// eventually repeats f until it returns nil; after patience the test fails with
// f's last word.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := poll(patience, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func poll(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := f()
		var final *finalError
		if err == nil || errors.As(err, &final) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// finalError ends a poll at once: waiting on would not help.
type finalError struct{ error }
