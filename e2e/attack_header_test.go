package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// one wants a single answer of this status and returns its body.
func (s *said) one(t *testing.T, name string, status int) string {
	t.Helper()
	if len(s.statuses) != 1 || s.statuses[0] != status || s.err != nil {
		t.Errorf("%s: %v, want %d", name, s, status)
		return ""
	}
	return s.bodies[0]
}

func get(path string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + strings.Join(append(lines, "Connection: close"), "\r\n") + "\r\n\r\n"
}

// A Connection header lists what is for one hop only. Listing the key, or what
// tells where a request comes from, must not open anything; listing a header
// that a policy sets must not take it off.
func TestAttackConnectionHeaderStripsKeyOrAddress(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.trustedProxies=127.0.0.9/32"}})
		f.tell(t, get("/keyed/a", "Connection: "+keyHeader, keyHeader+": "+fortKey)).one(t, "the key", 401)
		seen := f.tell(t, get("/keyed/a", "Connection: X-User, Host, X-Forwarded-For, traceparent", keyHeader+": "+fortKey, "X-User: admin")).one(t, "a header of a policy", 200)
		for _, want := range []string{"X-User: nobody\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "Host: " + f.wall.addr} {
			if !strings.Contains(seen, want) {
				t.Errorf("the backend misses %q: %q", want, seen)
			}
		}
		if strings.Contains(seen, "admin") {
			t.Errorf("the backend was sent %q", seen)
		}
		// A trusted proxy has named a stranger; the stranger asks to forget it.
		for _, list := range []string{"X-Forwarded-For", "x-forwarded-for , close", "close, X-FORWARDED-FOR"} {
			f.tellFrom(t, "127.0.0.9", get("/filtered/a", "X-Forwarded-For: 10.0.0.1", "Connection: "+list)).one(t, list, 403)
		}
		f.holds(t)
	})
}

// Many backends take X_User for X-User. A client must not be able to say by
// one what the gateway says by the other.
func TestAttackUnderscoreHeaderShadowsDash(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		f.tell(t, get("/keyed/a", strings.ReplaceAll(keyHeader, "-", "_")+": "+fortKey)).one(t, "the key", 401)
		seen := f.tell(t, get("/keyed/a", keyHeader+": "+fortKey, "X_User: admin", "X_FORWARDED_FOR: 10.0.0.1", "x_forwarded-for: 10.0.0.2", "My_Own: kept")).one(t, "twins", 200)
		for _, evil := range []string{"admin", "10.0.0."} {
			if strings.Contains(seen, evil) {
				t.Errorf("the backend was sent %q: %q", evil, seen)
			}
		}
		if !strings.Contains(strings.ToLower(seen), "my_own: kept\r\n") {
			t.Errorf("a header without twin was dropped: %q", seen)
		}
		seen = f.tell(t, get("/vault/a", "api_key: mine", "Api_Key: mine")).one(t, "a credential", 200)
		if strings.Contains(seen, "mine") || !strings.Contains(seen, fortCredential) {
			t.Errorf("the backend was sent %q", seen)
		}
		for _, line := range []string{"Content_Length: 5", "Transfer_Encoding: chunked"} {
			f.refused(t, line, engine, "twin", f.tell(t, "POST /open/twin HTTP/1.1\r\nHost: h\r\n"+line+"\r\n\r\n"+goodbye), 400)
		}
		f.holds(t)
	})
}

