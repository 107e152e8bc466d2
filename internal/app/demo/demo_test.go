package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// freePorts finds four free ports in a row below the range of outgoing
// connections. Holding the first one on an address that nothing else uses keeps
// other tests off them, also those of e2e, which do the same.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 200 {
		base := 10240 + rand.IntN(2500)*8
		guard, err := net.Listen("tcp", fmt.Sprintf("127.97.3.1:%d", base))
		if err != nil {
			continue
		}
		free := true
		for i := range 4 {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
			if err != nil {
				free = false
				break
			}
			_ = ln.Close()
		}
		if free {
			t.Cleanup(func() { _ = guard.Close() })
			return base
		}
		_ = guard.Close()
	}
	t.Fatal("no free ports")
	return 0
}

func TestEveryCheckPasses(t *testing.T) {
	var out, log bytes.Buffer
	err := Run(t.Context(), Options{PortBase: freePorts(t), Once: true, Stdout: &out, Stderr: &log, Command: "sallyport"})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), log.String())
	}
	if n := strings.Count(out.String(), "✓"); n != len(checks()) || !strings.Contains(out.String(), fmt.Sprintf("all checks passed (%d)", n)) || strings.Contains(out.String(), "✗") {
		t.Errorf("%d ticks:\n%s", n, out.String())
	}
	if strings.Contains(out.String(), "Ctrl-C") {
		t.Error("with --once nobody can try anything out")
	}
	if log.Len() > 0 {
		t.Errorf("a demo that passes logs nothing: %s", log.String())
	}
}

func TestTakenPortIsAClearError(t *testing.T) {
	base := freePorts(t)
	for i, plane := range []string{"gateway", "management", "serving", "sandbox model"} {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
		if err != nil {
			t.Fatalf("port %d was taken meanwhile: %v", base+i, err)
		}
		var out bytes.Buffer
		err = Run(t.Context(), Options{PortBase: base, Once: true, Stdout: &out, Stderr: &out})
		_ = ln.Close()
		if want := fmt.Sprintf("%s cannot listen on 127.0.0.1:%d: another process uses the port", plane, base+i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Ports that were opened before the taken one are given back.
func TestFailedStartGivesPortsBack(t *testing.T) {
	base := freePorts(t)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+3))
	if err != nil {
		t.Fatalf("port %d was taken meanwhile: %v", base+3, err)
	}
	defer taken.Close()
	var out bytes.Buffer
	if err := Run(t.Context(), Options{PortBase: base, Once: true, Stdout: &out, Stderr: &out}); err == nil {
		t.Fatal("the sandbox's port is taken")
	}
	for i := range 3 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
		if err != nil {
			t.Errorf("port %d is still held: %v", base+i, err)
			continue
		}
		_ = ln.Close()
	}
}

func TestInterruptedChecksAreNoFailures(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	err := Run(ctx, Options{PortBase: freePorts(t), Once: true, Stdout: &out, Stderr: &out})
	if !errors.Is(err, ErrFailed) || !strings.Contains(out.String(), "interrupted after 0 of") || strings.Contains(out.String(), "✗") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestPrinter(t *testing.T) {
	var b bytes.Buffer
	p := &printer{w: &b}
	p.result("good", 1500*time.Microsecond, nil)
	p.result("bad", 0, errors.New("first\nsecond"))
	p.total(1, 2, time.Second, 2*time.Second)
	want := "  ✓ good" + strings.Repeat(" ", 62) + "    1.5 ms\n  ✗ bad\n      first\n      second\n\n  1 of 2 checks failed · started in 1.00 s, checked in 2.00 s\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// What is printed to try has to fit the ports and the way the program was called.
func TestTryOutFitsThePorts(t *testing.T) {
	var b bytes.Buffer
	(&printer{w: &b}).tryOut(PlaneURLs(9080), "./bin/sallyport")
	for _, want := range []string{"curl -s http://127.0.0.1:9080/serving-endpoints", `eval "$(./bin/sallyport demo --print-env --port-base 9080)"`, "./bin/sallyport trace /serving-endpoints", UserKey, ModelKey} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	b.Reset()
	(&printer{w: &b}).tryOut(PlaneURLs(8080), "sallyport")
	if strings.Contains(b.String(), "--port-base") {
		t.Error("the default ports need no flag")
	}
}
