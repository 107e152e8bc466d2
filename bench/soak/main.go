//go:build linux

// Command soak keeps a gateway under mixed load for a long time and tells
// whether memory, goroutines or descriptors grow, and whether any stream was
// cut or garbled that should not have been. It knows the gateway only from
// outside: its listeners, its metrics, its process.
// Start at run; actors.go lists the load.
//
//	go run ./bench/soak -minutes 30
//	go run ./bench/soak -minutes 1 -engine std
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/bench/internal/lab"
)

// options are the flags.
type options struct {
	minutes         float64
	engine          string
	sallyport, work string
	every           time.Duration
}

func main() {
	o := &options{}
	flag.Float64Var(&o.minutes, "minutes", 30, "how long the load runs")
	flag.StringVar(&o.engine, "engine", "", "engine of the gateway: fast or std; empty = the default")
	flag.StringVar(&o.sallyport, "sallyport", "", "test this binary instead of the one built from the tree")
	flag.StringVar(&o.work, "work", "", "folder for binary, configuration and log, kept; empty = a temporary one")
	flag.DurationVar(&o.every, "every", 5*time.Second, "time between two samples")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soak is one run.
type soak struct {
	o       *options
	dir     string // of configuration and log
	backend *backend
	gateway *lab.Process
	address string // of the gateway
	manage  string
	tally   *tally
	sockets bool // the gateway takes WebSocket APIs
}

func run(ctx context.Context, o *options) (err error) {
	lab.RaiseLimit()
	s := &soak{o: o, tally: newTally()}
	if s.dir = o.work; s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "sallyport-soak-"); err != nil {
			return fmt.Errorf("make a work folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(s.dir) }()
	}
	if s.backend, err = startBackend(); err != nil {
		return err
	}
	defer s.backend.stop()
	if err := s.start(ctx); err != nil {
		return err
	}
	w, err := s.load(ctx)
	if err != nil {
		return errors.Join(err, s.gateway.Stop(10*time.Second))
	}
	trouble := append(w.judge(os.Stdout), s.tally.judge(os.Stdout)...)
	trouble = append(trouble, s.end(ctx)...)
	if len(trouble) > 0 {
		return errors.New(strings.Join(trouble, "\n      "))
	}
	fmt.Println("soak: passed")
	return nil
}

// start builds the gateway and runs it in front of the backend.
func (s *soak) start(ctx context.Context) error {
	root, err := lab.Root(ctx)
	if err != nil {
		return err
	}
	program := filepath.Join(s.dir, "sallyport")
	if s.o.sallyport != "" {
		err = lab.CopyFile(s.o.sallyport, program, 0o755, nil)
	} else {
		err = lab.BuildGateway(ctx, root, program)
	}
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, "config")
	if err := lab.CopyTree(filepath.Join(root, "bench", "soak", "config"), config, strings.NewReplacer("BACKEND", s.backend.address())); err != nil {
		return err
	}
	if err := s.tryWebSocket(ctx, program, config); err != nil {
		return err
	}
	if s.address, err = freePort(); err != nil {
		return err
	}
	if s.manage, err = freePort(); err != nil {
		return err
	}
	argv := []string{program, "serve", "-c", filepath.Join(config, "sallyport.yaml"), "--set", "gateway.listen=" + s.address,
		"--set", "management.listen=" + s.manage, "--set", "state.dir=" + filepath.Join(s.dir, "state")}
	if s.o.engine != "" {
		argv = append(argv, "--set", "gateway.engine="+s.o.engine)
	}
	if s.gateway, err = lab.Launch("gateway", s.log(), nil, argv); err != nil {
		return err
	}
	for range 200 {
		if s.gateway.Ended() {
			return fmt.Errorf("the gateway ended at once: %s", s.gateway.Said())
		}
		if _, err = s.metrics(ctx); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("the gateway does not answer: %w", err), s.gateway.Stop(time.Second))
}

// tryWebSocket takes the WebSocket API out when the gateway refuses such APIs.
func (s *soak) tryWebSocket(ctx context.Context, program, config string) error {
	_, err := lab.Output(ctx, program, "validate", filepath.Join(config, "sallyport.yaml"))
	if s.sockets = err == nil; s.sockets {
		return nil
	}
	for _, dir := range []string{"apis/socket", "products/soak/apis/socket"} {
		if err := os.RemoveAll(filepath.Join(config, "apim", filepath.FromSlash(dir))); err != nil {
			return fmt.Errorf("take the WebSocket API out: %w", err)
		}
	}
	if _, again := lab.Output(ctx, program, "validate", filepath.Join(config, "sallyport.yaml")); again != nil {
		return again
	}
	fmt.Println("soak: without WebSockets, which this gateway does not serve")
	return nil
}

func (s *soak) log() string { return filepath.Join(s.dir, "gateway.log") }

// load runs all actors for the time asked for, sampling meanwhile.
func (s *soak) load(ctx context.Context) (*watch, error) {
	total := time.Duration(s.o.minutes * float64(time.Minute))
	fmt.Printf("soak: %s of load on %s, process %d\n", total, s.address, s.gateway.PID())
	before, err := s.metrics(ctx)
	if err != nil {
		return nil, err
	}
	w := &watch{warmUp: total / 5, before: before}
	acting, quit := context.WithTimeout(ctx, total)
	defer quit()
	done := s.act(acting)
	tick := time.NewTicker(s.o.every)
	defer tick.Stop()
	begin := time.Now()
	for acting.Err() == nil {
		select {
		case <-acting.Done():
		case <-tick.C:
			m, err := s.metrics(ctx)
			if err != nil {
				quit()
				<-done
				return nil, fmt.Errorf("sample after %s: %w: %s", time.Since(begin).Round(time.Second), err, s.gateway.Said())
			}
			w.add(time.Since(begin), m)
		}
	}
	<-done
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return w, nil
}

// end looks at the idle gateway, and ends it.
func (s *soak) end(ctx context.Context) (trouble []string) {
	if why := s.settle(ctx); why != "" {
		trouble = append(trouble, why)
	}
	if err := s.gateway.Stop(40 * time.Second); err != nil {
		trouble = append(trouble, err.Error())
	} else if code := s.gateway.Code(); code != 0 {
		trouble = append(trouble, fmt.Sprintf("the gateway ended with exit code %d: %s", code, s.gateway.Said()))
	}
	log, err := os.ReadFile(s.log())
	if err != nil {
		trouble = append(trouble, err.Error())
	}
	for l := range strings.Lines(string(log)) {
		if strings.Contains(l, "panic") || strings.Contains(l, "DATA RACE") {
			trouble = append(trouble, "the log tells of a panic: "+strings.TrimSpace(l))
			break
		}
	}
	return trouble
}

// settle waits until nothing is in flight any more, neither in the gateway nor
// in the backend: calls whose client left must have ended there too.
func (s *soak) settle(ctx context.Context) (why string) {
	var m sample
	for range 150 {
		var err error
		if m, err = s.metrics(ctx); err != nil {
			return err.Error()
		}
		if m.inFlight == 0 && s.backend.running.Load() == 0 {
			fmt.Printf("idle: %s\n", m)
			return ""
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Sprintf("15 s after the load ended %.0f requests are still in flight, %d in the backend", m.inFlight, s.backend.running.Load())
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
