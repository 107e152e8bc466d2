package listen

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

// gate is a handler that tells who comes in and holds them until let go.
type gate struct {
	came chan string
	goOn chan struct{}
}

func newGate() *gate { return &gate{came: make(chan string, 100), goOn: make(chan struct{})} }

func (g *gate) ServeWire(_ context.Context, r *wire.Request, w wire.Responder) {
	g.came <- r.Target
	<-g.goOn
	wire.Reply(w, 200, "", nil)
}

func refuse(w wire.Responder, why Reason) { wire.Reply(w, 503, "", []byte(why.String())) }

// call sends a request to a; its answer comes through the channel.
func call(ctx context.Context, a *Admission, target string) chan string {
	answer := make(chan string, 1)
	go func() {
		var w closable
		a.ServeWire(ctx, &wire.Request{Method: "GET", Target: target}, &w)
		answer <- fmt.Sprint(w.Status(), " ", w.Body())
	}()
	return answer
}

type closable struct {
	wiretest.Recorder
	closes bool
}

func (c *closable) CloseAfter() { c.closes = true }

func wait(t *testing.T, c <-chan string, want string) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("waited in vain for %q", want)
	}
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	g := newGate()
	a := NewAdmission(AdmissionConfig{MaxInFlight: 2, Queue: 3, QueueTimeout: time.Hour, Refuse: refuse}, g)
	var answers []chan string
	for i := range 5 {
		answers = append(answers, call(t.Context(), a, fmt.Sprint(i)))
		if i < 2 {
			wait(t, g.came, fmt.Sprint(i))
		} else {
			eventually(t, "it does not queue", func() bool { return a.Queued() == int64(i-1) })
		}
	}
	wait(t, call(t.Context(), a, "too many"), "503 queue_full")
	if a.Running() != 2 || a.Queued() != 3 || a.Shed(QueueFull) != 1 {
		t.Errorf("%d run, %d wait, %d shed", a.Running(), a.Queued(), a.Shed(QueueFull))
	}
	for i := 2; i < 5; i++ {
		g.goOn <- struct{}{}
		wait(t, g.came, fmt.Sprint(i))
	}
	close(g.goOn)
	for _, c := range answers {
		wait(t, c, "200 ")
	}
	if a.Running() != 0 || a.Queued() != 0 {
		t.Errorf("%d run, %d wait", a.Running(), a.Queued())
	}
}

func TestWaitingEndsWithTheDeadline(t *testing.T) {
	g := newGate()
	a := NewAdmission(AdmissionConfig{MaxInFlight: 1, Queue: 3, QueueTimeout: time.Millisecond, Refuse: refuse}, g)
	first := call(t.Context(), a, "first")
	wait(t, g.came, "first")
	wait(t, call(t.Context(), a, "second"), "503 queue_timeout")
	if a.Queued() != 0 || a.Shed(QueueTimeout) != 1 {
		t.Errorf("%d wait, %d shed", a.Queued(), a.Shed(QueueTimeout))
	}
	close(g.goOn)
	wait(t, first, "200 ")
}

func TestWaitingEndsWithTheClient(t *testing.T) {
	g := newGate()
	a := NewAdmission(AdmissionConfig{MaxInFlight: 1, Queue: 3, QueueTimeout: time.Hour, Refuse: refuse}, g)
	first := call(t.Context(), a, "first")
	wait(t, g.came, "first")
	ctx, hangUp := context.WithCancel(t.Context())
	gone := call(ctx, a, "gone")
	eventually(t, "it does not queue", func() bool { return a.Queued() == 1 })
	stays := call(t.Context(), a, "stays")
	eventually(t, "it does not queue", func() bool { return a.Queued() == 2 })
	hangUp()
	wait(t, gone, "0 ")
	if a.Queued() != 1 || a.Shed(QueueTimeout) != 0 {
		t.Errorf("%d wait, %d shed", a.Queued(), a.Shed(QueueTimeout))
	}
	close(g.goOn)
	wait(t, first, "200 ")
	wait(t, g.came, "stays")
	wait(t, stays, "200 ")
}

func TestPressureAndDrainTurnAway(t *testing.T) {
	g := newGate()
	close(g.goOn)
	a := NewAdmission(AdmissionConfig{Refuse: refuse, Exempt: func(r *wire.Request) bool { return r.Target == "/status" }}, g)
	if a.Press(true); !a.Shedding() {
		t.Error("not shedding")
	}
	wait(t, call(t.Context(), a, "/x"), "503 memory")
	wait(t, call(t.Context(), a, "/status"), "200 ")
	a.Press(false)
	wait(t, call(t.Context(), a, "/x"), "200 ")
	a.RefuseOthers()
	wait(t, call(t.Context(), a, "/x"), "503 draining")
	wait(t, call(t.Context(), a, "/status"), "200 ")
	if a.Shed(Memory) != 1 || a.Shed(Draining) != 1 || a.Shedding() {
		t.Errorf("%d %d", a.Shed(Memory), a.Shed(Draining))
	}
}

