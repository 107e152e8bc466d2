package node

import (
	"context"
	"strings"
	"testing"

	"sallyport/internal/wire"
	"sallyport/internal/wire/listen"
	"sallyport/internal/wire/wiretest"
)

func ask(n *Node, a *listen.Admission, target string) (int, string) {
	var w wiretest.Recorder
	a.ServeWire(context.Background(), &wire.Request{Method: "GET", Scheme: "http", Host: "h", Target: target}, &w)
	return w.Status(), w.Body()
}

// Short of memory, gateway and serving plane turn away in their own words;
// status paths and management answer.
func TestPressureByPlane(t *testing.T) {
	n := newNode(t, example(t))
	n.intake.gateway.Press(true)
	n.intake.serving.Press(true)
	for _, k := range []struct {
		a      *listen.Admission
		target string
		status int
		body   string
	}{
		{n.intake.gateway, "/x", 503, `{ "statusCode": 503, "message": "The service is busy. Try again in a moment." }`},
		{n.intake.serving, "/x", 503, `{"error_code":"TEMPORARILY_UNAVAILABLE","message":"The service is busy. Try again in a moment."}`},
		{n.intake.gateway, "/status-0123456789abcdef", 200, ""},
		{n.intake.gateway, "/internal-status-0123456789abcdef?x=y", 200, ""},
		{n.intake.gateway, "/status-0123456789abcdef/x", 503, busyText},
		{n.intake.manage, "/readyz", 200, ""},
	} {
		if status, body := ask(n, k.a, k.target); status != k.status || !strings.Contains(body, k.body) {
			t.Errorf("%s: %d %s", k.target, status, body)
		}
	}
	f := n.intakeFigures()
	shed := map[string]uint64{}
	for _, s := range f.Shed {
		shed[s.Reason] = s.N
	}
	if !f.Pressed || shed["memory"] != 3 || len(shed) != 5 {
		t.Errorf("%+v", f)
	}
}

func TestLimitsComeFromTheSettings(t *testing.T) {
	set := example(t)
	set.Gateway.Limits.Connections = 17
	n := newNode(t, set)
	if n.intake.limit.Max() != 17 {
		t.Errorf("%d connections", n.intake.limit.Max())
	}
	set.Gateway.Limits.Connections = 0
	if n = newNode(t, set); n.intake.limit.Max() != listen.DefaultConnections() {
		t.Errorf("%d connections", n.intake.limit.Max())
	}
	if c := n.listenConfig(planeGatewayTLS, set.Gateway.TLS); c.Limit != n.intake.limit {
		t.Error("the TLS listener has another limit")
	}
	if c := n.listenConfig(planeManagement, set.Management.TLS); c.Limit != nil || c.Trusted != nil {
		t.Error("management is limited")
	}
}

// Calls of the serving plane to the gateway are recognised at the gateway.
func TestTheChainIsRecognised(t *testing.T) {
	set := example(t)
	set.Configuration.Reload = false
	n := newNode(t, set)
	if err := n.Listen(); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr := n.Addresses()[0].Address
	go func() { _ = n.listeners[0].serve() }()
	_, d, err := n.egress()
	if err != nil {
		t.Fatal(err)
	}
	n.intake.gateway.RefuseOthers()
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := c.Read(b); err != nil || string(b) != "HTTP/1.1 404" {
		t.Errorf("%q %v", b, err)
	}
	if s, _ := get(t, addr, "/"); s != 503 {
		t.Errorf("others: %d", s)
	}
}

func TestNoServiceManagerIsNoError(t *testing.T) {
	n := newNode(t, example(t))
	n.notify("READY=1")
	n.env = func(string) (string, bool) { return t.TempDir() + "/nobody", true }
	n.notify("READY=1") // logged, no more
}
