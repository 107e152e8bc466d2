//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is something that was started here and must end here.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	log   string
	done  chan struct{}
	state *os.ProcessState
}

// Launch starts argv with its output appended to a log file. It gets a process
// group of its own, so that it can be ended with its children.
func Launch(name, log string, env, argv []string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer func() { _ = f.Close() }() // the child has its own
	p := &Process{Name: name, cmd: exec.Command(argv[0], argv[1:]...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in its state and its log
		p.state = p.cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Said is the end of its log.
func (p *Process) Said() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

// Stop asks the process to end, and makes its group end when it has not after
// the time given. A process that ended before or was killed is an error.
func (p *Process) Stop(patience time.Duration) error {
	if p.Ended() {
		return fmt.Errorf("%s ended before its time (%s): %s", p.Name, p.state, p.Said())
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.Name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // it may have ended in this moment
	<-p.done
	return fmt.Errorf("%s did not end within %s and was killed", p.Name, patience)
}

// Code is the exit code of a process that has ended.
func (p *Process) Code() int { return p.state.ExitCode() }
