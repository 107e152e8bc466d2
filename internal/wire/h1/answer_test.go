//go:build linux

package h1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// Close comes as a read has its bytes but has not returned: the call ends all
// the same, and its place in the pool is free again.
func TestCloseTogetherWithAPiece(t *testing.T) {
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		_, _ = r.ReadString(0)
	})
	var h *hooked
	tr := transport(t, wire.TransportConfig{Dial: func(ctx context.Context, network, a string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, a)
		h = &hooked{Conn: c}
		return h, err
	}})
	in, err := tr.RoundTrip(context.Background(), get(addr, "/"))
	if err != nil {
		t.Fatal(err)
	}
	a := in.Body.(*answer)
	inner := h.Conn
	h.Conn = readsOnce{inner, "1\r\nx\r\n"}
	h.afterRead = func(int) { _ = a.Close() }
	if p, err := a.Next(); wire.KindOf(err) != wire.KindCanceled {
		t.Errorf("a closed body gives %q, %v", p, err)
	}
	if n := openPlaces(tr, addr); n != 0 {
		t.Errorf("%d places of the pool are lost", n)
	}
	_ = inner.Close()
}

// readsOnce gives text to the next read.
type readsOnce struct {
	net.Conn
	text string
}

func (r readsOnce) Read(p []byte) (int, error) { return copy(p, r.text), nil }

// Whoever closes, whenever, no place and no connection is lost.
func TestCloseAtAnyMoment(t *testing.T) {
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		for i := 0; r.Target == "/forever" || i < 3; i++ {
			if _, err := w.Write([]byte("data: x\n\n")); err != nil || w.Flush() != nil {
				return
			}
		}
	})
	tr := transport(t, wire.TransportConfig{MaxConnsPerHost: 2})
	for i := range 400 {
		ctx, cancel := context.WithCancel(context.Background())
		in, err := tr.RoundTrip(ctx, get(addr, [2]string{"/forever", "/short"}[i%2]))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for err := error(nil); err == nil; {
				_, err = in.Body.(wire.Chunks).Next()
			}
		})
		time.Sleep(time.Duration(i%50) * 10 * time.Microsecond)
		if i%4 < 2 {
			cancel()
		}
		wg.Go(func() { _ = in.Body.Close() })
		wg.Wait()
		_ = in.Body.Close()
		cancel()
	}
	tr.CloseIdle()
	if n := openPlaces(tr, addr); n != 0 {
		t.Errorf("%d places of the pool are lost", n)
	}
}

func TestEndsOfAnswers(t *testing.T) {
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for head := readHeadOf(r); head != ""; head = readHeadOf(r) {
			text := map[string]string{
				"/length": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
				"/none": "HTTP/1.1 204 No Content\r\n\r\n", "/interim": "HTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
				"/more": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 Forged\r\nContent-Length: 0\r\n\r\n", "/close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
				"/old": "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "/until": "HTTP/1.1 200 OK\r\n\r\nabc", "/oldkeep": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
			}[strings.Fields(head)[1]]
			_, _ = io.WriteString(c, text)
			if strings.HasPrefix(strings.Fields(head)[1], "/until") {
				return
			}
		}
	})
	for target, kept := range map[string]int{"/length": 1, "/chunked": 1, "/none": 1, "/interim": 1, "/more": 0, "/close": 0, "/old": 0, "/until": 0, "/oldkeep": 1} {
		tr := transport(t, wire.TransportConfig{})
		in, body := fetch(t, tr, get(addr, target))
		if want := "abc"; body != want && target != "/none" || in.Status >= 300 {
			t.Errorf("%s: %d %q", target, in.Status, body)
		}
		if n := openPlaces(tr, addr); n != kept {
			t.Errorf("%s: %d connections are kept, want %d", target, n, kept)
		}
	}
}

// Heads larger than the largest pooled buffer are read up to the limit, and
// refused by it, not by a buffer that is full.
func TestLargeHeads(t *testing.T) {
	line := "X: " + strings.Repeat("a", 1000) + "\r\n"
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 "+strings.Repeat("r", 8000)+"\r\n"+strings.Repeat(line, 270)+"Content-Length: 0\r\n\r\n")
		_, _ = r.ReadString(0)
	})
	_, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), get(addr, "/"))
	if wire.KindOf(err) != wire.KindTooLarge {
		t.Errorf("a head beyond the limit: %v", err)
	}
	if in, _ := fetch(t, transport(t, wire.TransportConfig{MaxReplyHeader: 1 << 20}), get(addr, "/")); len(in.Header) != 271 {
		t.Errorf("%d header lines of 271", len(in.Header))
	}
	own := serve(t, wire.ServerConfig{MaxHeaderBytes: 1 << 20, MaxHeaders: 2000}, echo)
	if got := talk(t, own, "GET / HTTP/1.1\r\nHost: a\r\n"+strings.Repeat(line, 900)+"\r\n"); !strings.Contains(got, "200 OK") {
		t.Errorf("a head within a raised limit: %q", got)
	}
}

// A sender that breaks while the answer is read ends the call with its error.
func TestTheSenderBreaksWithinTheAnswer(t *testing.T) {
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		_, _ = r.ReadString(0)
	})
	broken, goOn := errors.New("the sender has gone"), make(chan struct{})
	tr := transport(t, wire.TransportConfig{})
	in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/",
		Body: readerFunc(func([]byte) (int, error) { <-goOn; return 0, broken }), ContentLength: -1})
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if _, err = io.ReadAll(in.Body); !errors.Is(err, broken) {
		t.Errorf("the answer ends with %v", err)
	}
	if n := openPlaces(tr, addr); n != 0 {
		t.Errorf("%d places are lost", n)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The deadline for the head is none for the body.
func TestAHeadTimeoutDoesNotEndTheBody(t *testing.T) {
	goOn := make(chan struct{})
	addr := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
		<-goOn
		_, _ = io.WriteString(c, "x")
		_, _ = r.ReadString(0)
	})
	var spoilt atomic.Bool
	tr := transport(t, wire.TransportConfig{})
	out := get(addr, "/")
	out.HeadTimeout = time.Minute
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	a := in.Body.(*answer)
	_ = a.u.nc.SetReadDeadline(past()) // as if the minute had gone by
	go func() { spoilt.Store(true); close(goOn) }()
	if b, err := io.ReadAll(in.Body); string(b) != "x" || err != nil || !spoilt.Load() {
		t.Errorf("%q, %v", b, err)
	}
}
