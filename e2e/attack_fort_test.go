package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Keys and credentials of the fort. None of them may turn up where a test does
// not expect it.
const (
	fortKey        = "fort-subscription-key-41d2"
	fortCredential = "fort-backend-credential-77aa"
	fortPassword   = "fort-backend-authorization-93cc"
	fortFriend     = "127.0.0.7" // the only address that the API "filtered" lets in
)

// fortOptions say what differs from the plain fort.
type fortOptions struct {
	engine string
	set    []string
	edit   func(dir string)
	tls    bool
	wall   func(c *wallConn) // what the backend does with a connection; nil echoes
}

// fort is a gateway alone, attacked from in front and from behind: the backend
// is a plain socket, so that a test decides about every byte it sends and sees
// every byte it gets.
type fort struct {
	*chain
	addr, dir string
	wall      *wall
}

func startFort(t *testing.T, o fortOptions) *fort {
	t.Helper()
	f := &fort{chain: &chain{t: t}, dir: t.TempDir()}
	f.wall = startWall(t, o.wall)
	writeFort(t, f.dir, f.wall.addr)
	if o.edit != nil {
		o.edit(f.dir)
	}
	if o.engine != "" {
		o.set = append(o.set, o.engine)
	}
	// Somebody else may take a port between the look and the start.
	for try := 0; ; try++ {
		err := f.start(o)
		if err == nil {
			return f
		}
		if try == 3 || !strings.Contains(err.Error(), "another process uses the port") {
			t.Fatal(err)
		}
	}
}

func (f *fort) start(o fortOptions) error {
	f.t.Helper()
	p, err := takePorts()
	if err != nil {
		return err
	}
	f.t.Cleanup(p.release)
	f.ports, f.addr, f.gateway, f.management = p, p.addr(gatewayPort), p.url(gatewayPort), p.url(managementPort)
	set := append([]string{"gateway.listen=" + f.addr, "management.listen=" + p.addr(managementPort), "gateway.drainDelay=0s", "gateway.drainTimeout=1s"}, o.set...)
	if o.tls {
		selfSigned(f.t, f.dir)
		set = append(set, "gateway.tls.listen="+p.addr(tlsPort), "gateway.tls.certFile="+filepath.Join(f.dir, "cert.pem"), "gateway.tls.keyFile="+filepath.Join(f.dir, "key.pem"))
	}
	f.args = []string{"-c", filepath.Join(f.dir, "sallyport.yaml")}
	for _, s := range set {
		f.args = append(f.args, "--set", s)
	}
	f.node = start(f.t, nil, nil, append([]string{"serve"}, f.args...)...)
	if err := f.node.listens(`"msg":"listening","plane":"management"`); err != nil {
		return err
	}
	return f.node.ready(f.management)
}

// writeFort makes the configuration: an API that is open, one that asks for a
// key, one for friends, one that holds bodies, one that follows redirects.
func writeFort(t *testing.T, dir, backend string) {
	t.Helper()
	write(t, filepath.Join(dir, "sallyport.yaml"), "service:\n  name: fort\nconfiguration:\n  apiops: apim\n  reload: false\n")
	put(t, dir, "policy.xml", fortPolicy("", "<forward-request />"))
	put(t, dir, "products/all/productInformation.json", `{ "properties": { "displayName": "All", "subscriptionRequired": true, "state": "published" } }`)
	put(t, dir, "subscriptions/team/subscriptionInformation.json", `{ "properties": { "displayName": "Team", "scope": "/products/all", "state": "active", "primaryKey": "`+fortKey+`", "secondaryKey": "`+fortKey+`-2" } }`)
	put(t, dir, "products/all/apis/keyed/productApiInformation.json", "{}")
	put(t, dir, "products/all/apis/follow/productApiInformation.json", "{}")
	put(t, dir, "backends/vault/backendInformation.json", `{ "properties": { "url": "http://`+backend+`", "protocol": "http", "credentials": {
  "header": { "api-key": ["`+fortCredential+`"] }, "authorization": { "scheme": "Bearer", "parameter": "`+fortPassword+`" } } } }`)
	putAPI(t, dir, "open", backend, false, "", "")
	putAPI(t, dir, "keyed", backend, true, `<set-header name="X-User" exists-action="override"><value>nobody</value></set-header>`, "")
	putAPI(t, dir, "filtered", backend, false, `<ip-filter action="allow"><address>`+fortFriend+`</address></ip-filter>`, "")
	putAPI(t, dir, "held", backend, false, "", `<forward-request buffer-request-body="true" />`)
	putAPI(t, dir, "follow", backend, true, `<set-backend-service backend-id="vault" />`, `<forward-request follow-redirects="true" />`)
	putAPI(t, dir, "vault", backend, false, `<set-backend-service backend-id="vault" />`, "")
	put(t, dir, "apis/socket/apiInformation.json", `{"properties":{"displayName":"Socket","path":"socket","type":"websocket","protocols":["ws","wss"],"serviceUrl":"ws://`+backend+`/socket","subscriptionRequired":false}}`)
}

