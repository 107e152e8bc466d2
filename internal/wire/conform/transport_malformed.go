package conform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// malformedChecks are about answers that break HTTP.
func malformedChecks() []check {
	checks := []check{
		{name: "an answer of broken shape leaves no connection behind", run: brokenNotReused},
		{name: "answers shorter than they say", run: shortAnswers},
		{name: "answers longer than they say", run: longAnswers},
		{name: "answer headers too large", run: hugeAnswerHead},
		{name: "chunk extensions without end", run: hugeExtensions},
		{name: "trailers without end", run: hugeTrailers},
		{name: "interim answers without end", run: endlessInterim},
	}
	for _, m := range malformedAnswers() {
		checks = append(checks, check{name: "malformed answer: " + m.name, run: func(t *testing.T, e Engine) {
			b := play(t, once(m.answer))
			_ = fails(t, transport(t, e, wire.TransportConfig{}), b.get("/"), m.kind)
		}})
	}
	return checks
}

type malformed struct {
	name, answer string
	kind         wire.ErrorKind
}

func malformedAnswers() []malformed {
	return slices.Concat(malformedHeads(), malformedStatusLines(), malformedChunks())
}

const chunkedLine = "Transfer-Encoding: chunked"

// answerWith is the head of an answer with these lines.
func answerWith(lines ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func malformedHeads() []malformed {
	head, chunked, p := answerWith, chunkedLine, wire.KindProtocol
	return []malformed{
		{"length and coding", head("Content-Length: 3", chunked) + "3\r\nabc\r\n0\r\n\r\n", p},
		{"coding and length", head(chunked, "Content-Length: 3") + "3\r\nabc\r\n0\r\n\r\n", p},
		{"two lengths", head("Content-Length: 2", "Content-Length: 3") + "abc", p},
		{"the same length twice", head("Content-Length: 2", "Content-Length: 2") + "ok", p},
		{"a list of lengths", head("Content-Length: 2, 2") + "ok", p},
		{"a negative length", head("Content-Length: -2") + "ok", p},
		{"a length with a sign", head("Content-Length: +2") + "ok", p},
		{"a length in hex", head("Content-Length: 0x2") + "ok", p},
		{"a length with a letter", head("Content-Length: 2a") + "ok", p},
		{"a length with a space inside", head("Content-Length: 1 0") + "0123456789", p},
		{"an empty length", head("Content-Length:") + "ok", p},
		{"a length beyond 64 bits", head("Content-Length: 18446744073709551618") + "ok", p},
		{"unknown coding", head("Transfer-Encoding: gzip") + "ok", p},
		{"coding list", head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", p},
		{"coding twice", head(chunked, chunked) + "0\r\n\r\n", p},
		{"coding with a vertical tab", head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n", p},
		{"identity coding", head("Transfer-Encoding: identity") + "ok", p},
		{"coding in HTTP/1.0", "HTTP/1.0 200 OK\r\n" + chunked + "\r\n\r\n0\r\n\r\n", p},
		{"white space before the colon", head("Content-Length : 2") + "ok", p},
		{"coding with white space before the colon", head("Transfer-Encoding : chunked") + "0\r\n\r\n", p},
		{"folded line", head("X: a", " b", "Content-Length: 2") + "ok", p},
		{"first line folded", head(" X: a", "Content-Length: 2") + "ok", p},
		{"line without a colon", head("X", "Content-Length: 2") + "ok", p},
		{"empty name", head(": x", "Content-Length: 2") + "ok", p},
		{"NUL in a value", head("X: a\x00b", "Content-Length: 2") + "ok", p},
		{"bare CR in a value", head("X: a\rb", "Content-Length: 2") + "ok", p},
		{"control byte in a value", head("X: a\x01b", "Content-Length: 2") + "ok", p},
		{"name with a space", head("X Y: a", "Content-Length: 2") + "ok", p},
		{"name with a control byte", head("X\x01: a", "Content-Length: 2") + "ok", p},
		{"bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", p},
		{"bare LF after a header", "HTTP/1.1 200 OK\r\nContent-Length: 2\nX: 1\r\n\r\nok", p},
		{"bare LF at the end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", p},
		{"length that differs by an underscore", head("Content_Length: 5", "Content-Length: 2") + "ok", p},
	}
}

func malformedStatusLines() []malformed {
	p := wire.KindProtocol
	return []malformed{
		{"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"status in letters", "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"status 0", "HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"status with a sign", "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"no version", "200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"lower-case version", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", p},
		{"a blank line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", p},
		{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok", p},
		{"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", p},
		{"nothing at all", "", wire.KindAborted},
		{"half a status line", "HTTP/1.1 20", wire.KindAborted},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", wire.KindAborted},
		{"a head without its end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", wire.KindAborted},
	}
}

func malformedChunks() []malformed {
	head, chunked, p := answerWith, chunkedLine, wire.KindProtocol
	return []malformed{
		{"bad chunk size", head(chunked) + "x\r\nabc\r\n0\r\n\r\n", p},
		{"empty chunk size", head(chunked) + "\r\nabc\r\n0\r\n\r\n", p},
		{"negative chunk size", head(chunked) + "-3\r\nabc\r\n0\r\n\r\n", p},
		{"chunk size in 0x", head(chunked) + "0x3\r\nabc\r\n0\r\n\r\n", p},
		{"chunk size beyond 64 bits", head(chunked) + "10000000000000003\r\nabc\r\n0\r\n\r\n", p},
		{"chunk size of many zeros", head(chunked) + strings.Repeat("0", 400) + "3\r\nabc\r\n0\r\n\r\n", p},
		{"chunk size with a space behind", head(chunked) + "3 \r\nabc\r\n0\r\n\r\n", p},
		{"chunk without its end", head(chunked) + "3\r\nabc0\r\n\r\n", p},
		{"chunk longer than it says", head(chunked) + "3\r\nabcd\r\n0\r\n\r\n", p},
		{"chunk size ended by LF", head(chunked) + "3\nabc\r\n0\r\n\r\n", p},
		{"chunk ended by LF", head(chunked) + "3\r\nabc\n0\r\n\r\n", p},
		{"chunk extension with CR", head(chunked) + "3;a\rb\r\nabc\r\n0\r\n\r\n", p},
		{"trailer without a colon", head(chunked) + "0\r\nX\r\n\r\n", p},
		{"trailer of framing", head(chunked) + "0\r\nContent-Length: 5\r\n\r\n", p},
	}
}

// After an answer of broken shape nobody knows where the next one begins.
func brokenNotReused(t *testing.T, e Engine) {
	for _, m := range malformedAnswers() {
		if m.kind != wire.KindProtocol {
			continue
		}
		b := play(t, func(p *peer, n int) {
			for i := 1; ; i++ {
				if _, ok := p.next(); !ok {
					return
				}
				if i == 1 && n == 1 {
					p.trySend(m.answer)
				} else {
					p.trySend(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n))
				}
			}
		})
		tr := transport(t, e, wire.TransportConfig{})
		ctx, cancel := context.WithTimeout(context.Background(), short)
		first := call(ctx, tr, b.get("/"))
		cancel()
		if first.err == nil {
			continue // told by the check of this answer
		}
		if r := must(t, tr, b.get("/")); r.body != "2" {
			t.Errorf("%s: the next answer came on connection %s", m.name, r.body)
		}
	}
}

func shortAnswers(t *testing.T, e Engine) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nshort",
	} {
		b := play(t, once(answer))
		_ = fails(t, transport(t, e, wire.TransportConfig{}), b.get("/"), wire.KindAborted)
	}
}

func longAnswers(t *testing.T, e Engine) {
	b := play(t, func(p *peer, n int) {
		for {
			if _, ok := p.next(); !ok {
				return
			}
			p.trySend(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", n))
		}
	})
	tr := transport(t, e, wire.TransportConfig{})
	for i := range 4 {
		if r := must(t, tr, b.post("/", "x")); r.body != fmt.Sprint(i+1) {
			t.Errorf("call %d: %q", i+1, r.body)
		}
	}
}

func hugeAnswerHead(t *testing.T, e Engine) {
	cfg := wire.TransportConfig{MaxReplyHeader: 8 << 10}
	for name, lines := range map[string]string{
		"value": "X: " + strings.Repeat("a", 40_000) + "\r\n", "name": strings.Repeat("a", 40_000) + ": x\r\n", "lines": strings.Repeat("X: y\r\n", 8_000),
	} {
		b := play(t, once("HTTP/1.1 200 OK\r\n"+lines+"Content-Length: 0\r\n\r\n"))
		if err := fails(t, transport(t, e, cfg), b.get("/"), wire.KindTooLarge); err == nil {
			t.Errorf("a large %s was accepted", name)
		}
	}
	b := play(t, once("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 6_000)+"\r\nContent-Length: 0\r\n\r\n"))
	must(t, transport(t, e, cfg), b.get("/"))
	b = play(t, once("HTTP/1.1 200 "+strings.Repeat("long reason ", 10_000)+"\r\nContent-Length: 0\r\n\r\n"))
	_ = fails(t, transport(t, e, cfg), b.get("/"), wire.KindTooLarge)
}

func hugeExtensions(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		p.trySend("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
		block := strings.Repeat("x", 64<<10)
		for range 1000 {
			if _, err := p.Write([]byte(block)); err != nil {
				return
			}
		}
		t.Error("64 MB of one chunk extension were read")
	})
	_ = fails(t, transport(t, e, wire.TransportConfig{}), b.get("/"), wire.KindProtocol)
}

func hugeTrailers(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		p.trySend("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
		block := strings.Repeat("X: 0123456789\r\n", 4<<10)
		for range 1000 {
			if _, err := p.Write([]byte(block)); err != nil {
				return
			}
		}
		t.Error("64 MB of trailers were read")
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r := call(ctx, transport(t, e, wire.TransportConfig{}), b.get("/")); r.err == nil || ctx.Err() != nil {
		t.Errorf("%v", r.err)
	}
}

func endlessInterim(t *testing.T, e Engine) {
	b := play(t, func(p *peer, _ int) {
		if _, ok := p.next(); !ok {
			return
		}
		block := strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: 0123456789\r\n\r\n", 1000)
		for range 1000 {
			if _, err := p.Write([]byte(block)); err != nil {
				return
			}
		}
		t.Error("a million interim answers were read")
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r := call(ctx, transport(t, e, wire.TransportConfig{}), b.get("/")); r.err == nil || ctx.Err() != nil {
		t.Errorf("%v", r.err)
	}
}