// A header value that holds a line break would add headers, or a whole answer,
// of its own. No way into a value may carry one.
func TestAttackSplitsResponseBySetHeader(t *testing.T) {
	t.Run("literal in a policy", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"a&#13;&#10;Set-Cookie: evil=1", "a&#10;b", "a&#13;b", "a&#127;b"} {
			code, out := validated(t, func(dir string) {
				putAPI(t, dir, "open", "127.0.0.1:1", false, `<set-header name="X-A" exists-action="override"><value>`+text+`</value></set-header>`, "")
			})
			if code == 0 || !strings.Contains(out, "would let it add headers of its own") {
				t.Errorf("%q: exit code %d, %s", text, code, out)
			}
		}
		for _, name := range []string{"X-A&#13;&#10;X-B", "X A", "X-A:", ""} {
			code, out := validated(t, func(dir string) {
				putAPI(t, dir, "open", "127.0.0.1:1", false, `<set-header name="`+name+`" exists-action="override"><value>x</value></set-header>`, "")
			})
			if code == 0 || !strings.Contains(out, "set-header") {
				t.Errorf("name %q: exit code %d, %s", name, code, out)
			}
		}
	})
	t.Run("named value", func(t *testing.T) {
		t.Parallel()
		code, out := validated(t, func(dir string) {
			put(t, dir, "named values/split/namedValueInformation.json", `{ "properties": { "displayName": "split", "value": "a\r\nSet-Cookie: evil=1", "secret": true } }`)
			putAPI(t, dir, "open", "127.0.0.1:1", false, `<set-header name="X-A" exists-action="override"><value>{{split}}</value></set-header>`, "")
		})
		if code == 0 || strings.Contains(out, "evil") {
			t.Errorf("exit code %d, %s", code, out)
		}
	})
	t.Run("reason phrase", func(t *testing.T) {
		t.Parallel()
		code, out := validated(t, func(dir string) {
			putAPI(t, dir, "open", "127.0.0.1:1", false, `<return-response><set-status code="200" reason="OK&#13;&#10;Set-Cookie: evil=1" /></return-response>`, "")
		})
		if code == 0 {
			t.Errorf("exit code %d, %s", code, out)
		}
	})
	eachEngine(t, splitsByRequest)
}

