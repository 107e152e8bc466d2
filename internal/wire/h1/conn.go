//go:build linux

package h1

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"sallyport/internal/wire"
)

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
	body   *inbound
	resp   responder
	now    time.Time // when the running request began to arrive
	sentAt time.Time // when its answer left, zero when that is unknown

	mu       sync.Mutex
	scope    *scope
	busy     bool // a request is being served
	closed   bool
	left     bool  // the client has ended its side
	lost     bool  // the connection is broken both ways
	giving   error // the server gives up
	hijacked bool
	isStream bool
	fresh    bool // no request yet
	spoken   bool // it has spoken HTTP/1.1, and must go on to
	blank    bool // an empty line came before the request
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, fresh: true, scheme: "http", remote: wire.AddrPort(nc.RemoteAddr()), local: wire.AddrPort(nc.LocalAddr())}
	c.init(nc, readSocketOf(nc), &s.pool)
	c.resp.c, c.body = c, &inbound{c: c}
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
	if c.buf != nil && !c.isStream { // a stream may still be read from
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
		now := c.sentAt // the answer before this has just left
		if now.IsZero() {
			now = time.Now()
		}
		c.sentAt = time.Time{}
		c.readWithin(now, wait)
		// Others that are ready go first. Under load the next request is here
		// when they have had their turn, and need not be waited for.
		runtime.Gosched()
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
			c.release() // the wait for an answer may be long
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
		if c.blank {
			return false
		}
		c.blank = true
		c.use(2)
		return true
	}
	return false
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
	c.blank = false
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
	c.spoken = true
	c.body.start(&f)
	if c.body.state != bodyNone {
		c.req.Body, c.req.ContentLength = c.body, f.length
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
	left := c.body.rest()
	c.forgetRequest()
	switch {
	case c.resp.stream != nil:
		return false
	case err != nil || c.resp.aborted:
		c.cut()
		return false
	case left || c.resp.close && (len(c.unread()) > 0 || c.readable()):
		c.linger()
		return false
	}
	return !c.resp.close && c.rest()
}

// maxKeptHeaders is how many header lines an idle connection keeps memory for.
const maxKeptHeaders = 64

// forgetRequest lets go of the request. Its body is not used again: a
// transport may still hold it, and would read or close that of the next one.
func (c *conn) forgetRequest() {
	if c.req.Body != nil {
		c.mu.Lock()
		c.body = &inbound{c: c, eof: true}
		c.mu.Unlock()
	}
	c.req = wire.Request{}
	if cap(c.header) > maxKeptHeaders {
		c.header = nil
		return
	}
	clear(c.header[:cap(c.header)])
	c.header = c.header[:0]
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
	if c.scope == nil || c.scope.Err() != nil { // it may have ended between two requests
		c.scope = new(scope)
	}
	switch {
	case c.giving != nil:
		c.scope.end(c.giving)
	case c.lost || c.left && c.body.complete():
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

// gone is called when the client has closed its side, or lost the connection.
// In the first case a request body that is still being read may be complete in
// the socket all the same; its reader then finds the end and says so.
func (c *conn) gone(lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.lost = true, c.lost || lost
	if c.busy && !c.isStream && c.scope != nil && (c.lost || c.body.complete()) {
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
		_ = innermost(c.nc).Close() // TLS would wait to say goodbye
	}
}

// cut makes the end of a broken answer visible where only closing ends it: by
// a reset. A client that took nothing in time is reset too, since the kernel
// would otherwise hold what it did not take.
func (c *conn) cut() {
	if c.resp.mode != bodyUntilClose && wire.KindOf(c.resp.failed) != wire.KindTimeout {
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
	c.unwatch() // the stream may be closed, and its descriptor given to another connection
	c.readBy, c.writeBy = time.Time{}, time.Time{}
	_ = c.nc.SetDeadline(time.Time{})
}
