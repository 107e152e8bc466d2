package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// holdMany begins n streams that the model holds until goOn, and returns what
// waits for their ends.
func holdMany(t *testing.T, n int, url, from string, header ...string) (ends func() error) {
	t.Helper()
	hc := client(t, from)
	hc.Timeout = 4 * patience
	var begun sync.WaitGroup
	results := make(chan error, n)
	for range n {
		begun.Add(1)
		go func() {
			told := false
			defer func() {
				if !told {
					begun.Done()
				}
			}()
			res, err := send(context.Background(), hc, "POST", url, askStream, header...)
			if err != nil {
				results <- err
				return
			}
			defer func() { _ = res.Body.Close() }()
			b := bufio.NewReader(res.Body)
			if line, err := b.ReadString('\n'); err != nil || line+"\n" != chunk("first") {
				results <- fmt.Errorf("%d, it begins with %q %w", res.StatusCode, line, err)
				return
			}
			told = true
			begun.Done()
			rest, err := io.ReadAll(b)
			if want := "\n" + chunk("second") + doneEvent; err == nil && string(rest) != want {
				err = fmt.Errorf("it ends with %q", tail(string(rest), 200))
			}
			results <- err
		}()
	}
	begun.Wait()
	return func() error {
		failed, all := 0, error(nil)
		for range n {
			if err := <-results; err != nil {
				if failed++; failed <= 3 {
					all = errors.Join(all, err)
				}
			}
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d streams failed: %w", failed, n, all)
		}
		return nil
	}
}

// terminate sends SIGTERM and waits until the drain has begun.
func (c *chain) terminate(t *testing.T) {
	t.Helper()
	c.node.signal(syscall.SIGTERM)
	eventually(t, "the drain", func() error {
		if !strings.Contains(c.node.log.String(), `"msg":"draining"`) {
			return errors.New("it has not begun")
		}
		return nil
	})
}

func TestDrainLetsManyStreamsFinish(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, holding(goOn)), set: []string{"log.access=false"}})
	ends := holdMany(t, 200, c.gateway+chatPath, "", keyHeader, userKey)
	c.terminate(t)
	close(goOn)
	if err := ends(); err != nil {
		t.Error(err)
	}
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// One hop, HTTP/2 behind it: five thousand connections of clients and a few of
// the model.
func TestDrainLetsFiveThousandStreamsFinish(t *testing.T) {
	const n = 5000
	if testing.Short() {
		t.Skip("five thousand streams take too long for -short")
	}
	if have := fileLimit(); have < 3*n {
		needed(t, "a limit of %d open files is too low for %d streams", have, n)
	}
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, holding(goOn)), set: []string{"log.access=false"}, edit: func(dir string) {
		edit(t, filepath.Join(dir, "apim", "apis", "foundry-openai", "policy.xml"), `<forward-request timeout="120"`, `<forward-request http-version="2" timeout="120"`)
	}})
	ends := holdMany(t, n, c.gateway+modelPath, servingAddress, "api-key", modelKey)
	c.terminate(t)
	close(goOn)
	if err := ends(); err != nil {
		t.Error(err)
	}
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Callers that pay no heed to readiness are served, then told in so many words
// to go elsewhere; none is cut off and none gets a 500. A call that has come in
// is finished, also where it has to pass the gateway once more by then.
func TestDrainUnderLoadThatDoesNotStop(t *testing.T) { eachEngine(t, drainUnderLoad) }

// eachEngine runs a test with both engines.
func eachEngine(t *testing.T, f func(t *testing.T, engine string)) {
	t.Parallel()
	for _, engine := range []string{"gateway.engine=fast", "gateway.engine=std"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			f(t, engine)
		})
	}
}

func drainUnderLoad(t *testing.T, engine string) {
	goOn := make(chan struct{})
	hold := holding(goOn)
	c := startChain(t, chainOptions{set: []string{"log.access=false", engine}, model: startModel(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("X-Kind"), "hold") {
			hold(w, r)
			return
		}
		answerPlain(w, r)
	})})
	direct := startDirectHold(t, c)
	slow := startSlowBody(t, c)
	closed := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	results := make(chan error, 2*loaders)
	for i := range 2 * loaders {
		hc := client(t, "")
		if i%2 == 1 {
			hc = closed
		}
		go func() { results <- untilRefused(c, hc) }()
	}
	eventually(t, "load", func() error {
		if c.metric("sallyport_requests_in_flight", "2") == nil {
			return errors.New("no load yet")
		}
		return nil
	})
	c.terminate(t)
	for range 2 * loaders {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := slow(); err != nil {
		t.Errorf("a call that began before the drain: %v", err)
	}
	close(goOn)
	if err := direct(); err != nil {
		t.Error(err)
	}
	if code := c.node.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func startDirectHold(t *testing.T, c *chain) func() error {
	return holdMany(t, 1, c.gateway+modelPath, servingAddress, "api-key", modelKey, "X-Kind", "hold")
}

// untilRefused calls until it is told to go elsewhere.
func untilRefused(c *chain, hc *http.Client) error {
	for {
		r, err := c.ask(hc, askPlain)
		if err != nil {
			return fmt.Errorf("a call was cut off: %w", err)
		}
		switch {
		case r.status == 503 && r.header.Get("Retry-After") == "1" && r.body == `{ "statusCode": 503, "message": "The service is shutting down. Try again." }`:
			return nil
		case r.status != 200:
			return fmt.Errorf("%d %s", r.status, tail(r.body, 300))
		}
	}
}

// startSlowBody begins a call through the whole chain whose body is complete
// only when the returned function runs. Its second hop comes after that.
func startSlowBody(t *testing.T, c *chain) func() error {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.gateway, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	half := len(askPlain) / 2
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", chatPath, keyHeader, userKey, len(askPlain), askPlain[:half])
	return func() error {
		if _, err := io.WriteString(conn, askPlain[half:]); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != 200 {
			err = fmt.Errorf("%s %s", res.Status, body)
		}
		return err
	}
}

// SIGHUP loads the configuration and does nothing to a stream.
func TestHangupLeavesStreamsAlone(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, holding(goOn)), set: []string{"configuration.reload=false"}})
	b := heldStream(t, c)
	for want := 2; want < 5; want++ {
		// A policy of the API that streams changes each time.
		edit(t, filepath.Join(c.dir, "apim", "apis", "foundry-openai", "policy.xml"), "<outbound>", fmt.Sprintf("<outbound><!-- %d -->", want))
		c.node.signal(syscall.SIGHUP)
		eventually(t, "the load", func() error {
			h, _, err := c.config()
			if err == nil && (h.Generation < want || h.Result != "accepted") {
				err = fmt.Errorf("%+v", h)
			}
			return err
		})
	}
	close(goOn)
	rest, err := io.ReadAll(b)
	if want := "\n" + chunk("second") + doneEvent; err != nil || string(rest) != want {
		t.Errorf("the stream ended with %q %v", rest, err)
	}
}
