package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// heldStream begins a stream through the whole chain and reads its first event.
func heldStream(t *testing.T, c *chain) *bufio.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	res, err := send(ctx, client(t, ""), "POST", c.gateway+chatPath, askStream, keyHeader, userKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	b := bufio.NewReader(res.Body)
	if line, err := b.ReadString('\n'); err != nil || line+"\n" != chunk("first") {
		t.Fatalf("%q %v", line, err)
	}
	return b
}

// holding answers with one event, and the rest once told.
func holding(goOn <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		push := stream(w)
		_ = push(chunk("first"))
		select {
		case <-goOn:
			_ = push(chunk("second"))
			_ = push(doneEvent)
		case <-r.Context().Done():
		}
	}
}

// drains waits until the node says that it is not ready and takes no more
// requests, while management still answers.
func drains(t *testing.T, c *chain) {
	t.Helper()
	hc := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "drain", func() error {
		r, err := call(hc, "GET", c.management+"/readyz", "")
		if err != nil {
			return &finalError{fmt.Errorf("management ended before the stream: %w", err)}
		}
		if r.status != 503 {
			return fmt.Errorf("/readyz answers %d", r.status)
		}
		if r, err = call(hc, "GET", c.gateway+"/status-0123456789abcdef", ""); err == nil && r.status != 503 {
			return fmt.Errorf("the status path answers %d", r.status)
		}
		return nil
	})
}

func TestDrainLetsStreamsFinish(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, holding(goOn))})
	if r := mustCall(t, client(t, ""), "GET", c.gateway+"/status-0123456789abcdef", ""); r.status != 200 {
		t.Fatalf("the status path answers %d before the drain", r.status)
	}
	b := heldStream(t, c)
	c.node.signal(syscall.SIGTERM)
	drains(t, c)
	if c.node.ended() {
		t.Fatal("the process ended while a stream was running")
	}
	close(goOn)
	rest, err := io.ReadAll(b)
	if want := "\n" + chunk("second") + doneEvent; err != nil || string(rest) != want {
		t.Errorf("the stream ended with %q %v", rest, err)
	}
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d after a drain in time", code)
	}
}

// A stream that outlasts the drain is told why it ends.
func TestDrainDeadlineEndsStreams(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, holding(nil)), set: []string{"gateway.drainTimeout=300ms"}})
	b := heldStream(t, c)
	c.node.signal(syscall.SIGTERM)
	rest, err := io.ReadAll(b)
	event, data, _ := strings.Cut(strings.TrimSpace(string(rest)), "\n")
	if err != nil || event != "event: error" || !strings.HasPrefix(data, "data: {") || !strings.Contains(data, `"code":"ServiceDraining"`) || !strings.HasSuffix(string(rest), "}\n\n") {
		t.Errorf("a stream past the deadline ends with %q %v", rest, err)
	}
	if code := c.node.wait(); code != 2 || !strings.Contains(c.node.log.String(), "deadline exceeded") {
		t.Errorf("exit code %d: a drain past the deadline is told by 2 and a message", code)
	}
}

func TestSecondSignalEndsADrain(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, holding(nil)), set: []string{"gateway.drainTimeout=1h"}})
	heldStream(t, c)
	c.node.signal(syscall.SIGINT)
	drains(t, c)
	c.node.signal(syscall.SIGINT)
	if code := c.node.wait(); code != -1 {
		t.Errorf("exit code %d, want an end by signal", code)
	}
}

func TestIdleProcessEndsAtOnce(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain)})
	if r, err := c.ask(client(t, ""), askPlain); err != nil || r.status != 200 {
		t.Fatalf("%v %v", r, err)
	}
	c.node.signal(syscall.SIGINT)
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Whoever stops sending when /readyz says so, as load balancers do, loses no
// call: also the second hop of a call that was under way finds the gateway open.
func TestDrainLosesNoCall(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), set: []string{"log.access=false", "gateway.drainDelay=4s"}})
	var closed atomic.Bool
	results := make(chan error, loaders)
	hc := client(t, "")
	for range loaders {
		go func() {
			for !closed.Load() {
				r, err := c.ask(hc, askPlain)
				if err == nil && r.status != 200 {
					err = errors.New(r.body)
				}
				if err != nil {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	eventually(t, "load", func() error {
		if c.metric("sallyport_requests_in_flight", "0") == nil {
			return errors.New("no load yet")
		}
		return nil
	})
	c.node.signal(syscall.SIGTERM)
	eventually(t, "not ready", func() error {
		r, err := call(hc, "GET", c.management+"/readyz", "")
		if err != nil {
			return &finalError{err}
		}
		if r.status != 503 {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	})
	closed.Store(true)
	for range loaders {
		if err := <-results; err != nil {
			t.Errorf("a call was lost: %v", err)
		}
	}
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