// validated runs sallyport validate on a fort that was changed.
func validated(t *testing.T, change func(dir string)) (code int, out string) {
	t.Helper()
	dir := t.TempDir()
	writeFort(t, dir, "127.0.0.1:1")
	change(dir)
	cmd := exec.Command("sallyport", "validate", filepath.Join(dir, "sallyport.yaml"))
	cmd.Env = cleanEnv()
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// splitsByRequest sends line breaks in every dress through what copies parts of
// a request or an answer into heads.
func splitsByRequest(t *testing.T, engine string) {
	const evil = "Set-Cookie: evil=1"
	f := startFort(t, fortOptions{engine: engine, tls: true, wall: func(c *wallConn) {
		for {
			r, text, err := c.request()
			if err != nil {
				return
			}
			switch r.URL.Query().Get("backend") {
			case "cr":
				c.say("HTTP/1.1 200 OK\r\nX-A: b\r" + evil + "\r\nContent-Length: 0\r\n\r\n")
			case "nul":
				c.say("HTTP/1.1 200 OK\r\nX-A: b\x00" + evil + "\r\nContent-Length: 0\r\n\r\n")
			case "reason":
				c.say("HTTP/1.1 200 OK\r" + evil + "\r\nContent-Length: 0\r\n\r\n")
			case "location":
				c.say("HTTP/1.1 302 Found\r\nLocation: /a%0d%0a" + evil + "\r\nContent-Length: 0\r\n\r\n")
			default:
				c.answer(text)
			}
		}
	}})
	for _, target := range []string{"/open/a%0d%0aSet-Cookie:%20evil=1", "/open/a?x=%0d%0aSet-Cookie:%20evil=1", "/open/%E5%98%8D%E5%98%8ASet-Cookie:evil=1", "/open/a?backend=location"} {
		s := f.tell(t, get(target))
		if len(s.statuses) != 1 || s.headers[0].Get("Set-Cookie") != "" || strings.Contains(s.String(), "\r\nSet-Cookie") {
			t.Errorf("%s: %v %v", target, s, s.headers)
		}
	}
	for _, kind := range []string{"cr", "nul", "reason"} {
		s := f.tell(t, get("/open/a?backend="+kind))
		if len(s.statuses) != 1 || s.headers[0].Get("Set-Cookie") != "" || s.statuses[0] == 200 && strings.Contains(fmt.Sprint(s.headers), "evil") {
			t.Errorf("an answer with %s: %v %v", kind, s, s.headers)
		}
	}
	splitsByHTTP2(t, f)
	if odd := f.wall.odd.String(); odd != "" {
		t.Errorf("the backend was sent %q", odd)
	}
	f.holds(t)
}

// splitsByHTTP2 sends what HTTP/2 can carry and HTTP/1.1 cannot.
func splitsByHTTP2(t *testing.T, f *fort) {
	for name, fields := range map[string][]string{
		"CRLF in a value":    {":method: GET", ":path: /open/a", "x-a: b\r\nX-Evil: 1"},
		"CRLF in a name":     {":method: GET", ":path: /open/a", "x-a\r\nx-evil: 1"},
		"CRLF in the path":   {":method: GET", ":path: /open/a HTTP/1.1\r\nX-Evil: 1\r\n\r\n"},
		"space in the path":  {":method: GET", ":path: /open/a HTTP/1.1 X-Evil"},
		"CRLF in the method": {":method: GET /open/a HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET", ":path: /open/a"},
		"a coding":           {":method: POST", ":path: /open/a", "transfer-encoding: chunked", "x-evil: 1"},
		"a colon in a name":  {":method: GET", ":path: /open/a", "x-evil:b: 1"},
		"upper case":         {":method: GET", ":path: /open/a", "X-Evil: 1"},
		"connection":         {":method: GET", ":path: /open/a", "connection: x-evil", "x-evil: 1"},
	} {
		h := f.http2(t)
		h.headers(1, true, append([]string{":scheme: https", ":authority: h"}, fields...)...)
		if got := h.outcome(1); got == "200" || got == "deadline" {
			t.Errorf("HTTP/2, %s: %s", name, got)
		}
		_ = h.Close()
	}
	if strings.Contains(strings.ToLower(f.wall.bytes.String()), "x-evil") {
		t.Errorf("the backend was sent %q", f.wall.bytes.String())
	}
	// A length without a body is malformed, and net/http takes it all the same.
	// It must not go on: the next request would become the body.
	h := f.http2(t)
	h.headers(1, true, ":scheme: https", ":authority: h", ":method: GET", ":path: /open/length", "content-length: 30")
	if got := h.outcome(1); strings.Contains(f.wall.bytes.String(), "Content-Length: 30") {
		t.Errorf("HTTP/2, a length without a body: %s, and the backend was sent %q", got, f.wall.bytes.String())
	}
}

// Heads larger than anybody needs are refused before they cost memory.
func TestAttackHugeHeadersManyHeadersLongTarget(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		many := func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "X-%d: evil\r\n", i)
			}
			return b.String()
		}
		for _, k := range []struct {
			name, text string
			statuses   []int
		}{
			{"a value of 1 MB", "GET /open/evil HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", []int{431}},
			{"a name of 1 MB", "GET /open/evil HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("a", 1<<20) + ": 1\r\n\r\n", []int{431}},
			{"5000 lines", "GET /open/evil HTTP/1.1\r\nHost: h\r\n" + many(5000) + "\r\n", []int{431}},
			{"300 lines", "GET /open/evil HTTP/1.1\r\nHost: h\r\n" + many(300) + "\r\n", []int{431}},
			{"a target of 64 KB", "GET /open/evil" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", []int{414, 431}},
			{"a query of 20 KB", "GET /open/evil?" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", []int{414}},
			{"a method of 64 KB", strings.Repeat("A", 64<<10) + " /open/evil HTTP/1.1\r\nHost: h\r\n\r\n" + goodbye, []int{400, 414, 431, 501}},
			{"no line at all", strings.Repeat("A", 4<<20), []int{400, 414, 431}},
			{"empty lines", strings.Repeat("\r\n", 1<<20) + "GET /open/evil HTTP/1.1\r\nHost: h\r\n\r\n", []int{400, 431}},
			{"trailers without end", "POST /open/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + many(100_000) + "\r\n", []int{400, 431, 413}},
		} {
			f.refused(t, k.name, engine, "evil", f.tell(t, k.text), k.statuses...)
		}
		f.holds(t)
	})
}

// A name that the routes do not know, spelled as one that they do, must not
// reach what the other name is guarded from.
func TestAttackPathTraversalAndDotSegments(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for _, target := range []string{"/open/../keyed/evil", "/open/..", "/open/./evil", "/open/%2e%2e/keyed/evil", "/open/.%2e/evil", "/open/%2E./evil", "/open/..;/evil", "/open/..%2fkeyed/evil",
			"/open/%2e%2e%2fkeyed/evil", "/open/..%5ckeyed/evil", "/open/..\\keyed/evil", "/..", "/.", "/open/a/../../evil"} {
			s := f.tell(t, get(target))
			if len(s.statuses) != 1 || s.statuses[0] != 400 {
				t.Errorf("%s: %v", target, s)
			}
		}
		for _, target := range []string{"//open/evil", "/OPEN%2fevil", "/open%00/evil", "/open;x/evil", "/open%2fevil", "/open\\evil", "/%6fpen%2f..%2fkeyed"} {
			s := f.tell(t, get(target))
			if len(s.statuses) != 1 || s.statuses[0] < 400 {
				t.Errorf("%s: %v", target, s)
			}
		}
		for _, target := range []string{"/keyed%2f..%2fopen", "/%6beyed/a", "/KEYED/a", "/keyed//a", "/keyed/a;/b", "/keyed/", "/keyed"} {
			s := f.tell(t, get(target))
			if len(s.statuses) != 1 || s.statuses[0] < 400 {
				t.Errorf("the keyed API without a key, %s: %v", target, s)
			}
		}
		if got := f.wall.bytes.String(); got != "" {
			t.Errorf("the backend was sent %q", got)
		}
		f.holds(t)
	})
}

