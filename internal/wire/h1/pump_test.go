//go:build linux

package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// shown is a body that shows its pieces, as those of this engine do.
type shown struct{ piece []byte }

func (s *shown) Next() ([]byte, error)    { return s.piece, nil }
func (s *shown) Read([]byte) (int, error) { return 0, io.EOF }
func (s *shown) Close() error             { return nil }

// A piece that a body has shown lies in memory that serves somebody else as
// soon as the call is over: a write that still runs is waited for.
func TestThePumpLetsGoOfThePieceBeforeTheCallEnds(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	writing, closed := make(chan struct{}), make(chan struct{})
	var returned atomic.Bool
	h := &hooked{Conn: ours, write: func(p []byte) (int, bool, error) {
		close(writing)
		<-closed
		time.Sleep(20 * time.Millisecond) // still looking at p
		returned.Store(true)
		return 0, true, net.ErrClosed
	}}
	u := &upstream{h: &host{}}
	u.init(h, nil, new(buffers))
	p := startPump(u, &shown{piece: []byte("x")}, 1)
	within(t, "the pump writes", writing)
	close(closed)
	p.end()
	if !returned.Load() {
		t.Error("the pump still looks at a piece of a body that has ended")
	}
	within(t, "the pump ends", p.gone)
}

// A pump that is told to stop while it waits for a piece does not send it.
func TestAPieceThatComesTooLateIsNotSent(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	reading, goOn := make(chan struct{}), make(chan struct{})
	h := &hooked{Conn: ours, write: func([]byte) (int, bool, error) { t.Error("it is sent"); return 0, true, net.ErrClosed }}
	u := &upstream{h: &host{}}
	u.init(h, nil, new(buffers))
	p := startPump(u, readerFunc(func(b []byte) (int, error) { close(reading); <-goOn; return copy(b, "x"), io.EOF }), -1)
	within(t, "the pump reads", reading)
	p.end()
	close(goOn)
	within(t, "the pump ends", p.gone)
}

// A pump that has only to return from its last write is waited for, so that the
// connection is kept; one that cannot send is not.
func TestThePumpHasAMomentAfterItsLastWrite(t *testing.T) {
	p := &pump{gone: make(chan struct{}), moment: time.Minute}
	p.ending.Store(true)
	go func() {
		p.mu.Lock()
		p.wrote = true
		p.mu.Unlock()
		close(p.gone)
	}()
	if !p.finished() {
		t.Error("the connection of a call that has sent everything is dropped")
	}
	stuck := &pump{gone: make(chan struct{}), moment: time.Minute}
	if stuck.finished() {
		t.Error("a body that has not been sent counts as sent")
	}
	stuck.moment = time.Nanosecond
	stuck.ending.Store(true)
	if stuck.finished() {
		t.Error("a last write that hangs counts as done")
	}
}

// The backend answers at once and reads nothing: the answer arrives, and the
// memory of the body is free when the call has ended.
func TestABackendThatAnswersFirstAndNeverReads(t *testing.T) {
	over := make(chan struct{})
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nabc")
		<-over
	})
	defer close(over)
	for name, out := range map[string]*wire.Outgoing{
		"bytes":  {Bytes: make([]byte, 64<<20), ContentLength: 64 << 20},
		"length": {Body: bytes.NewReader(make([]byte, 64<<20)), ContentLength: 64 << 20},
		"chunks": {Body: bytes.NewReader(make([]byte, 64<<20)), ContentLength: -1},
	} {
		tr := transport(t, wire.TransportConfig{})
		out.Method, out.Scheme, out.Authority, out.Target = "POST", "http", addr, "/"
		if in, body := fetch(t, tr, out); in.Status != 413 || body != "abc" {
			t.Errorf("%s: %d %q", name, in.Status, body)
		}
		clear(out.Bytes) // the race detector tells when the pump still reads it
		if n := openPlaces(tr, addr); n != 0 {
			t.Errorf("%s: a connection with half a request is kept", name)
		}
	}
}

// A switch of protocols before the request has ended would mix its body with
// the new protocol.
func TestNoSwitchBeforeTheRequestHasEnded(t *testing.T) {
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = r.ReadString(0)
	})
	tr := transport(t, wire.TransportConfig{})
	goOn := make(chan struct{})
	defer close(goOn)
	_, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: addr, Target: "/", Upgrade: "x",
		Body: readerFunc(func([]byte) (int, error) { <-goOn; return 0, io.EOF }), ContentLength: -1})
	if !errors.Is(err, errReply) || openPlaces(tr, addr) != 0 {
		t.Errorf("%v, %d places taken", err, openPlaces(tr, addr))
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	tr := transport(t, wire.TransportConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("it is dialled")
		return nil, io.EOF
	}})
	for name, change := range map[string]func(*wire.Outgoing){
		"method":       func(o *wire.Outgoing) { o.Method = "G T" },
		"no method":    func(o *wire.Outgoing) { o.Method = "" },
		"CONNECT":      func(o *wire.Outgoing) { o.Method = "CONNECT" },
		"target":       func(o *wire.Outgoing) { o.Target = "/a HTTP/1.1\r\nX: y" },
		"relative":     func(o *wire.Outgoing) { o.Target = "a" },
		"no target":    func(o *wire.Outgoing) { o.Target = "" },
		"header name":  func(o *wire.Outgoing) { o.Header = wire.Header{{Name: "A: b\r\nC", Value: "d"}} },
		"header value": func(o *wire.Outgoing) { o.Header = wire.Header{{Name: "A", Value: "b\r\nC: d"}} },
		"host":         func(o *wire.Outgoing) { o.Host = "a\r\nX: y" },
		"protocol":     func(o *wire.Outgoing) { o.Upgrade = "x\r\nX: y" },
		"two bodies":   func(o *wire.Outgoing) { o.Body, o.Bytes = strings.NewReader(""), []byte("GET /smuggled") },
	} {
		out := get("a.example", "/")
		change(out)
		if _, err := tr.RoundTrip(context.Background(), out); wire.KindOf(err) != wire.KindProtocol {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that answers before it has the request may close at any moment. The
// next call, which must not be sent twice, goes elsewhere.
func TestAnEarlyAnswerEndsItsConnection(t *testing.T) {
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
		_, _ = r.ReadString(0)
	})
	tr := transport(t, wire.TransportConfig{})
	goOn := make(chan struct{})
	in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/",
		Body: readerFunc(func([]byte) (int, error) { <-goOn; return 1, io.EOF }), ContentLength: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := in.Body.(*answer).pump
	close(goOn)
	within(t, "the rest is sent", p.gone)
	if b := finish(t, in.Body); b != "x" || openPlaces(tr, addr) != 0 {
		t.Errorf("%q, and %d connections are kept", b, openPlaces(tr, addr))
	}
}
