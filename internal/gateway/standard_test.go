//go:build linux && !race

package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport/internal/egress"
	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/engine"
)

const standardAPI = `<policies><inbound><base />
<set-header name="api-key" exists-action="override"><value>of-the-backend</value></set-header>
<set-header name="X-Gateway" exists-action="override"><value>sallyport</value></set-header>
<set-header name="Cookie" exists-action="delete" />
<set-query-parameter name="api-version" exists-action="override"><value>2024-10-21</value></set-query-parameter>
</inbound><backend><forward-request buffer-response="false" /></backend><outbound><base />
<set-header name="X-Served-By" exists-action="override"><value>sallyport</value></set-header>
<set-header name="x-ms-region" exists-action="delete" /></outbound><on-error><base /></on-error></policies>`

// The whole of a standard request: our engine on both sides, key, address list
// at product scope, six steps, metrics, token counts and an access log line.
// Client and backend here allocate nothing, so all of it is the gateway's.
func TestAllocationsOfAStandardRequest(t *testing.T) {
	const rounds, budget = 2000, 10
	client := standardGateway(t)
	for range 50 { // pools and buffers grow
		client.ask(t)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		client.ask(t)
	}
	runtime.ReadMemStats(&after)
	n := float64(after.Mallocs-before.Mallocs) / rounds
	t.Logf("%.1f allocations, %.0f bytes a request", n, float64(after.TotalAlloc-before.TotalAlloc)/rounds)
	if n > budget {
		t.Errorf("%.1f allocations a request, at most %d", n, budget)
	}
}

// rawClient sends the same bytes over one connection.
type rawClient struct {
	net.Conn
	request, answer []byte
}

func (c *rawClient) ask(t *testing.T) {
	if _, err := c.Write(c.request); err != nil {
		t.Fatal(err)
	}
	n := 0
	for !bytes.HasSuffix(c.answer[:n], []byte("}}")) {
		m, err := c.Read(c.answer[n:])
		if err != nil {
			t.Fatalf("%v after %q", err, c.answer[:n])
		}
		n += m
	}
	if !bytes.HasPrefix(c.answer[:n], []byte("HTTP/1.1 200 ")) {
		t.Fatalf("%q", c.answer[:n])
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// answerAll is a backend that gives every request one answer.
func answerAll(l net.Listener, answer []byte) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, 8<<10)
			for n := 0; ; {
				m, err := c.Read(b[n:])
				if err != nil {
					return
				}
				if n += m; bytes.HasSuffix(b[:n], []byte(`"end"}`)) {
					n = 0
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}
		}()
	}
}

func standardGateway(t *testing.T) *rawClient {
	t.Helper()
	backend := listen(t)
	go answerAll(backend, []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-ms-region: East US\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 64\r\n\r\n"+
		`{"id":"1","usage":{"prompt_tokens":12,"completion_tokens":300}}}`[:62]+"}}"))
	d, err := egress.New(egress.Config{Engine: engine.Fast})
	if err != nil {
		t.Fatal(err)
	}
	logFile := telemetry.NewAsyncWriter(io.Discard, 0)
	t.Cleanup(func() { _ = logFile.Close(context.Background()) })
	log, err := telemetry.NewLogger(logFile, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot(with(api("chat", "openai", "POST /deployments/{deployment-id}/chat/completions"), func(a *model.API) {
		a.ServiceURL = "http://" + backend.Addr().String() + "/openai"
		a.SubscriptionRequired, a.KeyHeader, a.Policy, a.Protocols = true, "api-key", rawPolicy(standardAPI), []string{"http"}
	}))
	ranges := strings.Repeat(`<address-range from="198.18.0.0" to="198.18.0.1" />`, 137)
	s.Products = []*model.Product{{ID: "models", SubscriptionRequired: true, APIs: []string{"chat"}, Policy: rawPolicy(
		`<policies><inbound><base /><ip-filter action="allow">` + ranges + `<address>127.0.0.1</address></ip-filter></inbound><backend><base /></backend><outbound><base /></outbound><on-error><base /></on-error></policies>`)}}
	s.Subscriptions = []*model.Subscription{{ID: "s", Scope: model.ScopeProduct, ScopeID: "models", State: model.Active, PrimaryKey: secret.New("of-the-client")}}
	f := newFixture(t, nil, snapshot(), func(c *gateway.Config) { c.Log, c.AccessLog, c.CountTokens = log, true, true })
	f.deps.Transport = func(bool, bool) wire.Transport { return d.Transport(egress.TLSOptions{}) }
	f.load(s)
	front := listen(t)
	server := engine.NewServer(engine.Fast, wire.ServerConfig{WriteTimeout: 30 * time.Second}, f.Gateway)
	go func() { _ = server.Serve(front) }()
	t.Cleanup(func() { _ = server.Close() })
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	body := `{"messages":[{"role":"user","content":"Hello, how are you?"}],"end":"end"}`
	request := "POST /openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-06-01 HTTP/1.1\r\nHost: gw.test\r\nAccept: */*\r\nUser-Agent: bench\r\n" +
		"Content-Type: application/json\r\napi-key: of-the-client\r\nCookie: a=b\r\nContent-Length: 74\r\n\r\n" + body
	return &rawClient{Conn: c, request: []byte(request), answer: make([]byte, 4<<10)}
}
