package listen

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Ceiling is how much memory the process may take, and who said so.
type Ceiling struct {
	Bytes int64  // 0 = no ceiling
	From  string // "setting", "GOMEMLIMIT", "cgroup" or ""
}

// cgroupShare is the part of a container's memory that the Go heap may take;
// the rest is for stacks of threads, buffers of sockets and the page cache.
const cgroupShare = 0.9

// MemoryCeiling decides on the ceiling: what is set, else GOMEMLIMIT, else most
// of what the container may take. The garbage collector is told of it, so that
// garbage is collected before requests are turned away for it.
func MemoryCeiling(set int64) Ceiling {
	c := ceiling(set, debug.SetMemoryLimit(-1), cgroupMemory(systemFiles()))
	if c.From == "setting" || c.From == "cgroup" {
		debug.SetMemoryLimit(c.Bytes)
	}
	return c
}

func ceiling(set, goLimit, cgroup int64) Ceiling {
	switch {
	case set > 0:
		return Ceiling{set, "setting"}
	case goLimit != math.MaxInt64:
		return Ceiling{goLimit, "GOMEMLIMIT"}
	case cgroup > 0:
		return Ceiling{int64(float64(cgroup) * cgroupShare), "cgroup"}
	}
	return Ceiling{}
}

// Below the ceiling memory has to fall by this part before requests are let in
// again; otherwise every second one would be turned away.
const hysteresis = 0.05

// sampleEvery is short beside the time in which load can fill memory.
const sampleEvery = 200 * time.Millisecond

// Watch compares the memory in use with the ceiling until ctx ends and tells
// press whenever that changes sides.
func (c Ceiling) Watch(ctx context.Context, press func(short bool)) {
	if c.Bytes <= 0 {
		return
	}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	g := gauge{ceiling: c.Bytes}
	sample := newSample()
	for {
		if g.changed(sample.used()) {
			press(g.short)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gauge is the ceiling with its hysteresis.
type gauge struct {
	ceiling int64
	short   bool
}

func (g *gauge) changed(used int64) bool {
	was := g.short
	switch {
	case used > g.ceiling:
		g.short = true
	case float64(used) < float64(g.ceiling)*(1-hysteresis):
		g.short = false
	}
	return g.short != was
}

// sample reads what GOMEMLIMIT limits (package runtime/debug, SetMemoryLimit):
// everything the runtime has mapped but what it has given back.
type sample struct{ values [2]metrics.Sample }

func newSample() *sample {
	s := new(sample)
	s.values[0].Name = "/memory/classes/total:bytes"
	s.values[1].Name = "/memory/classes/heap/released:bytes"
	return s
}

func (s *sample) used() int64 {
	metrics.Read(s.values[:])
	return int64(s.values[0].Value.Uint64()) - int64(s.values[1].Value.Uint64())
}