// A call that has come in once is let in again on its way, whatever happens.
func TestOwnCallsAreLetIn(t *testing.T) {
	l := wrapped(t, Config{})
	conns := accepted(t, l)
	var own Own
	own.Listens(l.Addr())
	c := dial(t, l, stranger, "")
	own.Made(c)
	next(t, conns)
	g := newGate()
	a := NewAdmission(AdmissionConfig{MaxInFlight: 1, Own: &own, Refuse: refuse}, g)
	first := call(t.Context(), a, "first")
	wait(t, g.came, "first")
	wait(t, call(t.Context(), a, "other"), "503 queue_full")
	a.RefuseOthers()
	a.Press(true)
	remote := netip.MustParseAddrPort(c.LocalAddr().String())
	var chain sync.WaitGroup
	for range chainRoom - 1 {
		chain.Go(func() { a.ServeWire(t.Context(), &wire.Request{Target: "own", Remote: remote}, &closable{}) })
		wait(t, g.came, "own")
	}
	// A call that runs in circles does not go on for ever.
	var w closable
	if a.ServeWire(t.Context(), &wire.Request{Target: "own", Remote: remote}, &w); w.Status() != 503 {
		t.Errorf("one circle too many: %d", w.Status())
	}
	close(g.goOn)
	wait(t, first, "200 ")
	chain.Wait()
}

func TestClosingTellsEveryAnswer(t *testing.T) {
	g := newGate()
	close(g.goOn)
	a := NewAdmission(AdmissionConfig{MaxInFlight: 9, Refuse: refuse}, g)
	ask := func() bool {
		var w closable
		a.ServeWire(t.Context(), &wire.Request{}, &w)
		return w.closes
	}
	if ask() {
		t.Error("closes before")
	}
	if a.CloseConnections(); !ask() {
		t.Error("does not close")
	}
	if a.RefuseOthers(); !ask() {
		t.Error("a refusal does not close")
	}
}

func TestPanicGivesThePlaceBack(t *testing.T) {
	a := NewAdmission(AdmissionConfig{MaxInFlight: 1, Refuse: refuse}, wire.HandlerFunc(func(context.Context, *wire.Request, wire.Responder) { panic("x") }))
	for range 3 {
		func() {
			defer func() { _ = recover() }()
			a.ServeWire(t.Context(), &wire.Request{}, &closable{})
		}()
	}
	if a.Running() != 0 {
		t.Errorf("%d places are lost", a.Running())
	}
}

// Never more than the limit at work, no place lost, nobody forgotten: under
// crowds that come, wait, time out and hang up.
func TestAdmissionUnderACrowd(t *testing.T) {
	const limit, crowd = 3, 64
	var now, most atomic.Int64
	a := NewAdmission(AdmissionConfig{MaxInFlight: limit, Queue: crowd / 2, QueueTimeout: time.Millisecond, Refuse: refuse},
		wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if n%2 == 0 {
				time.Sleep(10 * time.Microsecond)
			}
			now.Add(-1)
			wire.Reply(w, 200, "", nil)
		}))
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			for range 200 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%4 == 0 {
					go cancel()
				}
				a.ServeWire(ctx, &wire.Request{}, &closable{})
				cancel()
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d at a time, %d allowed", most.Load(), limit)
	}
	if a.Running() != 0 || a.Queued() != 0 || a.line.first != nil || a.line.last != nil {
		t.Errorf("%d run, %d wait after the end", a.Running(), a.Queued())
	}
}

func TestLineCanBeLeftAnywhere(t *testing.T) {
	for out := range 3 {
		var l line
		ws := []*waiter{{}, {}, {}}
		for _, w := range ws {
			l.add(w)
		}
		l.remove(ws[out])
		var rest []*waiter
		for w := l.first; w != nil; w = w.next {
			rest = append(rest, w)
		}
		if want := slices.Delete(slices.Clone(ws), out, out+1); !slices.Equal(rest, want) || l.size != 2 || l.last != want[1] {
			t.Errorf("without %d: %d left", out, l.size)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasons {
		seen[r.String()] = true
	}
	if len(seen) != int(reasons) {
		t.Errorf("%v", seen)
	}
}

// silent answers nothing.
type silent struct{}

func (silent) WriteHead(int, string, wire.Header, int64) error { return nil }
func (silent) Write(p []byte) (int, error)                     { return len(p), nil }
func (silent) Flush() error                                    { return nil }

func BenchmarkAdmission(b *testing.B) {
	a := NewAdmission(AdmissionConfig{MaxInFlight: 20_000, Queue: 1000, Refuse: refuse}, wire.HandlerFunc(func(context.Context, *wire.Request, wire.Responder) {}))
	ctx, r := context.Background(), &wire.Request{}
	b.ReportAllocs()
	for b.Loop() {
		a.ServeWire(ctx, r, silent{})
	}
}

func TestAdmissionAllocatesNothing(t *testing.T) {
	a := NewAdmission(AdmissionConfig{MaxInFlight: 20_000, Queue: 1000, Refuse: refuse}, wire.HandlerFunc(func(context.Context, *wire.Request, wire.Responder) {}))
	ctx, r := context.Background(), &wire.Request{}
	if n := testing.AllocsPerRun(1000, func() { a.ServeWire(ctx, r, silent{}) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}
