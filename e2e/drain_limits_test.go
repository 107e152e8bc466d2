package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	bodyBusy   = `{ "statusCode": 503, "message": "The service is busy. Try again in a moment." }`
	statusPath = "/status-0123456789abcdef"
)

func (c *chain) metricOK(t *testing.T, series, want string) {
	t.Helper()
	eventually(t, series, func() error { return c.metric(series, want) })
}

// One request at a time, one in line: the third is told so at once. A call that
// passes the gateway twice does not wait for itself.
func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, answerBoth(goOn)), set: []string{"gateway.limits.inFlight=1", "gateway.limits.queue=1", "gateway.timeouts.queue=1h"}})
	if r, err := c.ask(client(t, ""), askPlain); err != nil || r.status != 200 {
		t.Fatalf("the chain: %v %v", r, err)
	}
	held := holdMany(t, 1, c.gateway+modelPath, servingAddress, "api-key", modelKey, "X-Kind", "hold")
	waited := make(chan error, 1)
	go func() {
		r, err := c.ask(client(t, ""), askPlain)
		if err == nil && r.status != 200 {
			err = errors.New(r.body)
		}
		waited <- err
	}()
	c.metricOK(t, "sallyport_queue_length", "1")
	r := mustCall(t, client(t, ""), "POST", c.gateway+chatPath, askPlain, keyHeader, userKey)
	if r.status != 503 || r.body != bodyBusy || r.header.Get("Retry-After") != "1" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r := mustCall(t, client(t, ""), "GET", c.gateway+statusPath, ""); r.status != 200 {
		t.Errorf("the status path answers %d", r.status)
	}
	c.metricOK(t, `sallyport_shed_total{reason="queue_full"}`, "1")
	close(goOn)
	if err := errors.Join(held(), <-waited); err != nil {
		t.Error(err)
	}
	c.metricOK(t, "sallyport_queue_length", "0")
}

func TestQueueDeadline(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, answerBoth(goOn)), set: []string{"gateway.limits.inFlight=1", "gateway.timeouts.queue=1ms"}})
	held := holdMany(t, 1, c.gateway+modelPath, servingAddress, "api-key", modelKey, "X-Kind", "hold")
	if r := mustCall(t, client(t, ""), "POST", c.gateway+chatPath, askPlain, keyHeader, userKey); r.status != 503 || r.body != bodyBusy {
		t.Errorf("%d %s", r.status, r.body)
	}
	c.metricOK(t, `sallyport_shed_total{reason="queue_timeout"}`, "1")
	close(goOn)
	if err := held(); err != nil {
		t.Error(err)
	}
}

// Without memory nothing new comes in, while management and the status path
// answer.
func TestMemoryCeiling(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), set: []string{"gateway.limits.memory=1MiB"}})
	c.metricOK(t, "sallyport_memory_pressure", "1")
	c.metricOK(t, "sallyport_memory_ceiling_bytes", "1.048576e+06")
	if r := mustCall(t, client(t, ""), "POST", c.gateway+chatPath, askPlain, keyHeader, userKey); r.status != 503 || r.body != bodyBusy {
		t.Errorf("gateway: %d %s", r.status, r.body)
	}
	if r := mustCall(t, client(t, ""), "POST", c.serving+chatPath, askPlain, "Authorization", "Bearer "+token); r.status != 503 ||
		r.body != `{"error_code":"TEMPORARILY_UNAVAILABLE","message":"The service is busy. Try again in a moment."}` {
		t.Errorf("serving: %d %s", r.status, r.body)
	}
	if r := mustCall(t, client(t, ""), "GET", c.gateway+statusPath, ""); r.status != 200 {
		t.Errorf("the status path answers %d", r.status)
	}
	c.metricOK(t, `sallyport_shed_total{reason="memory"}`, "2")
}

// One connection too many is told so and closed; one that ends makes room.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), set: []string{"gateway.limits.connections=2"}})
	host := strings.TrimPrefix(c.gateway, "http://")
	connect := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	ask := func(conn net.Conn) *http.Response {
		t.Helper()
		if _, err := io.WriteString(conn, "GET "+statusPath+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first, second := connect(), connect()
	if a, b := ask(first), ask(second); a.StatusCode != 200 || b.StatusCode != 200 {
		t.Fatalf("%s %s", a.Status, b.Status)
	}
	if res := ask(connect()); res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !res.Close {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	c.metricOK(t, `sallyport_shed_total{reason="connections"}`, "1")
	c.metricOK(t, "sallyport_connections_open", "2")
	_ = first.Close()
	c.metricOK(t, "sallyport_connections_open", "1")
	if res := ask(connect()); res.StatusCode != 200 {
		t.Errorf("%s after one has gone", res.Status)
	}
}

// Connections that only wait do not hold up the end, and a drain says on every
// answer that the connection ends.
func TestDrainEndsConnections(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := startChain(t, chainOptions{model: startModel(t, answerBoth(goOn)), set: []string{"gateway.drainDelay=1m"}})
	host := strings.TrimPrefix(c.gateway, "http://")
	conn, err := dialFrom("")(context.Background(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if res, _ := rawExchange(t, conn, host, "GET", "/"); res.Close {
		t.Error("the connection ends before the drain")
	}
	c.node.signal(syscall.SIGTERM)
	hc := client(t, "")
	eventually(t, "not ready", func() error {
		if r, err := call(hc, "GET", c.management+"/readyz", ""); err != nil || r.status != 503 {
			return errors.New("it is ready")
		}
		return nil
	})
	if res, _ := rawExchange(t, conn, host, "GET", "/"); !res.Close {
		t.Error("the connection goes on during the drain")
	}
	res, err := send(t.Context(), client(t, ""), "POST", c.gateway+chatPath, askPlain, keyHeader, userKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("%s, close %v, %v", res.Status, res.Close, err)
	}
	_ = res.Body.Close()
	c.node.signal(syscall.SIGTERM) // the second one ends it
	c.node.wait()
}
