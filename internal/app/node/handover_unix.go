//go:build unix

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/wire/listen"
)

// succeed starts this program again with the sockets and waits until it serves.
// The settings are read anew, from the same arguments and environment.
func (n *Node) succeed(ctx context.Context) (pid int, err error) {
	ready, told, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make a ready pipe: %w", err)
	}
	defer func() { _ = ready.Close() }()
	p, err := n.startAgain(told)
	_ = told.Close()
	if err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- exitOf(p) }()
	if err := awaitReady(ctx, ready); err != nil {
		_ = p.Kill()
		if errors.Is(err, io.EOF) { // its own end tells more than that of the pipe
			err = errors.New("it ended before it served")
		}
		return 0, errors.Join(err, <-ended)
	}
	return p.Pid, nil
}

func exitOf(p *os.Process) error {
	state, err := p.Wait()
	if err != nil {
		return fmt.Errorf("wait for the new process: %w", err)
	}
	return fmt.Errorf("the new process: %s", state)
}

// awaitReady reads the line of the new process.
func awaitReady(ctx context.Context, ready *os.File) error {
	if err := ready.SetReadDeadline(time.Now().Add(readyWithin)); err != nil {
		return fmt.Errorf("wait for the new process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line := make([]byte, len(listen.ReadyLine))
	_, err := io.ReadFull(ready, line)
	switch {
	case ctx.Err() != nil:
		return errors.New("this process was told to end meanwhile")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it did not serve within %v", readyWithin)
	}
	return err
}

// startAgain runs the program with the sockets from descriptor 3 on and the
// ready pipe behind them. os/exec would switch the sockets to blocking mode;
// see listen.Listener.Dup.
func (n *Node) startAgain(told *os.File) (*os.Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	files := []uintptr{0, 1, 2}
	var names []string
	for _, l := range n.opened() {
		fd, err := l.net.Dup()
		if err != nil {
			return nil, err
		}
		defer func() { _ = unix.Close(fd) }()
		files = append(files, uintptr(fd))
		names = append(names, l.plane)
	}
	env := append(os.Environ(),
		"LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		listen.HandOverVariable+"="+strconv.Itoa(os.Getpid())+":"+strconv.Itoa(len(files)))
	pid, err := syscall.ForkExec(program, os.Args, &syscall.ProcAttr{Env: env, Files: append(files, told.Fd())})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return os.FindProcess(pid)
}

// monotonicMicros is the clock of RELOADING=1 (systemd: sd_notify(3)).
func monotonicMicros() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return "0"
	}
	return strconv.FormatInt(t.Nano()/int64(time.Microsecond), 10)
}
