//go:build linux

package h1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// offline is a server connection that is only good for parsing.
func offline(cfg wire.ServerConfig) *conn {
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	cfg.Fill()
	return newConn(&Server{cfg: cfg}, ours)
}

// parseWhole finds the head in text and parses it.
func parseWhole(c *conn, text string) (used int, err error) {
	var s scanner
	n, err := s.next([]byte(text), c.s.cfg.MaxTarget, c.s.cfg.MaxHeaderBytes)
	if err != nil || n == 0 {
		return n, err
	}
	return n, c.parse(text[:n])
}

func TestRefusedRequests(t *testing.T) {
	const host = "Host: a\r\n"
	line := func(l string) string { return "GET / HTTP/1.1\r\n" + host + l + "\r\n\r\n" }
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"no method":                {" / HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"method with control":      {"G\x01T / HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"no target":                {"GET  HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"one word":                 {"GET\r\n" + host + "\r\n", errStartLine},
		"space in the target":      {"GET /a b HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"tab in the target":        {"GET /a\tb HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"CR in the target":         {"GET /a\rb HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"fragment":                 {"GET /a#b HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"half an escape":           {"GET /a%2 HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"no escape":                {"GET /a%zz HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"asterisk":                 {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"relative":                 {"GET a HTTP/1.1\r\n" + host + "\r\n", errStartLine},
		"version in lower case":    {"GET / http/1.1\r\n" + host + "\r\n", errStartLine},
		"space behind the version": {"GET / HTTP/1.1 \r\n" + host + "\r\n", errStartLine},
		"HTTP/0.9":                 {"GET / HTTP/0.9\r\n" + host + "\r\n", errVersion},
		"HTTP/2.0":                 {"GET / HTTP/2.0\r\n" + host + "\r\n", errVersion},
		"CONNECT":                  {"CONNECT /x HTTP/1.1\r\n" + host + "\r\n", errConnect},
		"blank start line":         {"\r\n" + host + "\r\n", errStartLine},
		"bare LF in the start":     {"GET / HTTP/1.1\n" + host + "\r\n", errBareLF},
		"bare LF in a header":      {"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", errBareLF},
		"bare LF at the end":       {"GET / HTTP/1.1\r\n" + host + "\n", errBareLF},
		"bare CR in a value":       {line("X: a\rb"), errHeaderValue},
		"CR CR LF":                 {line("X: a\r"), errHeaderValue},
		"a line of CR":             {line("\r"), errHeaderName},
		"NUL in a value":           {line("X: \x00"), errHeaderValue},
		"folded":                   {line("X: a\r\n b"), errFold},
		"folded first":             {"GET / HTTP/1.1\r\n X: a\r\n" + host + "\r\n", errFold},
		"folded with a colon":      {line("X: a\r\n\tb: c"), errFold},
		"no colon":                 {line("X"), errHeaderName},
		"empty name":               {line(": a"), errHeaderName},
		"space before the colon":   {line("X : a"), errHeaderName},
		"coding, space before":     {line("Transfer-Encoding : chunked"), errHeaderName},
		"no host":                  {"GET / HTTP/1.1\r\n\r\n", errHost},
		"two hosts":                {line(host[:7]), errHost},
		"host with a comma":        {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", errHost},
		"host not that of target":  {"GET http://b/ HTTP/1.1\r\n" + host + "\r\n", errHost},
		"length with a sign":       {line("Content-Length: +1"), errLength},
		"length, hexadecimal":      {line("Content-Length: 0x1"), errLength},
		"length, list":             {line("Content-Length: 1, 1"), errLength},
		"length, empty":            {line("Content-Length:"), errLength},
		"length, overflow":         {line("Content-Length: 9223372036854775808"), errLength},
		"two lengths":              {line("Content-Length: 1\r\nContent-Length: 1"), errLengths},
		"length and coding":        {line("Content-Length: 1\r\nTransfer-Encoding: chunked"), errBothLengths},
		"coding and length":        {line("Transfer-Encoding: chunked\r\nContent-Length: 1"), errBothLengths},
		"two codings":              {line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), errCodings},
		"unknown coding":           {line("Transfer-Encoding: gzip, chunked"), errUnknownCoding},
		"identity":                 {line("Transfer-Encoding: identity"), errUnknownCoding},
		"coding in HTTP/1.0":       {"GET / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", errOldCoding},
		"underscore in length":     {line("Content_Length: 1"), errAmbiguous},
		"underscore in coding":     {line("Transfer_Encoding: chunked"), errAmbiguous},
		"unknown expectation":      {line("Expect: more"), errExpectation},
		"target too long":          {"GET /" + strings.Repeat("a", 200) + " HTTP/1.1\r\n" + host + "\r\n", errTargetTooLong},
		"target a little too long": {"GET /" + strings.Repeat("a", 100) + " HTTP/1.1\r\n" + host + "\r\n", errTargetTooLong},
		"unfinished target":        {"GET /" + strings.Repeat("a", 200), errTargetTooLong},
		"headers too large":        {line("X: " + strings.Repeat("a", 400)), errHeadTooLarge},
		"unfinished headers":       {"GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 400), errHeadTooLarge},
		"too many headers":         {line(strings.Repeat("X: a\r\n", 20) + "X: a"), errTooManyHeaders},
	} {
		_, err := parseWhole(offline(wire.ServerConfig{MaxTarget: 100, MaxHeaderBytes: 300, MaxHeaders: 20}), c.text)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAcceptedRequests(t *testing.T) {
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                                    "GET / a 0",
		"GET http://A:1/x?y HTTP/1.1\r\nHost: a:1\r\n\r\n":                                     "GET /x?y a:1 0",
		"POST /é?100% HTTP/1.1\r\nhost:a\r\ncontent-length: 007\r\n\r\n":                       "POST /é?100% a 7",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nX:\t y \t\r\n\r\n":        "POST / a -1",
		"get / HTTP/1.0\r\nHost: a\r\nConnection: x, keep-alive\r\nX: dropped\r\n\r\n":         "get / a 0",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\n": "GET / a 1",
	} {
		c := offline(wire.ServerConfig{})
		if _, err := parseWhole(c, text); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := fmt.Sprint(c.req.Method, " ", c.req.Target, " ", c.req.Host, " ", c.req.ContentLength); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzRequestHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n", "GET / HTTP/1.1\nHost: a\r\n\r\n",
		"POST /a?b HTTP/1.0\r\nHost: [::1]:80\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
		"PUT http://h/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
		"GET /%41 HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nX: 1\r\n\r\n",
	} {
		f.Add([]byte(s), 1)
	}
	cfg := wire.ServerConfig{MaxTarget: 256, MaxHeaderBytes: 1024, MaxHeaders: 12}
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		c := offline(cfg)
		n, err := parseWhole(c, string(data))
		var s scanner
		split, serr := s.next(data[:min(max(at, 0), len(data))], cfg.MaxTarget, cfg.MaxHeaderBytes)
		if split == 0 && serr == nil {
			split, serr = s.next(data, cfg.MaxTarget, cfg.MaxHeaderBytes)
		}
		var whole scanner
		once, oerr := whole.next(data, cfg.MaxTarget, cfg.MaxHeaderBytes)
		if split != once && oerr == nil || (serr == nil) != (oerr == nil) {
			t.Fatalf("split at %d: %d, %v; at once: %d, %v", at, split, serr, once, oerr)
		}
		if err != nil || n == 0 {
			return
		}
		if n > len(data) {
			t.Fatalf("%d bytes used of %d", n, len(data))
		}
		reparse(t, c)
	})
}

// reparse writes the accepted request again and expects the same one back.
func reparse(t *testing.T, c *conn) {
	t.Helper()
	r := &c.req
	text := r.Method + " " + r.Target + " " + r.Proto + "\r\n"
	for _, f := range r.Header {
		text += f.Name + ": " + f.Value + "\r\n"
	}
	if !r.Header.Has("Host") { // a Connection header may have named it
		text += "Host: " + r.Host + "\r\n"
	}
	again := offline(wire.ServerConfig{MaxTarget: 1024, MaxHeaderBytes: 4096, MaxHeaders: 20})
	if _, err := parseWhole(again, text+"\r\n"); err != nil {
		t.Fatalf("%q is not accepted again: %v", text, err)
	}
	if again.req.Method != r.Method || again.req.Target != r.Target || again.req.Host != r.Host {
		t.Errorf("%q has become %s %s %s", text, again.req.Method, again.req.Target, again.req.Host)
	}
	if d := cmp.Diff(r.Header, again.req.Header); d != "" && r.Header.Has("Host") {
		t.Errorf("%q: %s", text, d)
	}
	if strings.ContainsAny(r.Method+r.Target+r.Host, "\r\n \x00") {
		t.Errorf("%q could be read in two ways", text)
	}
}

func FuzzStatusHead(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK", "HTTP/1.0 404", "HTTP/1.1 999 ", "HTTP/2 200", "HTTP/1.1  200", "HTTP/1.1 2000 x", "HTTP/1.1 099 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		proto, status, reason, err := parseStatus(line)
		if err != nil {
			return
		}
		if got := fmt.Sprintf("%s %d %s", proto, status, reason); got != line && got != line+" " {
			t.Errorf("%q has become %q", line, got)
		}
		if status < 100 || strings.ContainsAny(reason, "\r\n\x00") {
			t.Errorf("%q is accepted", line)
		}
	})
}

func TestRefusedStatusLines(t *testing.T) {
	for _, line := range []string{"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 200OK", "HTTP/1.1  200 OK", "HTTP/1.1 +20 OK",
		"HTTP/1.1 099 x", "HTTP/1.2 200 OK", "http/1.1 200 OK", "ICY 200 OK  ", "HTTP/2.0 200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200 a\rb", "HTTP/1.1 200 \x00"} {
		if _, _, _, err := parseStatus(line); !errors.Is(err, errReply) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// A kernel error is a lost connection, never a message that breaks HTTP.
func TestErrorKinds(t *testing.T) {
	for err, want := range map[error]wire.ErrorKind{
		io.EOF: wire.KindAborted, io.ErrUnexpectedEOF: wire.KindAborted, net.ErrClosed: wire.KindAborted, errHeadTooLarge: wire.KindTooLarge,
		errTooManyHeaders: wire.KindTooLarge, errReply: wire.KindProtocol, errChunkSize: wire.KindProtocol,
		sysErr("EHOSTUNREACH"): wire.KindAborted, sysErr("ECONNRESET"): wire.KindAborted, sysErr("ETIMEDOUT"): wire.KindTimeout,
	} {
		if got := readKind(err); got != want {
			t.Errorf("%v: kind %d, want %d", err, got, want)
		}
	}
	if got := writeKind(sysErr("EHOSTUNREACH")); got != wire.KindAborted {
		t.Errorf("a write that fails in the kernel: kind %d", got)
	}
}

func sysErr(name string) error {
	return os.NewSyscallError("read", map[string]syscall.Errno{
		"EHOSTUNREACH": syscall.EHOSTUNREACH, "ECONNRESET": syscall.ECONNRESET, "ETIMEDOUT": syscall.ETIMEDOUT,
	}[name])
}
