package conform

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peer is the raw end of a connection, opposite to the engine.
type peer struct {
	net.Conn
	t        testing.TB
	br       *bufio.Reader
	scripted bool // runs in a goroutine of its own, which a panic ends
}

// errPeer ends the script of a backend.
var errPeer = errors.New("the script cannot go on")

func (p *peer) fail(format string, args ...any) {
	p.t.Helper()
	if p.scripted {
		p.t.Errorf("backend: "+format, args...)
		panic(errPeer)
	}
	p.t.Fatalf(format, args...)
}

func newPeer(t testing.TB, c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	return &peer{Conn: c, t: t, br: bufio.NewReader(c)}
}

// send writes text in one piece; a failure ends the test.
func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, text); err != nil {
		p.fail("send %.60q: %v", text, err)
	}
}

// trySend writes text where the other side may have closed already.
func (p *peer) trySend(text string) { _, _ = io.WriteString(p.Conn, text) }

// drip writes text in pieces of n bytes, each a packet of its own.
func (p *peer) drip(text string, n int) {
	for text != "" {
		k := min(n, len(text))
		if _, err := io.WriteString(p.Conn, text[:k]); err != nil {
			return
		}
		text = text[k:]
	}
}

// answer reads one answer to a request with this method.
func (p *peer) answer(method string) *message {
	p.t.Helper()
	m, err := readAnswer(p.br, method)
	if err != nil {
		p.fail("read an answer: %v (so far %+v)", err, m)
	}
	return m
}

// head reads an answer up to its body.
func (p *peer) head() *message {
	p.t.Helper()
	m, err := readHead(p.br)
	if err != nil {
		p.fail("read the head of an answer: %v", err)
	}
	return m
}

// request reads one request.
func (p *peer) request() *message {
	p.t.Helper()
	m, err := readRequest(p.br)
	if err != nil {
		p.fail("read a request: %v (so far %+v)", err, m)
	}
	return m
}

// until reads bytes until they hold text, and returns them.
func (p *peer) until(text string) string {
	p.t.Helper()
	var got bytes.Buffer
	for !strings.Contains(got.String(), text) {
		b, err := p.br.ReadByte()
		if err != nil {
			p.fail("%v while waiting for %q, after %q", err, text, got.String())
		}
		got.WriteByte(b)
	}
	return got.String()
}

// rest reads to the end of the connection.
func (p *peer) rest() (string, error) {
	b, err := io.ReadAll(p.br)
	return string(b), err
}

// ended requires that the other side closes the connection and sends nothing
// more. A reset counts too where bytes of ours may have been left unread.
func (p *peer) ended() {
	p.t.Helper()
	got, err := p.rest()
	if got != "" {
		p.t.Errorf("%.200q came where the connection should have ended", got)
	}
	if err != nil && !isReset(err) {
		p.t.Errorf("the connection was not closed: %v", err)
	}
}

// endedCleanly requires an end without a reset.
func (p *peer) endedCleanly() {
	p.t.Helper()
	if got, err := p.rest(); got != "" || err != nil {
		p.t.Errorf("got %.200q, %v where the connection should have ended", got, err)
	}
}

// reset cuts the connection with a reset.
func (p *peer) reset() {
	if c, ok := p.Conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = p.Close()
}

func (p *peer) closeWrite() {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
