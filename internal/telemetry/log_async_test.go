package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gate is a sink whose writes wait until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
	err  error
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return g.got.Write(p)
}

func TestAsyncWriterKeepsOrderAndLosesNothing(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	w := NewAsyncWriter(g, 0)
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.String(), g.got.String()); d != "" {
		t.Error(d)
	}
	if w.Dropped() != 0 {
		t.Errorf("%d lost", w.Dropped())
	}
	if _, err := w.Write([]byte("late\n")); !errors.Is(err, ErrLogClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestAsyncWriterNeverWaitsForTheSink(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	w := NewAsyncWriter(g, 100)
	for range 1000 { // returns although the sink is shut
		if n, err := w.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flush to a shut sink: %v", err)
	}
	lost := w.Dropped()
	close(g.open)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if kept := uint64(g.got.Len() / 10); kept+lost != 1000 || kept < 10 || kept > 20 {
		t.Errorf("%d kept, %d lost", kept, lost)
	}
}

func TestAsyncWriterCountsWhatTheSinkRefuses(t *testing.T) {
	g := &gate{open: make(chan struct{}), err: errors.New("disk full")}
	w := NewAsyncWriter(g, 0)
	for range 3 {
		_, _ = w.Write([]byte("x\n"))
	}
	close(g.open)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w.Dropped() != 3 {
		t.Errorf("%d lost", w.Dropped())
	}
}

// counting is a sink that knows how often it was written to.
type counting struct {
	mu     sync.Mutex
	writes int
	bytes  int
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.bytes += len(p)
	return len(p), nil
}

func (c *counting) got() (writes, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes, c.bytes
}

// Lines that come one after the other leave together: after a moment, when
// there are enough of them, or when somebody wants them written.
func TestAsyncWriterGathersLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &counting{}
		w := NewAsyncWriter(sink, 0)
		want := func(what string, writes, bytes int) {
			t.Helper()
			synctest.Wait()
			if gotWrites, gotBytes := sink.got(); gotWrites != writes || gotBytes != bytes {
				t.Errorf("%s: %d writes of %d bytes, want %d of %d", what, gotWrites, gotBytes, writes, bytes)
			}
		}
		line := []byte("0123456789")
		put := func(n int) {
			for range n {
				_, _ = w.Write(line)
			}
		}
		put(100)
		want("at once", 0, 0)
		time.Sleep(logLinger)
		want("a moment later", 1, 1000)
		time.Sleep(time.Hour)
		want("with nothing to write", 1, 1000)
		put(logBatch/10 + 1)
		want("enough", 2, 1000+10*(logBatch/10+1))
		put(1)
		want("one more", 2, 1000+10*(logBatch/10+1))
		if err := w.Flush(context.Background()); err != nil {
			t.Error(err)
		}
		want("flushed", 3, 1010+10*(logBatch/10+1))
		put(1)
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
		want("closed", 4, 1020+10*(logBatch/10+1))
	})
}