// What is encoded stays encoded: a backend must not find a separator where the
// gateway saw none.
func TestAttackEncodedSlashKeeps(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for _, path := range []string{"/a%2Fb", "/a%2fb", "/a%252fb", "/a%3Fb", "/a%23b", "/a%00b", "/a%0d%0ab", "/%C0%AEb", "/a%25", "/a%2E", "/a+b%20c", "/a//b"} {
			seen := f.tell(t, get("/open"+path+"?q=%26%3d%2F")).one(t, path, 200)
			if !strings.HasPrefix(seen, "GET "+path+"?q=%26%3d%2F HTTP/1.1\r\n") {
				t.Errorf("%s became %q", path, tail(seen, 300))
			}
		}
	})
}

// A PROXY header or a forwarding header of somebody who is not trusted counts
// for nothing.
func TestAttackProxyHeaderFromStranger(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.proxyProtocol.trusted=" + balancer, "gateway.trustedProxies=" + balancer + "/32"}})
		for name, text := range map[string]string{"version 1": proxyV1(fortFriend), "version 2": proxyV2(fortFriend)} {
			f.refused(t, name, engine, "evil", f.tellFrom(t, "127.0.0.8", text+get("/filtered/evil")), 400)
		}
		for _, line := range []string{"X-Forwarded-For: " + fortFriend, "Forwarded: for=" + fortFriend, "X-Real-IP: " + fortFriend, "True-Client-IP: " + fortFriend, "X-Client-IP: " + fortFriend, "X-Forwarded-For: " + fortFriend + ", " + balancer} {
			f.tellFrom(t, "127.0.0.8", get("/filtered/evil", line)).one(t, line, 403)
		}
		f.tellFrom(t, fortFriend, get("/filtered/a")).one(t, "the friend", 200)
		f.tellFrom(t, balancer, proxyV1(fortFriend)+get("/filtered/a")).one(t, "the friend through the balancer", 200)
		// The balancer is trusted, what its client wrote into the list is not.
		f.tellFrom(t, balancer, proxyV1("10.0.0.1")+get("/filtered/evil", "X-Forwarded-For: "+fortFriend)).one(t, "a stranger through the balancer", 403)
	})
}

