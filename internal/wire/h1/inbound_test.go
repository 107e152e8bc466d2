//go:build linux

package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// bodyOn is the body of a request on one end of a pipe.
func bodyOn(t *testing.T, nc net.Conn, length int64) *inbound {
	t.Helper()
	cfg := wire.ServerConfig{}
	cfg.Fill()
	c := newConn(&Server{cfg: cfg}, nc)
	c.body.start(&framing{length: length})
	return c.body
}

// Close and the end of the handler come at the worst moment: after the reader
// has begun and before it sets its deadline, which undoes theirs.
func TestAReaderThatIsAboutToWaitIsWoken(t *testing.T) {
	for name, wake := range map[string]func(*inbound){
		"close":  func(b *inbound) { _ = b.Close() },
		"finish": func(b *inbound) { go b.finish(false); waitClosed(b) },
	} {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		h := &hooked{Conn: ours}
		b := bodyOn(t, h, 10)
		h.beforeFuture = func() { wake(b) }
		done := make(chan struct{})
		var err error
		go func() { _, err = b.Next(); close(done) }()
		within(t, name+" wakes the reader", done)
		if wire.KindOf(err) != wire.KindCanceled || !errors.Is(err, errBodyClosed) {
			t.Errorf("%s: the reader is told %v", name, err)
		}
	}
}

func waitClosed(b *inbound) {
	for {
		b.mu.Lock()
		woken := b.woken.Load()
		b.mu.Unlock()
		if woken {
			return
		}
	}
}

// A wake-up that came together with the last bytes has spoilt the deadline of
// a connection that goes on.
func TestASpoiltDeadlineIsSetAgain(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	b := bodyOn(t, &hooked{Conn: ours, afterRead: nil}, 1)
	c := b.c
	c.nc.(*hooked).afterRead = func(int) { _ = b.Close() }
	go func() { _, _ = theirs.Write([]byte("xGET")) }()
	if p, err := b.Next(); string(p) != "x" || err != io.EOF {
		t.Fatalf("%q, %v", p, err)
	}
	c.use(len(c.unread()))
	b.finish(false)
	c.nc.(*hooked).afterRead = nil
	go func() { _, _ = theirs.Write([]byte("next")) }()
	c.readWithin(time.Now(), time.Minute)
	if err := c.fill(); err != nil {
		t.Errorf("the next request is not read: %v", err)
	}
}

// A body that somebody still holds has nothing to do with the next request of
// its connection.
func TestABodyThatIsKeptReadsNothingOfTheNextRequest(t *testing.T) {
	var kept io.ReadCloser
	addr := serve(t, wire.ServerConfig{}, func(ctx context.Context, r *wire.Request, w wire.Responder) {
		if r.Target == "/first" {
			kept = r.Body
			wire.Reply(w, 200, "", nil)
			return
		}
		if p, err := kept.(wire.Chunks).Next(); len(p) > 0 || err == nil {
			t.Errorf("the body of the first request reads %q, %v", p, err)
		}
		_ = kept.Close()
		echo(ctx, r, w)
	})
	for _, first := range []string{"abc", ""} { // left unread, and read by nobody
		got := talk(t, addr, "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"+(first + "abc")[:3]+
			"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond")
		if !strings.Contains(got, "[second]") {
			t.Errorf("the second request has lost its body: %q", got)
		}
	}
}

// A client that has not been told to continue may leave the body out: nobody
// knows what its next bytes are.
func TestNoReuseWhileTheClientWaitsToContinue(t *testing.T) {
	b := &inbound{expect: true, started: true}
	if !b.tooMuch(true) {
		t.Error("an answer in place of 100 Continue keeps the connection")
	}
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) { wire.Reply(w, 401, "", nil) })
	got := talk(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 27\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	if strings.Count(got, "HTTP/1.1") != 1 || !strings.Contains(got, "Connection: close") {
		t.Errorf("%q", got)
	}
}

func TestTheBodyIsReadByOneAtATime(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	b := bodyOn(t, ours, 10)
	if err := b.enter(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Next(); !errors.Is(err, errBodyInUse) {
		t.Error(err)
	}
	_ = b.leave(nil)
	_ = b.Close()
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, errBodyClosed) {
		t.Error(err)
	}
}

// Next and Read may be mixed.
func TestNextAfterRead(t *testing.T) {
	for _, text := range []string{"Content-Length: 6\r\n\r\nabcdef", "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"} {
		addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
			two := make([]byte, 2)
			n, err := r.Body.Read(two)
			p, end := r.Body.(wire.Chunks).Next()
			got := string(two[:n]) + string(p)
			if err != nil || end != io.EOF {
				t.Errorf("%v, %v", err, end)
			}
			if _, err := r.Body.Read(two); err != io.EOF {
				t.Error(err)
			}
			wire.Reply(w, 200, "", []byte(got))
		})
		if got := talk(t, addr, "POST / HTTP/1.1\r\nHost: a\r\n"+text); !strings.HasSuffix(got, "abcdef") {
			t.Errorf("%q", got)
		}
	}
}

// A client is told when the rest of its body may be too much to read, before it
// counts on the connection.
func TestTheEndOfTheConnectionIsSaidInTime(t *testing.T) {
	for text, closes := range map[string]bool{
		"Content-Length: 3\r\n\r\nabc": false, "Content-Length: 300000\r\n\r\nabc": true, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": false,
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n": true, "Transfer-Encoding: chunked\r\n\r\nx": true,
	} {
		addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) { wire.Reply(w, 401, "", nil) })
		got := talk(t, addr, "POST / HTTP/1.1\r\nHost: a\r\n"+text)
		if strings.Contains(got, "Connection: close") != closes {
			t.Errorf("%.40q: %q", text, got)
		}
	}
}
