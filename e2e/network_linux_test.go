package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Hosts of the network test and how they are wired: every pair has a cable of
// its own, so that the client can reach the model without the gateway.
const (
	clientAtGateway  = "10.97.1.2" // admitted by the ip-filter
	clientElsewhere  = "10.97.1.3" // the same machine under an address that is not
	gatewayAtClient  = "10.97.1.1"
	gatewayAtModel   = "10.97.2.1"
	modelAtGateway   = "10.97.2.2"
	clientAtModel    = "10.97.3.2"
	modelAtClient    = "10.97.3.3"
	networkModelPath = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
)

// The model admits the gateway's address alone, the gateway admits one address
// of the client: proven with hosts of their own instead of loopback addresses.
func TestHostsOnANetwork(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "client", "gateway", "model")
	n.cable("client", "gateway", clientAtGateway, gatewayAtClient)
	n.cable("gateway", "model", gatewayAtModel, modelAtGateway)
	n.cable("client", "model", clientAtModel, modelAtClient)
	n.ip("-n", n.name("client"), "address", "add", clientElsewhere+"/24", "dev", "to-gateway")

	dir := filepath.Join(t.TempDir(), "config")
	if err := os.CopyFS(dir, os.DirFS(exampleDir)); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, "configuration.demo.yaml"), "value: "+servingAddress, "value: "+clientAtGateway)
	box := modelAtGateway + ":8083"
	args := []string{"-c", filepath.Join(dir, "sallyport.yaml"),
		"--set", "sandbox.listen=0.0.0.0:8083", "--set", "sandbox.allowFrom=" + gatewayAtModel, "--set", "sandbox.tokensFrom=" + gatewayAtModel,
		"--set", "gateway.listen=0.0.0.0:8080", "--set", "gateway.sourceAddress=" + gatewayAtModel, "--set", "serving.enabled=false",
		"--set", "egress.hosts=169.254.169.254:80=" + box, "--set", "state.dir=" + filepath.Join(dir, "state"),
		"--set", "configuration.tokens=DEMO_FOUNDRY_URL=http://" + box + ",DEMO_SERVING_URL=http://127.0.0.1:8082,DEMO_DATABRICKS_TOKEN=" + token}
	direct, gateway := "http://"+modelAtClient+":8083", "http://"+gatewayAtClient+":8080"
	model := start(t, n.in("model"), nil, append([]string{"sandbox"}, args...)...)
	node := start(t, n.in("gateway"), nil, append([]string{"serve"}, args...)...)
	user := n.client("client", "")
	n.up(model, user, direct+"/", 0)
	n.up(node, user, gateway+"/status-0123456789abcdef", 200)

	want := func(name string, hc *http.Client, method, url string, status int, part string, header ...string) {
		t.Helper()
		body := askPlain
		if method == "GET" {
			body = ""
		}
		r, err := call(hc, method, url, body, header...)
		if err != nil || r.status != status || !strings.Contains(r.body, part) {
			t.Errorf("%s: want %d with %q, got %v %v", name, status, part, r, err)
		}
	}
	viaGateway := gateway + modelPath
	want("client to the model, past the gateway", user, "POST", direct+networkModelPath, 403, "Virtual Network/Firewall rules", "api-key", modelKey)
	want("a forwarded header opens nothing", user, "POST", direct+networkModelPath, 403, "Virtual Network/Firewall rules", "X-Forwarded-For", gatewayAtModel)
	want("client to the model, through the gateway", user, "POST", viaGateway, 200, `"chat.completion"`, "api-key", modelKey)
	if r, err := call(user, "POST", viaGateway, askStream, "api-key", modelKey); err != nil || r.status != 200 || !strings.HasSuffix(r.body, doneEvent) {
		t.Errorf("streamed: %v %v", r, err)
	}
	want("without a key", user, "POST", viaGateway, 401, bodyNoKey)
	want("from an address outside the ip-filter", n.client("client", clientElsewhere), "POST", viaGateway, 403, bodyForbidden, "api-key", modelKey)
	want("tokens are for the gateway's host only", user, "GET", direct+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://cognitiveservices.azure.com", 403, "", "Metadata", "true")
	eventually(t, "the client's own address in the access log", func() error {
		if !strings.Contains(node.log.String(), `"callerIpAddress":"`+clientElsewhere+`"`) {
			return errors.New("it is not there")
		}
		return nil
	})
}

// network is a set of hosts (network namespaces) of this test alone.
type network struct {
	t      *testing.T
	prefix string
}

func newNetwork(t *testing.T, hosts ...string) *network {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		needed(t, "the command ip is not installed")
	}
	if os.Geteuid() != 0 {
		needed(t, "making network namespaces needs root")
	}
	n := &network{t, fmt.Sprintf("sallyport-e2e-%d-", os.Getpid())}
	for _, h := range hosts {
		if out, err := exec.Command("ip", "netns", "add", n.name(h)).CombinedOutput(); err != nil {
			needed(t, "network namespaces cannot be made here: %s", strings.TrimSpace(string(out)))
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "delete", n.name(h)).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		n.ip("-n", n.name(h), "link", "set", "lo", "up")
	}
	return n
}

func (n *network) name(host string) string { return n.prefix + host }

// in is the command line that runs the rest of the line on a host.
func (n *network) in(host string) []string { return []string{"ip", "netns", "exec", n.name(host)} }

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// cable joins two hosts; nothing of it is ever seen outside of them.
func (n *network) cable(a, b, addrA, addrB string) {
	n.t.Helper()
	n.ip("-n", n.name(a), "link", "add", "to-"+b, "type", "veth", "peer", "name", "to-"+a, "netns", n.name(b))
	for _, end := range []struct{ host, link, addr string }{{a, "to-" + b, addrA}, {b, "to-" + a, addrB}} {
		n.ip("-n", n.name(end.host), "address", "add", end.addr+"/24", "dev", end.link)
		n.ip("-n", n.name(end.host), "link", "set", end.link, "up")
	}
}

// up polls from a host until a process answers; status 0 takes any answer.
func (n *network) up(p *process, hc *http.Client, url string, status int) {
	n.t.Helper()
	eventually(n.t, url, func() error {
		if p.ended() {
			return &finalError{fmt.Errorf("%v ended: %s", p.cmd.Args, p.log.String())}
		}
		r, err := call(hc, "GET", url, "")
		if err == nil && status != 0 && r.status != status {
			return fmt.Errorf("%d", r.status)
		}
		return err
	})
}

// client is an HTTP client on a host.
func (n *network) client(host, from string) *http.Client {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		d := net.Dialer{}
		if from != "" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
		}
		inside := n.enter(host, func() { conn, err = d.DialContext(ctx, network, addr) })
		return conn, errors.Join(inside, err)
	}}
	return &http.Client{Transport: tr, Timeout: patience}
}

// enter runs f on a thread that is on the host meanwhile: a socket belongs to
// the host on which it was made, whoever uses it later.
func (n *network) enter(host string, f func()) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	away, err := os.Open("/run/netns/" + n.name(host))
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = away.Close() }()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter host %s: %w", host, err)
	}
	f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread stays locked, so that it ends with its goroutine and no
		// other code ever runs on the wrong host.
		return fmt.Errorf("leave host %s: %w", host, err)
	}
	runtime.UnlockOSThread()
	return nil
}
