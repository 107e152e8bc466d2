package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const (
	bodyNoKey     = `{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }`
	bodyBadKey    = `{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }`
	bodyForbidden = `{ "statusCode": 403, "message": "Forbidden" }`
	bodyNotFound  = `{ "statusCode": 404, "message": "Resource not found" }`
)

// Bodies and headers of refusals, byte for byte as they leave the socket.
func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{})
	host := strings.TrimPrefix(c.gateway, "http://")
	for _, k := range []struct {
		name, method, target, from string
		header                     []string
		status                     int
		body                       string
		length                     int
		challenge                  string // name of the key in WWW-Authenticate
		realm                      string
	}{
		{"no key", "POST", chatPath, "", nil, 401, bodyNoKey, 152, keyHeader, "/serving-endpoints"},
		{"no key, own header name", "POST", modelPath, servingAddress, nil, 401, bodyNoKey, 152, "api-key", "/foundry/openai"},
		{"key under another API's name", "POST", chatPath, "", []string{"api-key", userKey}, 401, bodyNoKey, 152, keyHeader, "/serving-endpoints"},
		{"unknown key", "POST", chatPath, "", []string{keyHeader, "nonsense"}, 401, bodyBadKey, 143, keyHeader, "/serving-endpoints"},
		{"key of another product", "POST", chatPath, "", []string{keyHeader, modelKey}, 401, bodyBadKey, 143, keyHeader, "/serving-endpoints"},
		{"suspended subscription", "POST", chatPath, "", []string{keyHeader, pausedKey}, 401, bodyBadKey, 143, keyHeader, "/serving-endpoints"},
		{"key in the query", "POST", chatPath + "?subscription-key=nonsense", "", nil, 401, bodyBadKey, 143, keyHeader, "/serving-endpoints"},
		{"outside the ip-filter", "POST", modelPath, "", []string{"api-key", modelKey}, 403, bodyForbidden, 45, "", ""},
		{"a forwarded header opens nothing", "POST", modelPath, "", []string{"api-key", modelKey, "X-Forwarded-For", servingAddress}, 403, bodyForbidden, 45, "", ""},
		{"unknown operation", "POST", "/serving-endpoints/no/such/operation", "", []string{keyHeader, userKey}, 404, bodyNotFound, 54, "", ""},
		{"wrong method", "GET", chatPath, "", []string{keyHeader, userKey}, 404, bodyNotFound, 54, "", ""},
		{"unknown path", "GET", "/", "", nil, 404, bodyNotFound, 54, "", ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			res, body := rawCall(t, host, k.from, k.method, k.target, k.header...)
			// The reason phrase is left out: net/http cannot set it (wire/std).
			if res.StatusCode != k.status {
				t.Errorf("status %q, want %d", res.Status, k.status)
			}
			if body != k.body || len(body) != k.length || res.ContentLength != int64(k.length) {
				t.Errorf("body %q, Content-Length %d; want %d bytes %q", body, res.ContentLength, k.length, k.body)
			}
			if ct := res.Header.Values("Content-Type"); len(ct) != 1 || ct[0] != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
			want := ""
			if k.challenge != "" {
				want = fmt.Sprintf(`AzureApiManagementKey realm="http://%s%s",name="%s",type="header"`, host, k.realm, k.challenge)
			}
			if got := res.Header.Get("WWW-Authenticate"); got != want {
				t.Errorf("WWW-Authenticate %q, want %q", got, want)
			}
		})
	}
	t.Run("model down", func(t *testing.T) { modelDown(t, c, host) })
}

// modelDown checks the answer of each hop when nothing listens at the end.
func modelDown(t *testing.T, c *chain, host string) {
	if r, err := c.ask(client(t, ""), askPlain); err != nil || r.status != 200 {
		t.Fatalf("the chain does not work: %v %v", r, err)
	}
	c.box.signal(9)
	c.box.wait()
	res, body := rawCall(t, host, servingAddress, "POST", modelPath, "api-key", modelKey)
	shape := regexp.MustCompile(`^\{ "statusCode": 500, "message": "Internal server error", "activityId": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}" \}$`)
	if res.StatusCode != 500 || !shape.MatchString(body) || res.ContentLength != int64(len(body)) {
		t.Errorf("inner hop: %s %q", res.Status, body)
	}
	r, err := c.ask(client(t, ""), askPlain)
	if err != nil || r.status != 500 || !strings.Contains(r.body, `"error_code":"INTERNAL_ERROR"`) {
		t.Errorf("whole chain: %v %v", r, err)
	}
}

// rawCall writes an HTTP/1.1 request to a fresh socket and reads the answer.
func rawCall(t *testing.T, host, from, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	conn, err := dialFrom(from)(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return rawExchange(t, conn, host, method, target, header...)
}

func rawExchange(t *testing.T, conn net.Conn, host, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	const question = `{"messages":[]}`
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	if method == "POST" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(question), question)
	} else {
		b.WriteString("\r\n")
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return res, string(body)
}
