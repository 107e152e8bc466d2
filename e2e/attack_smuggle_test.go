package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// smuggled is the request that must never be seen by the backend.
const smuggled = "GET /open/smuggled HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n"

// smuggles tries heads of which one reader takes what follows for a body and
// another one for a request. Each must be refused, and the connection ended.
func smuggles(t *testing.T, engine string, heads map[string]string, follows string) {
	f := startFort(t, fortOptions{engine: engine})
	for name, head := range heads {
		text := "POST /open/smuggled HTTP/1.1\r\n" + head
		if !strings.Contains(strings.ToLower(head), "host") {
			text = "POST /open/smuggled HTTP/1.1\r\nHost: h\r\n" + head
		}
		f.refused(t, name, engine, "smuggled", f.tell(t, text+follows+smuggled+goodbye), 400, 501)
	}
	f.holds(t)
}

func TestAttackSmugglesSecondRequestByTwoLengths(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		smuggles(t, engine, map[string]string{
			"two lengths":           "Content-Length: 0\r\nContent-Length: 48\r\n\r\n",
			"two lengths, reversed": "Content-Length: 48\r\nContent-Length: 0\r\n\r\n",
			"a list":                "Content-Length: 0, 48\r\n\r\n",
			"the same with a plus":  "Content-Length: +48\r\n\r\n",
			"negative":              "Content-Length: -1\r\n\r\n",
			"hexadecimal":           "Content-Length: 0x30\r\n\r\n",
			"white space inside":    "Content-Length: 4 8\r\n\r\n",
			"empty":                 "Content-Length:\r\n\r\n",
			"too large for 64 bits": "Content-Length: 18446744073709551664\r\n\r\n",
			"space before colon":    "Content-Length : 48\r\nContent-Length: 0\r\n\r\n",
			"vertical tab":          "Content-Length:\v48\r\n\r\n",
			"a digit in Unicode":    "Content-Length: \u0664\r\n\r\n",
		}, "")
	})
}

func TestAttackSmugglesSecondRequestByTransferEncodingInDisguise(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		heads := map[string]string{
			"length and coding":        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
			"coding and length":        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
			"coding with HTTP/1.0":     "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
			"coding hidden by a fold":  "Content-Length: 5\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
			"coding value in a fold":   "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
			"coding behind a bare CR":  "Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
			"coding behind a bare LF":  "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n",
			"coding twice":             "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n",
			"space in front":           " Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
			"an underscore":            "Transfer_Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
			"named by Connection":      "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
			"length named by Connectn": "Connection: Content-Length\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n",
		}
		for i, value := range []string{"xchunked", "chunked, identity", "identity", "chunked\x00", "\"chunked\"", "chunked;q=1", "\x0bchunked", "chunked,", ", chunked, x", "chunk ed", "gzip, chunked", "cow", "CHUNKED "} {
			heads[fmt.Sprintf("spelling %d: %q", i, value)] = "Content-Length: 5\r\nTransfer-Encoding: " + value + "\r\n\r\n"
		}
		heads["space before colon"] = "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n"
		smuggles(t, engine, heads, "0\r\n\r\n")
	})
}

// A server that reads an extension up to a bare LF and a proxy that reads it up
// to the CRLF see different chunks.
func TestAttackSmugglesSecondRequestByChunkExtension(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for name, body := range map[string]string{
			"LF in the extension":       "5;x\n" + "AAAAA\r\n0\r\n\r\n",
			"CR in the extension":       "5;x\ry\r\nAAAAA\r\n0\r\n\r\n",
			"LF behind the size":        "5\nAAAAA\r\n0\r\n\r\n",
			"size with a prefix":        "0x5\r\nAAAAA\r\n0\r\n\r\n",
			"size with a sign":          "+5\r\nAAAAA\r\n0\r\n\r\n",
			"negative size":             "-5\r\nAAAAA\r\n0\r\n\r\n",
			"size of 17 digits":         "00000000000000005\r\nAAAAA\r\n0\r\n\r\n",
			"size over 64 bits":         "10000000000000005\r\nAAAAA\r\n0\r\n\r\n",
			"no size":                   ";x\r\nAAAAA\r\n0\r\n\r\n",
			"data longer than its size": "3\r\nAAAAA\r\n0\r\n\r\n",
			"LF behind the data":        "5\r\nAAAAA\n0\r\n\r\n",
			"size in Unicode":           "\uff15\r\nAAAAA\r\n0\r\n\r\n",
			"extension without end":     "5;" + strings.Repeat("x", 64<<10) + "\r\nAAAAA\r\n0\r\n\r\n",
		} {
			text := "POST /open/chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + smuggled + goodbye
			f.refused(t, name, engine, "smuggled", f.tell(t, text), 400)
		}
		f.holds(t)
	})
}

