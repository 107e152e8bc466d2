package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Keys and tokens of examples/foundry-databricks; they open nothing else.
const (
	userKey   = "demo-only-user-key-3a7d6e90b41c"
	modelKey  = "demo-only-model-key-5f2b9c7d1e8a"
	pausedKey = "demo-only-paused-key-c9d8e7f6a5b4"
	token     = "dapi-demo-only-6b1f0c2e9d73"
)

const (
	exampleDir = "../examples/foundry-databricks"
	// servingAddress is where the ip-filter of the model's API lets calls come from.
	servingAddress = "127.0.0.3"

	chatPath  = "/serving-endpoints/chat/completions"
	modelPath = "/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
	keyHeader = "Ocp-Apim-Subscription-Key"

	askPlain  = `{"model":"dublin-chat","messages":[{"role":"user","content":"What is a sally port?"}]}`
	askStream = `{"model":"dublin-chat","stream":true,"messages":[{"role":"user","content":"What is a sally port?"}]}`
)

// chainOptions say what differs from the example.
type chainOptions struct {
	model *model           // takes the place of the sandbox
	set   []string         // name=value, as --set takes them
	edit  func(dir string) // changes the copy of the example before the start
	more  func(p *portBlock) []string
}

// chain is the example, running: gateway, management and serving plane in one
// process, the sandbox model in another.
type chain struct {
	t                            *testing.T
	dir                          string // its configuration, a copy of the example
	ports                        *portBlock
	args                         []string
	gateway, management, serving string // URLs
	node, box                    *process
}

// startChain copies the example, starts it on free ports and waits until it
// is ready.
func startChain(t *testing.T, o chainOptions) *chain {
	t.Helper()
	c := &chain{t: t, dir: filepath.Join(t.TempDir(), "config")}
	if err := os.CopyFS(c.dir, os.DirFS(exampleDir)); err != nil {
		t.Fatal(err)
	}
	if o.edit != nil {
		o.edit(c.dir)
	}
	// Somebody else may take a port between the look and the start.
	for try := 0; ; try++ {
		err := c.start(o)
		if err == nil {
			return c
		}
		if try == 3 || !strings.Contains(err.Error(), "another process uses the port") {
			t.Fatal(err)
		}
	}
}

func (c *chain) start(o chainOptions) error {
	c.t.Helper()
	p, err := takePorts()
	if err != nil {
		return err
	}
	c.t.Cleanup(p.release)
	c.ports, c.gateway, c.management, c.serving = p, p.url(gatewayPort), p.url(managementPort), p.url(servingPort)
	box := p.addr(sandboxPort)
	if o.model != nil {
		box = o.model.addr
	}
	c.args = []string{"-c", filepath.Join(c.dir, "sallyport.yaml")}
	sets := append([]string{
		"gateway.listen=" + p.addr(gatewayPort), "management.listen=" + p.addr(managementPort), "serving.listen=" + p.addr(servingPort),
		"sandbox.listen=" + p.addr(sandboxPort), "egress.hosts=169.254.169.254:80=" + box, "serving.variables=gateway_url=" + c.gateway,
		"configuration.tokens=DEMO_FOUNDRY_URL=http://" + box + ",DEMO_SERVING_URL=" + c.serving + ",DEMO_DATABRICKS_TOKEN=" + token,
		"state.dir=" + filepath.Join(c.dir, "state"),
	}, o.set...)
	if o.more != nil {
		sets = append(sets, o.more(p)...)
	}
	for _, s := range sets {
		c.args = append(c.args, "--set", s)
	}
	if o.model == nil {
		c.box = start(c.t, nil, nil, append([]string{"sandbox"}, c.args...)...)
		if err := c.box.listens("sandbox model on http://" + box); err != nil {
			return err
		}
	}
	return c.serve()
}

// serve starts the node; again after it has ended.
func (c *chain) serve() error {
	c.node = start(c.t, nil, nil, append([]string{"serve"}, c.args...)...)
	if err := c.node.listens(`"msg":"listening","plane":"serving"`); err != nil {
		return err
	}
	return c.node.ready(c.management)
}

// listens waits until the process itself says so: on a port that somebody else
// took meanwhile, the somebody else would answer.
func (p *process) listens(text string) error {
	return poll(patience, func() error {
		switch {
		case strings.Contains(p.log.String()+p.out.String(), text):
			return nil
		case p.ended():
			return p.failed()
		}
		return fmt.Errorf("%v does not say %s", p.cmd.Args, text)
	})
}

func (p *process) failed() error {
	return &finalError{fmt.Errorf("%v ended with code %d: %s%s", p.cmd.Args, p.cmd.ProcessState.ExitCode(), p.out.String(), p.log.String())}
}

// ready polls /readyz until it says that the process serves.
func (p *process) ready(management string) error {
	url := management + "/readyz"
	hc := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return poll(patience, func() error {
		if p.ended() {
			return p.failed()
		}
		res, err := hc.Get(url)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != 200 {
			return fmt.Errorf("%s answers %d", url, res.StatusCode)
		}
		return nil
	})
}

// client is an HTTP client that calls from a loopback address of its own; ""
// leaves the choice to the system.
func client(t *testing.T, from string) *http.Client {
	tr := &http.Transport{DialContext: dialFrom(from), MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func dialFrom(from string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 30 * time.Second}
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	return d.DialContext
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// call sends one request; header holds names and values in turn.
func call(hc *http.Client, method, url, body string, header ...string) (*reply, error) {
	res, err := send(context.Background(), hc, method, url, body, header...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer broke off after %d bytes: %w", len(b), err)
	}
	return &reply{res.StatusCode, res.Header, string(b)}, nil
}

func send(ctx context.Context, hc *http.Client, method, url, body string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return hc.Do(req)
}

func mustCall(t *testing.T, hc *http.Client, method, url, body string, header ...string) *reply {
	t.Helper()
	r, err := call(hc, method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends the user's question through the whole chain.
func (c *chain) ask(hc *http.Client, body string) (*reply, error) {
	return call(hc, "POST", c.gateway+chatPath, body, keyHeader, userKey)
}

// manage calls the management API of the node.
func (c *chain) manage(t *testing.T, method, path, body string) *reply {
	t.Helper()
	const service = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/sallyport-demo"
	return mustCall(t, client(t, ""), method, c.management+service+path+"?api-version=2024-05-01", body, "Authorization", "Bearer "+token)
}

// edit replaces a text in a file of the configuration.
func edit(t *testing.T, file, old, new string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatal(errors.New(file + " does not contain " + old))
	}
	write(t, file, strings.ReplaceAll(string(b), old, new))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