// A backend that sends the caller elsewhere, or makes the gateway go there,
// must not get at keys or credentials that way.
func TestAttackStealsKeyThroughRedirect(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		evil := startWall(t, nil)
		f := startFort(t, fortOptions{engine: engine, wall: func(c *wallConn) {
			for {
				r, text, err := c.request()
				if err != nil {
					return
				}
				switch to := r.URL.Query().Get("to"); to {
				case "":
					c.answer(text)
				default:
					c.say("HTTP/1.1 " + r.URL.Query().Get("status") + " Moved\r\nLocation: " + strings.ReplaceAll(to, "EVIL", evil.addr) + "\r\nContent-Length: 0\r\n\r\n")
				}
			}
		}})
		key := keyHeader + ": " + fortKey
		for _, to := range []string{"http://EVIL/loot", "//EVIL/loot", "http://h@EVIL/loot", "http://EVIL\\@h/loot", "///EVIL/loot", "https://EVIL/loot", "gopher://EVIL/loot", "file:///etc/passwd"} {
			for _, status := range []string{"301", "302", "303", "307", "308"} {
				s := f.tell(t, get("/follow/a?status="+status+"&to="+to, key, "Authorization: Bearer callers-own", "Cookie: session=callers-own", "Api-Key: callers-own"))
				if len(s.statuses) != 1 {
					t.Errorf("%s %s: %v", status, to, s)
				}
				if strings.Contains(s.String(), "root:") {
					t.Errorf("%s: a file of the machine was sent", to)
				}
			}
		}
		got := evil.bytes.String()
		if !strings.Contains(got, "GET /loot HTTP/1.1\r\n") {
			t.Errorf("no redirect was followed: this proves nothing")
		}
		for _, secret := range []string{fortKey, fortCredential, fortPassword, "callers-own"} {
			if strings.Contains(got, secret) {
				t.Errorf("the attacker was sent %s: %q", secret, tail(got, 800))
			}
		}
		// Not following is the default: the caller learns the address, no more.
		evil.bytes.reset()
		s := f.tell(t, get("/vault/a?status=302&to=http://EVIL/loot"))
		if s.one(t, "not followed", 302); strings.Contains(fmt.Sprint(s.headers), fortCredential) || evil.bytes.String() != "" {
			t.Errorf("%v, the attacker was sent %q", s.headers, evil.bytes.String())
		}
		f.holds(t)
	})
}

const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

func TestAttackWebSocketHandshakeWithoutKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		for name, head := range map[string]string{
			"no key":          upgrade,
			"empty key":       upgrade + "Sec-WebSocket-Key:\r\n",
			"short key":       upgrade + "Sec-WebSocket-Key: abcd\r\n",
			"two keys":        upgrade + key + key,
			"no version":      "Connection: Upgrade\r\nUpgrade: websocket\r\n" + key,
			"another version": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n" + key,
			"no upgrade":      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" + key,
			"no connection":   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + key,
			"something else":  "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Version: 13\r\n" + key,
			"nothing":         "",
		} {
			s := f.tell(t, "GET /socket HTTP/1.1\r\nHost: h\r\n"+head+"Connection: close\r\n\r\n"+smuggled)
			if len(s.statuses) < 1 || s.statuses[0] < 400 {
				t.Errorf("%s: %v", name, s)
			}
		}
		s := f.tell(t, "POST /socket HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"+upgrade+key+"Connection: close\r\n\r\n")
		if len(s.statuses) != 1 || s.statuses[0] < 400 {
			t.Errorf("POST: %v", s)
		}
		if got := f.wall.bytes.String(); strings.Contains(got, "/socket") {
			t.Errorf("the backend was sent %q", got)
		}
		f.holds(t)
	})
}

// An Upgrade on an API that switches no protocols is for this hop only and
// goes nowhere; a backend that switches all the same is not believed.
func TestAttackUpgradeToAnythingElse(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, wall: func(c *wallConn) {
			for {
				r, text, err := c.request()
				if err != nil {
					return
				}
				if strings.HasPrefix(r.URL.Path, "/switch") {
					c.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
					_, _ = io.Copy(io.Discard, c.br)
					return
				}
				c.answer(text)
			}
		}})
		for _, protocol := range []string{"h2c", "websocket", "TLS/1.0", "connect-udp", "h2c, websocket", "evil"} {
			text := "GET /open/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: " + protocol + "\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
			seen := f.tell(t, text).one(t, protocol, 200)
			if strings.Contains(seen, "Upgrade") || strings.Contains(seen, "HTTP2-Settings") {
				t.Errorf("%s: the backend was sent %q", protocol, seen)
			}
		}
		s := f.tell(t, "GET /open/switch HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if len(s.statuses) != 1 || s.statuses[0] != http.StatusInternalServerError || strings.Contains(s.String(), "evil") {
			t.Errorf("a backend that switches without being asked: %v", s)
		}
		// The backend refuses the handshake; what the client sends next is a
		// request to the gateway, never bytes for the backend.
		s = f.tell(t, "GET /socket HTTP/1.1\r\nHost: h\r\n"+upgrade+"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+get("/keyed/evil"))
		if len(s.statuses) != 2 || s.statuses[1] != 401 || strings.Contains(f.wall.bytes.String(), "evil") {
			t.Errorf("a backend that takes the handshake for a request: %v", s)
		}
		f.holds(t)
	})
}