func TestAttackSmugglesHeaderByObsFold(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for name, head := range map[string]string{
			"a space":            "X-A: 1\r\n smuggled: 1\r\n",
			"a tab":              "X-A: 1\r\n\tsmuggled: 1\r\n",
			"on the first line":  " X-A: smuggled\r\n",
			"folded host":        "X-A: 1\r\n Host: smuggled\r\n",
			"a line of space":    "X-A: 1\r\n \r\nsmuggled: 1\r\n",
			"space before colon": "smuggled : 1\r\n",
			"no colon":           "smuggled\r\n",
			"no name":            ": smuggled\r\n",
		} {
			f.refused(t, name, engine, "smuggled", f.tell(t, "GET /open/fold HTTP/1.1\r\nHost: h\r\n"+head+"\r\n"+goodbye), 400)
		}
		f.holds(t)
	})
}

// Bare line feeds end a line for some readers and none for others.
func TestAttackSmugglesByBareLF(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for name, text := range map[string]string{
			"everywhere":       "GET /open/smuggled HTTP/1.1\nHost: h\n\n",
			"request line":     "GET /open/smuggled HTTP/1.1\nHost: h\r\n\r\n",
			"one header":       "GET /open/smuggled HTTP/1.1\r\nHost: h\nX: 1\r\n\r\n",
			"the empty line":   "GET /open/smuggled HTTP/1.1\r\nHost: h\r\n\n",
			"CR alone":         "GET /open/smuggled HTTP/1.1\r\nHost: h\r\nX: 1\rY: 2\r\n\r\n",
			"CR before CRLF":   "GET /open/smuggled HTTP/1.1\r\nHost: h\r\nX: 1\r\r\n\r\n",
			"LF in the target": "GET /open/smug\ngled HTTP/1.1\r\nHost: h\r\n\r\n",
		} {
			f.refused(t, name, engine, "smug", f.tell(t, text+goodbye), 400)
		}
		f.holds(t)
	})
}

func TestAttackNULAndControlBytesInTarget(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for _, c := range []string{"\x00", "\x01", "\x0b", "\x0c", "\x1f", "\x7f", "\t", " x", "\r", "#"} {
			f.refused(t, fmt.Sprintf("%q in the target", c), engine, "evil", f.tell(t, "GET /open/evil"+c+"y HTTP/1.1\r\nHost: h\r\n\r\n"+goodbye), 400)
			if c != "\t" && c != " x" && c != "#" {
				f.refused(t, fmt.Sprintf("%q in a value", c), engine, "evil", f.tell(t, "GET /open/x HTTP/1.1\r\nHost: h\r\nX: evil"+c+"y\r\n\r\n"+goodbye), 400)
			}
			f.refused(t, fmt.Sprintf("%q in a name", c), engine, "evil", f.tell(t, "GET /open/x HTTP/1.1\r\nHost: h\r\nevil"+strings.ReplaceAll(c, "#", "(")+"y: 1\r\n\r\n"+goodbye), 400)
			f.refused(t, fmt.Sprintf("%q in the host", c), engine, "evil", f.tell(t, "GET /open/x HTTP/1.1\r\nHost: evil"+c+"y\r\n\r\n"+goodbye), 400)
		}
		f.holds(t)
	})
}

func TestAttackTwoHosts(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for name, head := range map[string]string{
			"two hosts":           "Host: h\r\nHost: evil\r\n",
			"the same twice":      "Host: evil\r\nHost: evil\r\n",
			"none":                "X: evil\r\n",
			"a list":              "Host: h, evil\r\n",
			"a path":              "Host: h/evil\r\n",
			"user information":    "Host: h@evil\r\n",
			"an underscore":       "Host: h\r\nHo_st: evil\r\nHost : evil\r\n",
			"a port that is none": "Host: evil:80x\r\n",
			"two ports":           "Host: evil:80:81\r\n",
			"empty":               "Host:\r\nX: evil\r\n",
		} {
			f.refused(t, name, engine, "evil", f.tell(t, "GET /open/hosts HTTP/1.1\r\n"+head+"\r\n"+goodbye), 400)
		}
		f.holds(t)
	})
}

