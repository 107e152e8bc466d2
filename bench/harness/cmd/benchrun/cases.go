package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// work is one case.
type work struct {
	name, what string
	mock       string   // query for /_mock/set
	args       []string // of the load client
	kind       kind
	dur        time.Duration // 0 = that of the run
}

// kind is what a case is about, and so the columns of its table.
type kind int

const (
	plain kind = iota
	stream
	memory
)

func caseNames() string { return "A B C200 C1000 S1000 D M1000 M5000" }

func cases(conns int, rate float64) map[string]work {
	c := strconv.Itoa(conns)
	m := map[string]work{}
	add := func(w work, args string) {
		w.args = strings.Fields(args)
		m[w.name] = w
	}
	add(work{name: "A", what: "plain 1 KB answers, closed loop, " + c + " connections", mock: "size=1024&latency=0s"},
		"-mode closed -c "+c+" -expect-min 900")
	add(work{name: "B", what: fmt.Sprintf("plain 1 KB answers, open loop at %.0f/s", rate), mock: "size=1024&latency=0s"},
		"-mode open -c "+c+" -rate "+fmt.Sprint(rate)+" -expect-min 900")
	add(work{name: "D", what: "64 KB request, 64 KB answer, closed loop, " + c + " connections", mock: "size=65536&latency=0s"},
		"-mode closed -c "+c+" -body-size 65536 -expect-min 60000")
	add(work{name: "C200", what: "200 SSE streams, 50 chunks 20 ms apart (10k chunks/s)", mock: "chunks=50&gap=20ms&first=0s", kind: stream},
		"-mode stream -c 200 -tokens 50 -warmup 2s")
	add(work{name: "C1000", what: "1,000 SSE streams, 50 chunks 20 ms apart (50k chunks/s)", mock: "chunks=50&gap=20ms&first=0s", kind: stream},
		"-mode stream -c 1000 -tokens 50 -warmup 2500ms")
	add(work{name: "S1000", what: "1,000 SSE streams, 40 chunks 100 ms apart (10k chunks/s)", mock: "chunks=40&gap=100ms&first=0s", kind: stream},
		"-mode stream -c 1000 -tokens 40 -ramp 4s -warmup 5s")
	add(work{name: "M1000", what: "memory with 1,000 slow streams (a chunk a second)", mock: "chunks=10&gap=1s&first=0s", kind: memory, dur: 2 * time.Second},
		"-mode stream -c 1000 -tokens 10 -ramp 2s -warmup 4s")
	add(work{name: "M5000", what: "memory with 5,000 slow streams (a chunk in 3 seconds)", mock: "chunks=9&gap=3s&first=0s", kind: memory, dur: 2 * time.Second},
		"-mode stream -c 5000 -tokens 9 -ramp 10s -warmup 16s")
	return m
}