func fortPolicy(inbound, forward string) string {
	base := "<base />"
	if inbound == "" && forward == "<forward-request />" {
		base = "" // the global scope has none above it
	}
	if forward == "" {
		forward = "<base />"
	}
	return "<policies><inbound>" + base + inbound + "</inbound><backend>" + forward + "</backend><outbound>" + base + "</outbound><on-error>" + base + "</on-error></policies>\n"
}

// putAPI writes an API of that name and path, whose one operation takes every
// path below it.
func putAPI(t *testing.T, dir, name, backend string, key bool, inbound, forward string) {
	t.Helper()
	put(t, dir, "apis/"+name+"/apiInformation.json", fmt.Sprintf(`{ "properties": { "displayName": %q, "path": %[1]q, "protocols": ["http", "https"], "type": "http", "isCurrent": true, "serviceUrl": "http://%s", "subscriptionRequired": %v } }`, name, backend, key))
	spec := "openapi: 3.0.1\ninfo: { title: " + name + ", version: '1' }\npaths:\n  /*:\n"
	for _, method := range []string{"get", "post", "put", "head", "options"} {
		spec += "    " + method + ":\n      operationId: " + method + "\n      responses: { '200': { description: ok } }\n"
	}
	put(t, dir, "apis/"+name+"/specification.yaml", spec)
	put(t, dir, "apis/"+name+"/policy.xml", fortPolicy(inbound, forward))
}

// wall is the backend: it keeps every byte that it is sent.
type wall struct {
	addr  string
	bytes buffer
	odd   buffer // heads that two readers could take for different ones
}

// wallConn is one connection of the gateway to it.
type wallConn struct {
	net.Conn
	wall *wall
	br   *bufio.Reader
	got  *bytes.Buffer // since the request before
	done <-chan struct{}
}

func startWall(t *testing.T, serve func(c *wallConn)) *wall {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if serve == nil {
		serve = echoes
	}
	w, done := &wall{addr: ln.Addr().String()}, make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(func() {
		close(done)
		_ = ln.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				stop := make(chan struct{})
				defer close(stop)
				all.Go(func() { // the end of the test ends what still runs
					select {
					case <-done:
						_ = conn.SetDeadline(time.Now())
					case <-stop:
					}
				})
				c := &wallConn{Conn: conn, wall: w, got: new(bytes.Buffer), done: done}
				c.br = bufio.NewReader(io.TeeReader(conn, io.MultiWriter(c.got, &w.bytes)))
				serve(c)
			})
		}
	})
	return w
}

// head reads the head of a request; its body is left to the caller.
func (c *wallConn) head() (*http.Request, error) {
	c.got.Reset()
	r, err := http.ReadRequest(c.br)
	if head, _, _ := strings.Cut(c.got.String(), "\r\n\r\n"); err != nil && len(head) > 0 || oddHead(head) {
		_, _ = c.wall.odd.Write([]byte(head + "\n"))
	}
	return r, err
}