// The absolute form names a host of the attacker's choice. It goes nowhere but
// to the backend of the API, and never disagrees with Host.
func TestAttackAbsoluteFormToAnotherHost(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		evil := startWall(t, nil)
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.hostnames=h"}})
		for name, text := range map[string]string{
			"another host than Host": "GET http://" + evil.addr + "/open/evil HTTP/1.1\r\nHost: h\r\n\r\n",
			"user information":       "GET http://h@" + evil.addr + "/open/evil HTTP/1.1\r\nHost: h\r\n\r\n",
			"another scheme":         "GET ftp://h/open/evil HTTP/1.1\r\nHost: h\r\n\r\n",
			"file":                   "GET file:///open/evil HTTP/1.1\r\nHost: h\r\n\r\n",
			"no slash":               "GET open/evil HTTP/1.1\r\nHost: h\r\n\r\n",
			"authority form":         "GET " + evil.addr + " HTTP/1.1\r\nHost: h\r\n\r\n",
			"asterisk":               "GET * HTTP/1.1\r\nHost: evil\r\n\r\n",
		} {
			f.refused(t, name, engine, "evil", f.tell(t, text+goodbye), 400)
		}
		s := f.tell(t, "GET http://"+evil.addr+"/open/evil HTTP/1.1\r\nHost: "+evil.addr+"\r\nConnection: close\r\n\r\n")
		if len(s.statuses) != 1 || s.statuses[0] != 404 {
			t.Errorf("a host that is not ours: %v", s)
		}
		s = f.tell(t, "GET //"+evil.addr+"/open/evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if len(s.statuses) != 1 || s.statuses[0] != 404 {
			t.Errorf("a path that looks like a host: %v", s)
		}
		if got := evil.bytes.String(); got != "" {
			t.Errorf("the attacker's host was sent %q", got)
		}
		if s := f.tell(t, goodbye); len(s.statuses) != 1 || s.statuses[0] != 200 {
			t.Errorf("a plain request afterwards: %v", s)
		}
	})
}

func TestAttackMethodCONNECTAndTRACE(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		evil := startWall(t, nil)
		f := startFort(t, fortOptions{engine: engine})
		for _, target := range []string{evil.addr, "/open/evil", "http://" + evil.addr + "/"} {
			host := evil.addr
			if strings.HasPrefix(target, "/") {
				host = "h"
			}
			s := f.tell(t, "CONNECT "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"+smuggled)
			if len(s.statuses) != 1 || s.statuses[0] < 400 {
				t.Errorf("CONNECT %s: %v", target, s)
			}
		}
		// TRACE would hand out credentials that something in front has added.
		s := f.tell(t, "TRACE /open/evil HTTP/1.1\r\nHost: h\r\nCookie: precious\r\nConnection: close\r\n\r\n")
		if len(s.statuses) != 1 || s.statuses[0] < 400 || strings.Contains(s.String(), "precious") {
			t.Errorf("TRACE: %v", s)
		}
		for _, method := range []string{"GE T", "G(T", "get\x00", "", "GET\t"} {
			f.refused(t, method, engine, "evil", f.tell(t, method+" /open/evil HTTP/1.1\r\nHost: h\r\n\r\n"+goodbye), http.StatusBadRequest)
		}
		if got := evil.bytes.String() + f.wall.bytes.String(); strings.Contains(got, "evil") || strings.Contains(got, "smuggled") {
			t.Errorf("a backend was sent %q", got)
		}
		f.holds(t)
	})
}

// Fields behind a chunked body are not fields of the head, whatever they are
// called.
func TestAttackTrailersBecomeHeaders(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine})
		for _, line := range []string{keyHeader + ": " + fortKey, "X-User: evil", "Content-Length: 5", "Transfer-Encoding: evil", "Host: evil", "Authorization: evil", "X-Forwarded-For: 10.9.9.9", "bad name: evil", "X-Evil: a\x00b"} {
			for _, path := range []string{"/open/a", "/keyed/closed"} {
				s := f.tell(t, "POST "+path+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-User\r\n\r\n1\r\na\r\n0\r\n"+line+"\r\n\r\n"+goodbye)
				if path == "/keyed/closed" && (len(s.statuses) == 0 || s.statuses[0] != 401 && s.statuses[0] != 400) {
					t.Errorf("%s opens the keyed API: %v", line, s)
				}
			}
		}
		for _, mark := range []string{"/closed", "evil", "10.9.9.9", fortKey, "Content-Length: 5"} {
			if got := f.wall.bytes.String(); strings.Contains(got, mark) {
				t.Errorf("the backend was sent %q: %q", mark, got)
			}
		}
		f.holds(t)
	})
}
