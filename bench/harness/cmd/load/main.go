//go:build linux

// Command load is an HTTP/1.1 load client: a single-threaded epoll loop per
// -threads. It knows requests, answers and the tokens that the mock model
// numbers, and nothing of the proxies in between.
// Start at worker.work; options.go holds what can be asked for.
//
//	closed  N connections, each sends its next request when the last answer is in
//	open    a constant arrival rate over N connections; latency is counted from
//	        the moment a request was due, so a stalled server cannot hide
//	        (no coordinated omission)
//	stream  N concurrent SSE streams; every chunk is checked for order and its
//	        delay against the time stamp the mock model put in it
//
// It prints START and END on standard error around the measured window so that
// a runner can sample the proxy's CPU time for exactly that window, and JSON on
// standard output.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/bench/harness/internal/ev"
)

// Phases of a run.
const (
	phaseWarm = iota
	phaseRun
	phaseEnd
)

// run is one measurement: what its workers share.
type run struct {
	o       *options
	sa      *unix.SockaddrInet4
	request []byte
	phase   atomic.Int32
}

func main() {
	o := parseFlags()
	r := &run{o: o}
	var err error
	if r.sa, err = ev.SockAddr(o.host()); err != nil {
		log.Fatal(err)
	}
	if r.request, err = o.request(); err != nil {
		log.Fatal(err)
	}
	raiseLimit()
	rep := r.measure()
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", " ")
	if err := e.Encode(rep); err != nil {
		log.Fatal(err)
	}
	if o.table {
		rep.print(os.Stderr)
	}
}

// measure runs the workers through the three phases.
func (r *run) measure() *report {
	o := r.o
	ws := make([]*worker, o.threads)
	var wg sync.WaitGroup
	for i := range ws {
		n := o.conns / o.threads
		if i < o.conns%o.threads {
			n++
		}
		ws[i] = newWorker(r)
		wg.Go(func() {
			if err := ws[i].work(n); err != nil {
				log.Fatal(err)
			}
		})
	}
	time.Sleep(o.warm)
	cpu := cpuTime()
	fmt.Fprintln(os.Stderr, "START")
	start := ev.Now()
	r.phase.Store(phaseRun)
	if o.streaming() && o.once {
		wg.Wait()
	} else {
		time.Sleep(o.dur)
	}
	stop := ev.Now()
	r.phase.Store(phaseEnd)
	fmt.Fprintln(os.Stderr, "END")
	cpu = cpuTime() - cpu
	wg.Wait()
	return gather(o, ws, float64(stop-start)/1e9, cpu)
}

// raiseLimit takes as many descriptors as the system gives.
func raiseLimit() {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &l) // the run fails with a clear error when it is too low
	}
}

func cpuTime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
