//go:build linux

package main

import (
	"bytes"
	"net/url"
	"strconv"

	"sallyport/bench/harness/internal/ev"
)

// take parses and answers one request at the start of d; used is 0 when more
// bytes are needed.
func (l *loop) take(c *conn, d []byte) (used int, ok bool) {
	r, used, wants100, ok := parse(d)
	if wants100 {
		l.send(c, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	if !ok || used == 0 {
		return 0, ok
	}
	c.close = r.close
	l.answer(c, &r)
	return used, true
}

func (l *loop) answer(c *conn, r *request) {
	m := l.model
	m.stats.requests.Add(1)
	if bytes.HasPrefix(r.target, []byte("/_mock/")) {
		l.control(c, string(r.target))
		return
	}
	if m.key != "" && string(r.key) != m.key {
		m.stats.authFail.Add(1)
		l.status(c, "401 Unauthorized", `{"error":{"code":"401","message":"Access denied due to invalid subscription key."}}`)
		return
	}
	path, _, _ := bytes.Cut(r.target, []byte("?"))
	c.how = m.current.Load()
	switch {
	case bytes.HasSuffix(path, []byte("/chat/completions")):
		if r.streams() {
			l.begin(c)
			return
		}
		l.reply(c, c.how.plain)
	case bytes.HasSuffix(path, []byte("/embeddings")):
		l.reply(c, c.how.embed)
	case bytes.HasSuffix(path, []byte("/models")):
		l.status(c, "200 OK", `{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1732291200,"owned_by":"openai"}]}`)
	default:
		m.stats.bad.Add(1)
		l.status(c, "404 Not Found", `{"error":{"code":"404","message":"Resource not found"}}`)
	}
}

// begin starts a stream, at once or after the time to the first token.
func (l *loop) begin(c *conn) {
	l.model.stats.streams.Add(1)
	c.kind, c.next = kindStream, 0
	c.when = ev.Now() + int64(c.how.first)
	if c.how.first == 0 {
		l.stream(c)
		return
	}
	l.due.push(c)
}

func (l *loop) status(c *conn, status, body string) {
	l.send(c, []byte("HTTP/1.1 "+status+"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body))
}

func (l *loop) control(c *conn, target string) {
	u, err := url.Parse(target)
	if err != nil {
		l.status(c, "400 Bad Request", "{}")
		return
	}
	if u.Path == "/_mock/set" {
		l.model.current.Store(l.model.current.Load().set(u.Query()))
	}
	l.status(c, "200 OK", l.model.status())
}

func (l *loop) reply(c *conn, r []byte) {
	if c.how.wait > 0 {
		c.kind, c.answer, c.when = kindReply, r, ev.Now()+int64(c.how.wait)
		l.due.push(c)
		return
	}
	l.send(c, r)
}

// fire does what was planned for c.
func (l *loop) fire(c *conn) {
	l.due.remove(c)
	if c.kind == kindReply {
		l.send(c, c.answer)
	} else {
		l.stream(c)
	}
	if l.conns[c.fd] == c && c.slot < 0 && len(c.in) > 0 { // a pipelined request waited
		used, ok := l.take(c, c.in)
		if !ok {
			l.drop(c)
			return
		}
		c.in = append(c.in[:0:0], c.in[used:]...)
	}
}
