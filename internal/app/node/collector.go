package node

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A gateway keeps little and makes much garbage when it is busy: with Go's
// default the collector then runs dozens of times a second over a few
// megabytes. While that is so, garbage may grow to four times of what is kept;
// a quiet process, and one with much to keep, goes on with the default, so that
// neither an idle gateway nor a crowd of open streams costs memory for it.
const (
	lookAtGarbage = time.Second
	busyGarbage   = 16 << 20 // bytes a second
	quietGarbage  = 4 << 20
	smallHeap     = 64 << 20 // bytes kept
	busyPercent   = 400
	quietPercent  = 100
)

// tuneCollector adapts the garbage collector to the load until ctx ends. It
// leaves alone what GOGC sets.
func tuneCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(lookAtGarbage)
	defer tick.Stop()
	percent, made := quietPercent, garbage().made
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g := garbage()
		if next := percentFor(percent, g.made-made, g.kept); next != percent {
			percent = next
			debug.SetGCPercent(percent)
		}
		made = g.made
	}
}

// percentFor is the next setting: busy and quiet are apart, so that it does
// not swing.
func percentFor(now int, perSecond, kept uint64) int {
	switch {
	case perSecond > busyGarbage && kept < smallHeap:
		return busyPercent
	case perSecond < quietGarbage || kept > 2*smallHeap:
		return quietPercent
	}
	return now
}

type heap struct{ made, kept uint64 }

func garbage() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	h := heap{kept: math.MaxUint64}
	if s[0].Value.Kind() == metrics.KindUint64 {
		h.made = s[0].Value.Uint64()
	}
	if s[1].Value.Kind() == metrics.KindUint64 {
		h.kept = s[1].Value.Uint64()
	}
	return h
}
