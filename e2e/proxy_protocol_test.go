package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// balancer is the address that the gateway lets speak for others.
const balancer = "127.0.0.9"

func proxyV1(from string) string { return "PROXY TCP4 " + from + " 127.0.0.1 40000 80\r\n" }

func proxyV2(from string) string {
	a := netip.MustParseAddr(from).As4()
	rest := append(a[:], 127, 0, 0, 1, 0x9c, 0x40, 0, 80)
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, 0x11)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...))
}

// raw sends text from an address and reads the answer; nil without one.
func raw(t *testing.T, host, from, text string, wrap func(net.Conn) net.Conn) (*http.Response, string, error) {
	t.Helper()
	c, err := dialFrom(from)(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	header, rest, _ := strings.Cut(text, "|")
	if _, err := io.WriteString(c, header); err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		c = wrap(c)
	}
	if _, err := io.WriteString(c, rest); err != nil {
		return nil, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// The ip-filter of the model's API sees the client that a trusted balancer
// names; a header of anybody else opens nothing.
func TestProxyProtocol(t *testing.T) { eachEngine(t, proxyProtocol) }

func proxyProtocol(t *testing.T, engine string) {
	c, roots := withTLS(t, chainOptions{model: startModel(t, answerPlain), set: []string{"gateway.proxyProtocol.trusted=" + balancer, engine}})
	plain, secure := strings.TrimPrefix(c.gateway, "http://"), c.ports.addr(tlsPort)
	overTLS := func(n net.Conn) net.Conn {
		return tls.Client(n, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}})
	}
	request := fmt.Sprintf("|POST %s HTTP/1.1\r\nHost: localhost\r\napi-key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", modelPath, modelKey, len(askPlain), askPlain)
	for _, k := range []struct {
		name, host, from, header string
		wrap                     func(net.Conn) net.Conn
		status                   int // 0 = the connection is closed without an answer
	}{
		{"v1, admitted client", plain, balancer, proxyV1(servingAddress), nil, 200},
		{"v1, other client", plain, balancer, proxyV1("10.1.2.3"), nil, 403},
		{"v2, admitted client", plain, balancer, proxyV2(servingAddress), nil, 200},
		{"v2, other client", plain, balancer, proxyV2("10.1.2.4"), nil, 403},
		{"in front of TLS", secure, balancer, proxyV2(servingAddress), overTLS, 200},
		{"in front of TLS, other client", secure, balancer, proxyV1("10.1.2.5"), overTLS, 403},
		{"the balancer without a header", plain, balancer, "", nil, 0},
		{"the balancer with half a header", plain, balancer, "PROXY TCP4 127.0.0.3\r\n", nil, 0},
		{"a stranger with a header", plain, "127.0.0.8", proxyV1(servingAddress), nil, 400},
		{"a stranger with a binary header", plain, "127.0.0.8", proxyV2(servingAddress), nil, 400},
		{"a stranger without", plain, "127.0.0.8", "", nil, 403},
		{"the serving plane without", plain, servingAddress, "", nil, 200},
		{"two headers", plain, balancer, proxyV1("10.1.2.6") + proxyV1(servingAddress), nil, 400},
	} {
		res, body, err := raw(t, k.host, k.from, k.header+request, k.wrap)
		status := 0
		if res != nil {
			status = res.StatusCode
		}
		// The std engine closes behind a 400 at once, with bytes unread: the
		// answer, or what follows its head, may be lost.
		if k.status == 400 && strings.HasSuffix(engine, "std") && (status == 400 || err != nil) {
			continue
		}
		if status != k.status || (status != 0) != (err == nil) {
			t.Errorf("%s: %d %v %s, want %d", k.name, status, err, tail(body, 200), k.status)
		}
	}
	eventually(t, "the client's address in the access log", func() error {
		for _, a := range []string{"10.1.2.3", "10.1.2.4", "10.1.2.5"} {
			if !strings.Contains(c.node.log.String(), `"callerIpAddress":"`+a+`"`) {
				return errors.New(a + " is not there")
			}
		}
		return c.metric("sallyport_proxy_protocol_errors_total", "2")
	})
	// The chain itself is no client of the balancer.
	if r, err := c.ask(client(t, ""), askPlain); err != nil || r.status != 200 {
		t.Errorf("%v %v", r, err)
	}
}
