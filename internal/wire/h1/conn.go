//go:build linux

package h1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// preface begins HTTP/2 connections (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// conn is one connection of a client.
type conn struct {
	sock
	s             *Server
	remote, local netip.AddrPort
	tlsVersion    string
	scheme        string
	watched       int32 // descriptor at the watcher, 0 = none

	req    wire.Request
	header wire.Header
	body   inbound
	resp   responder
	now    time.Time // when the running request began to arrive

	mu       sync.Mutex
	scope    *scope
	busy     bool // a request is being served
	closed   bool
	left     bool  // the client has ended its side
	giving   error // the server gives up
	hijacked bool
	isStream bool
	fresh    bool // no request yet
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, fresh: true, scheme: "http", remote: wire.AddrPort(nc.RemoteAddr()), local: wire.AddrPort(nc.LocalAddr())}
	c.init(nc, readSocketOf(nc), &s.pool)
	c.resp.c, c.body.c = c, c
	return c
}

func (c *conn) serve() {
	defer c.s.forget(c)
	defer c.end()
	if c.s.cfg.TLS != nil && !c.secure() {
		return
	}
	for c.next() {
	}
}

// secure does the TLS handshake; false when there is nothing more to do here.
func (c *conn) secure() bool {
	t, err := c.s.handshake(c.nc)
	if err != nil {
		return false
	}
	state := t.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		c.handOver(t)
		return false
	}
	c.sockOver(t)
	c.scheme, c.tlsVersion = "https", wire.TLSVersion(state.Version)
	return true
}

// sockOver puts TLS between the connection and what was read so far: nothing.
func (c *conn) sockOver(t *tls.Conn) {
	c.nc, c.raw = t, nil
}

// handOver gives the connection to the engine that speaks HTTP/2.
func (c *conn) handOver(nc net.Conn) {
	c.mu.Lock()
	c.hijacked = true
	c.mu.Unlock()
	c.s.h2.ServeConn(nc)
}

// end closes the connection, unless it belongs to somebody else by now.
func (c *conn) end() {
	c.unwatch()
	c.mu.Lock()
	c.closed = true
	taken := c.hijacked
	c.mu.Unlock()
	if !taken {
		_ = c.nc.Close()
	}
	if c.buf != nil {
		c.pool.put(c.detach())
	}
}

// next serves one request; false ends the connection.
func (c *conn) next() bool {
	head, ok := c.readHead()
	if !ok {
		return false
	}
	refused := c.parse(head)
	if refused != nil {
		c.refuse(refused)
		return false
	}
	return c.serveRequest()
}

// readHead waits for a request and returns its head as text. The bytes are
// copied once, so that strings cut from the head may be kept.
func (c *conn) readHead() (string, bool) {
	var scan scanner
	if len(c.unread()) == 0 {
		c.release()
		wait := c.s.cfg.IdleTimeout
		if c.fresh {
			wait, c.fresh = c.s.cfg.ReadHeaderTimeout, false
		}
		c.readWithin(time.Now(), wait)
		// killIdle may have come before the deadline, which has undone it.
		if c.isClosed() || c.fill() != nil {
			return "", false
		}
	}
	if !c.begin() {
		return "", false
	}
	slow := false
	for {
		b := c.unread()
		if c.skipBlank(b) {
			b = c.unread()
		}
		n, err := scan.next(b, c.s.cfg.MaxTarget, c.s.cfg.MaxHeaderBytes)
		if err != nil {
			c.refuse(err)
			return "", false
		}
		if n > 0 {
			if c.isPreface(b) {
				return "", false
			}
			text := string(b[:n])
			c.use(n)
			return text, true
		}
		if !slow { // rare: a head in several packets
			slow = true
			c.readBy = c.now.Add(c.s.cfg.ReadHeaderTimeout)
			_ = c.nc.SetReadDeadline(c.readBy)
		}
		if err := c.fill(); err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				c.refuse(&refusal{408, "the request head took too long"})
			}
			return "", false
		}
	}
}

// skipBlank takes off one empty line in front of a request (RFC 9112 §2.2).
func (c *conn) skipBlank(b []byte) bool {
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		if c.body.blank {
			return false
		}
		c.body.blank = true
		c.use(2)
		return true
	}
	return false
}

// isPreface hands connections that begin with HTTP/2 to the other engine.
func (c *conn) isPreface(b []byte) bool {
	if len(b) < len("PRI * HTTP/2.0\r\n\r\n") || b[0] != 'P' || !bytes.HasPrefix(b, []byte(preface[:18])) || !c.s.cfg.H2C || c.s.cfg.TLS != nil {
		return false
	}
	read := append([]byte(nil), b...)
	c.readForever()
	c.unwatch()
	c.handOver(&prefixed{Conn: c.nc, read: read})
	return true
}

// begin marks the connection busy; false when the server is closing it.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.busy = true
	c.now = time.Now()
	c.body.blank = false
	return true
}

