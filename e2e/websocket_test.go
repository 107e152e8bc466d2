package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script is a running script of e2e/node.
type script struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, log buffer
	done     chan error
}

// startScript runs a script with node until it ends, or the test does.
func startScript(t *testing.T, name string, env ...string) *script {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		needed(t, "node is not installed")
	}
	if _, err := os.Stat("node/node_modules/ws"); err != nil {
		needed(t, "the npm packages are not installed (run npm ci in e2e/node)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	s := &script{t: t, cmd: exec.CommandContext(ctx, node, name), done: make(chan error, 1)}
	s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr = "node", cleanEnv(env...), dieWithParent()
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.log
	if err := s.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		s.done <- s.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// says waits for a line and returns what the expression caught in it.
func (s *script) says(line string) string {
	s.t.Helper()
	re, got := regexp.MustCompile(`(?m)^`+line+`$`), ""
	eventually(s.t, line, func() error {
		m := re.FindStringSubmatch(s.out.String())
		if m == nil {
			return fmt.Errorf("%s%s", s.out.String(), s.log.String())
		}
		got = m[len(m)-1]
		return nil
	})
	return got
}

func (s *script) wait() {
	s.t.Helper()
	if err := <-s.done; err != nil {
		s.t.Fatalf("%v\n%s%s", err, s.out.String(), s.log.String())
	}
}

// withWebSockets adds two WebSocket APIs to the example: one in front of an
// echo server, one in front of the realtime sessions of the sandbox model.
func withWebSockets(t *testing.T, echoPort string) func(dir string) {
	const keys = `"subscriptionRequired":true,"subscriptionKeyParameterNames":{"header":"api-key","query":"api-key"}`
	return func(dir string) {
		put := func(path, text string) {
			file := filepath.Join(dir, "apim", filepath.FromSlash(path))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, file, text)
		}
		put("apis/echo/apiInformation.json", `{"properties":{"displayName":"Echo","path":"echo","type":"websocket","protocols":["ws","wss"],"serviceUrl":"ws://127.0.0.1:`+echoPort+`/echo",`+keys+`}}`)
		put("apis/realtime/apiInformation.json", `{"properties":{"displayName":"Realtime","path":"foundry/openai/realtime","type":"websocket","protocols":["ws","wss"],`+keys+`}}`)
		put("apis/realtime/operations/onHandshake/policy.xml", `<policies>
    <inbound>
        <base />
        <set-header name="api-key" exists-action="delete" />
        <set-query-parameter name="api-key" exists-action="delete" />
        <set-backend-service backend-id="foundry-ai-endpoint" />
        <rewrite-uri template="/realtime" />
        <authentication-managed-identity resource="https://cognitiveservices.azure.com" />
    </inbound>
    <backend><base /></backend>
    <outbound><base /></outbound>
    <on-error><base /></on-error>
</policies>`)
		for _, api := range []string{"echo", "realtime"} {
			put("products/models/apis/"+api+"/productApiInformation.json", "{}")
		}
	}
}

// What npm clients see of WebSocket APIs; the checks are in node/websocket.mjs.
func TestWebSocketClients(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"fast", "std"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			webSocketClients(t, engine)
		})
	}
}

func webSocketClients(t *testing.T, engine string) {
	echo := startScript(t, "echo.mjs")
	dir := t.TempDir()
	selfSigned(t, dir)
	cert := filepath.Join(dir, "cert.pem")
	c := startChain(t, chainOptions{set: []string{"gateway.engine=" + engine}, edit: withWebSockets(t, echo.says(`port (\d+)`)), more: func(p *portBlock) []string {
		return []string{"gateway.tls.listen=" + p.addr(tlsPort), "gateway.tls.certFile=" + cert, "gateway.tls.keyFile=" + filepath.Join(dir, "key.pem")}
	}})
	client := startScript(t, "websocket.mjs", "E2E_GATEWAY="+c.gateway, "E2E_TLS="+c.tlsURL(), "E2E_CA="+cert, "E2E_MODEL_KEY="+modelKey)
	client.wait()
	if n := strings.Count(client.out.String(), ": ok\n"); n != 14 {
		t.Errorf("%d of 14 checks:\n%s", n, client.out.String())
	}
	echo.says(`closed 4001 by the client`)
	eventually(t, "metric", func() error { return c.metric("sallyport_websockets_open", "0") })
	eventually(t, "access log", func() error {
		if !strings.Contains(c.node.log.String(), `"operationId":"onHandshake"`) || !strings.Contains(c.node.log.String(), `"responseCode":101`) {
			return errors.New("no line of a WebSocket")
		}
		return nil
	})
}

// A shutdown tells both sides of every connection.
func TestDrainClosesWebSockets(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"fast", "std"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			drainClosesWebSockets(t, engine)
		})
	}
}

func drainClosesWebSockets(t *testing.T, engine string) {
	echo := startScript(t, "echo.mjs")
	c := startChain(t, chainOptions{edit: withWebSockets(t, echo.says(`port (\d+)`)), set: []string{"gateway.drainTimeout=300ms", "gateway.engine=" + engine}})
	const sockets = 50
	client := startScript(t, "websocket_drain.mjs", "E2E_GATEWAY="+c.gateway, "E2E_MODEL_KEY="+modelKey, fmt.Sprint("E2E_SOCKETS=", sockets))
	client.says("open")
	c.node.signal(syscall.SIGTERM)
	client.wait()
	const goodbye = "1001 the gateway is shutting down\n"
	if got := client.out.String(); strings.Count(got, "ended "+goodbye) != sockets {
		t.Errorf("the clients saw:\n%s", got)
	}
	eventually(t, "backend", func() error {
		if n := strings.Count(echo.out.String(), "closed "+goodbye); n != sockets {
			return fmt.Errorf("%d of %d connections were closed properly: %s", n, sockets, bytes.TrimSpace([]byte(echo.out.String())))
		}
		return nil
	})
	if !c.node.endsWithin(time.Minute) {
		t.Error("the process does not end")
	}
}

// A reload that changes the API does not touch its open connections.
func TestReloadKeepsWebSockets(t *testing.T) {
	t.Parallel()
	echo := startScript(t, "echo.mjs")
	c := startChain(t, chainOptions{edit: withWebSockets(t, echo.says(`port (\d+)`)), set: []string{"gateway.drainTimeout=300ms"}})
	client := startScript(t, "websocket_drain.mjs", "E2E_GATEWAY="+c.gateway, "E2E_MODEL_KEY="+modelKey, "E2E_SOCKETS=3")
	client.says("open")
	file := filepath.Join(c.dir, "apim", "apis", "echo", "apiInformation.json")
	edit(t, file, `"Echo"`, `"Echo, changed"`)
	eventually(t, "reload", func() error {
		r := c.manage(t, "GET", "/apis/echo", "")
		if !strings.Contains(r.body, "Echo, changed") {
			return errors.New(r.body)
		}
		return nil
	})
	if strings.Contains(client.out.String(), "ended") {
		t.Errorf("the reload ended connections: %s", client.out.String())
	}
	c.node.signal(syscall.SIGTERM)
	client.wait()
}