// oddHead reports whether a head could be read in more than one way.
func oddHead(head string) bool {
	framing := 0
	for i, line := range strings.Split(head, "\r\n") {
		name, _, found := strings.Cut(line, ":")
		plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		if i > 0 && (!found || strings.ContainsAny(name, " \t")) || strings.ContainsAny(line, "\r\n\x00") {
			return true
		}
		if i > 0 && (plain == "content-length" || plain == "transfer-encoding") {
			framing++
		}
	}
	return framing > 1
}

// request reads a request with its body and returns its text as it came.
func (c *wallConn) request() (*http.Request, string, error) {
	r, err := c.head()
	if err != nil {
		return nil, "", err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r, c.got.String(), err
}

func (c *wallConn) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// reset ends the connection without a goodbye.
func (c *wallConn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

func (c *wallConn) answer(text string) {
	c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
}

// echoes answers every request with its own text.
func echoes(c *wallConn) {
	for {
		_, text, err := c.request()
		if err != nil {
			return
		}
		c.answer(text)
	}
}

// said is what a connection of an attacker was told until its end.
type said struct {
	statuses []int
	bodies   []string
	headers  []http.Header
	err      error // other than a clean end
}

func (s *said) String() string { return fmt.Sprintf("%v %q %v", s.statuses, s.bodies, s.err) }

// tell sends text on a connection of its own and reads answers until the
// gateway closes it. Attacks that the gateway lets pass must end with a request
// that asks for the close, see goodbye.
func (f *fort) tell(t *testing.T, text string) *said { t.Helper(); return f.tellFrom(t, "", text) }

func (f *fort) tellFrom(t *testing.T, from, text string) *said {
	t.Helper()
	conn := f.connect(t, from)
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, text) }()
	return listen(conn)
}

func (f *fort) connect(t *testing.T, from string) net.Conn {
	t.Helper()
	conn, err := dialFrom(from)(t.Context(), "tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience / 2))
	return conn
}

func listen(conn io.Reader) *said {
	s, br := &said{}, bufio.NewReader(conn)
	for {
		if _, err := br.Peek(1); err != nil {
			if err != io.EOF {
				s.err = err
			}
			return s
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			s.err = err
			return s
		}
		s.statuses, s.headers = append(s.statuses, res.StatusCode), append(s.headers, res.Header)
		body, err := io.ReadAll(res.Body)
		s.bodies = append(s.bodies, string(body))
		if err != nil {
			s.err = err
			return s
		}
	}
}

const goodbye = "GET /open/goodbye HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

// refused wants an attack to be answered with one of these statuses, nothing
// more, and the connection to end; no byte of it that bears the mark may have
// reached the backend. The std engine may close behind its answer with bytes
// unread, which can take the answer with it. It also takes what net/http takes,
// which is more than the fast engine does: then every head that goes on to the
// backend must be written anew, so that nobody behind can read it otherwise.
func (f *fort) refused(t *testing.T, name, engine, mark string, s *said, statuses ...int) {
	t.Helper()
	got := f.wall.bytes.String()
	f.wall.bytes.reset()
	std := strings.HasSuffix(engine, "std")
	ok := len(s.statuses) == 1 && slices.Contains(statuses, s.statuses[0]) && !strings.Contains(got, mark)
	switch {
	case errors.Is(s.err, os.ErrDeadlineExceeded):
		t.Errorf("%s: the connection stays open: %v", name, s)
	case std && !ok:
		if odd := f.wall.odd.String(); odd != "" {
			t.Errorf("%s: the backend was sent a head of two meanings: %q", name, odd)
		}
	case !ok:
		t.Errorf("%s: %v, want one of %v and the end; the backend was sent %q", name, s, statuses, tail(got, 500))
	}
}

// holds checks that the gateway serves everybody else.
func (f *fort) holds(t *testing.T) {
	t.Helper()
	r, err := call(client(t, ""), "GET", f.gateway+"/open/plain", "")
	if err != nil || r.status != 200 {
		t.Errorf("a plain request afterwards: %+v %v", r, err)
	}
}

func (b *buffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}