// parse fills in the request.
func (c *conn) parse(head string) error {
	line, rest, _ := strings.Cut(head, "\r\n")
	method, target, old, err := parseRequestLine(line)
	if err != nil {
		return err
	}
	if len(target) > c.s.cfg.MaxTarget {
		return errTargetTooLong
	}
	var f framing
	c.header, err = parseHeader(rest, c.header[:0], c.s.cfg.MaxHeaders, &f)
	if err != nil {
		return err
	}
	if err := f.check(old); err != nil {
		return err
	}
	if method == "CONNECT" {
		return errConnect
	}
	path, authority, ok := wire.OriginForm(target)
	if !ok || authority == "" && target[0] != '/' {
		return errStartLine
	}
	if f.hosts != 1 || !wire.ValidHost(f.host) || authority != "" && !strings.EqualFold(authority, f.host) {
		return errHost
	}
	if f.expect && old {
		f.expect = false // RFC 9110 §10.1.1: a server must ignore it
	}
	c.header = wire.DropNamedByConnection(c.header)
	proto := "HTTP/1.1"
	if old {
		proto = "HTTP/1.0"
	}
	c.req = wire.Request{
		Method: method, Scheme: c.scheme, Host: f.host, Target: path, Proto: proto, Header: c.header,
		Remote: c.remote, Local: c.local, TLSVersion: c.tlsVersion, Received: c.now,
	}
	c.body.start(&f)
	if c.body.state != bodyNone {
		c.req.Body, c.req.ContentLength = &c.body, f.length
	}
	c.resp.start(method == "HEAD", old, f.close || old && !f.keep)
	return nil
}

// serveRequest runs the handler; true keeps the connection.
func (c *conn) serveRequest() bool {
	scope := c.openScope()
	if scope == nil {
		return false
	}
	c.s.active.Add(1)
	panicked := c.run(scope)
	err := error(nil)
	if c.resp.stream == nil {
		if panicked {
			c.resp.aborted = true
		}
		err = c.resp.finish()
		c.body.finish(c.resp.aborted || err != nil)
	}
	c.s.active.Add(-1)
	c.closeScope(scope)
	c.header = c.header[:len(c.header):cap(c.header)]
	clear(c.header[:cap(c.header)])
	c.header = c.header[:0]
	switch {
	case c.resp.stream != nil:
		return false
	case err != nil || c.resp.aborted:
		c.cut()
		return false
	case c.body.rest():
		c.linger()
		return false
	}
	return !c.resp.close && c.rest()
}

// run calls the handler and catches its panic.
func (c *conn) run(ctx *scope) (panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
			if c.s.cfg.OnPanic != nil {
				c.s.cfg.OnPanic(v, debug.Stack())
			}
		}
	}()
	c.s.handler.ServeWire(ctx, &c.req, &c.resp)
	return false
}

// rest marks the connection idle; false when the server closes idle ones.
func (c *conn) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	return !c.closed && !c.s.closing.Load()
}

// openScope gives the request its context, nil when there is no time for it.
func (c *conn) openScope() *scope {
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.scope == nil {
		c.scope = new(scope)
	}
	switch {
	case c.giving != nil:
		c.scope.end(c.giving)
	case c.left && c.body.complete():
		c.scope.end(wire.ErrClientGone)
	}
	return c.scope
}

func (c *conn) closeScope(s *scope) {
	c.mu.Lock()
	if !s.reusable() {
		c.scope = nil
	}
	c.mu.Unlock()
	if c.scope == nil {
		s.end(errRequestOver) // frees what hangs on it
	}
}

var errRequestOver = errors.New("its handler has returned")

// watch asks to be told when the client hangs up.
func (c *conn) watch() {
	if c.watched != 0 || c.s.watch == nil {
		return
	}
	raw := c.raw
	if raw == nil {
		raw = socketOf(c.nc)
	}
	if raw == nil {
		return
	}
	if fd, ok := c.s.watch.add(raw, c); ok {
		c.watched = fd
	}
}

func (c *conn) unwatch() {
	if c.watched != 0 {
		c.s.watch.remove(c.watched)
		c.watched = 0
	}
}

// gone is called when the client has closed its side. A request body that is
// still being read may be complete in the socket all the same; its reader then
// finds the end and says so.
func (c *conn) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.busy && !c.isStream && c.scope != nil && c.body.complete() {
		c.scope.end(wire.ErrClientGone)
	}
}

// bodyRead is called when the request body has been read to its end.
func (c *conn) bodyRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left && c.scope != nil {
		c.scope.end(wire.ErrClientGone)
	}
}

// giveUp ends the running request's context.
func (c *conn) giveUp(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giving = cause
	if c.scope != nil {
		c.scope.end(cause)
	}
}

// killIdle closes the connection unless a request is being served.
func (c *conn) killIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy && !c.hijacked {
		c.closed = true
		_ = c.nc.SetReadDeadline(past())
	}
}

// kill closes the connection under whoever uses it.
func (c *conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if !c.hijacked {
		_ = c.nc.Close()
	}
}

// refuse answers what never reaches the handler, and closes.
func (c *conn) refuse(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = bad(err.Error())
	}
	text := wire.StatusText(r.status)
	c.writeWithin(time.Now(), 5*time.Second)
	b := make([]byte, 0, 256)
	b = appendStatus(b, r.status, text)
	b = append(b, c.s.clock.date(time.Now())...)
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "...)
	b = appendInt(b, int64(len(text)))
	b = append(b, "\r\n\r\n"...)
	if _, err := c.nc.Write(append(b, text...)); err == nil {
		c.linger()
	}
}

// cut makes the end of a broken answer visible where only closing ends it: by
// a reset.
func (c *conn) cut() {
	if c.resp.mode != bodyUntilClose {
		return
	}
	if t, ok := innermost(c.nc).(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// upgraded hands the connection to a stream: from now on only its reader and
// its writer say when it ends.
func (c *conn) upgraded() {
	c.mu.Lock()
	c.isStream = true
	c.mu.Unlock()
	c.readForever()
	c.writeBy = time.Time{}
	_ = c.nc.SetWriteDeadline(time.Time{})
}

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	read []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.read) > 0 {
		n := copy(b, p.read)
		p.read = p.read[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// NetConn returns the connection underneath.
func (p *prefixed) NetConn() net.Conn { return p.Conn }
