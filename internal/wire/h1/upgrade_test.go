//go:build linux

package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/wire"
)

const switchHead = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

// Bytes that came together with the head belong to the stream, on both sides.
func TestUpgradeKeepsWhatWasReadAhead(t *testing.T) {
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		s, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "x"}, {Name: "Connection", Value: "nonsense"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		b, err := io.ReadAll(s)
		_, _ = fmt.Fprintf(s, "%s, %v", b, err)
	})
	got := talk(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nahead")
	if !strings.HasSuffix(got, "\r\n\r\nahead, <nil>") || strings.Contains(got, "nonsense") || strings.Count(got, "Connection") != 1 {
		t.Errorf("%q", got)
	}

	backend := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, switchHead+"ahead")
		b, _ := io.ReadAll(r)
		_, _ = fmt.Fprintf(c, " and %s", b)
	})
	tr := transport(t, wire.TransportConfig{})
	out := get(backend, "/")
	out.Upgrade = "x"
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil || in.Stream == nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(in.Stream, "back")
	_ = in.Stream.CloseWrite()
	if b, err := io.ReadAll(in.Stream); string(b) != "ahead and back" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = in.Stream.Close()
	if n := openPlaces(tr, backend); n != 0 {
		t.Errorf("%d places are taken after the stream was closed", n)
	}
}

// Close wakes a reader and a writer, and both are told.
func TestCloseOfAStreamWakesBoth(t *testing.T) {
	backend := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, switchHead)
		<-t.Context().Done()
	})
	out := get(backend, "/")
	out.Upgrade = "x"
	in, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	began := make(chan struct{}, 2)
	wg.Go(func() {
		began <- struct{}{}
		if _, err := in.Stream.(wire.Chunks).Next(); wire.KindOf(err) != wire.KindAborted {
			t.Error(err)
		}
	})
	wg.Go(func() {
		began <- struct{}{}
		err := error(nil)
		for p := make([]byte, 1<<20); err == nil; {
			_, err = in.Stream.Write(p)
		}
		if wire.KindOf(err) != wire.KindAborted {
			t.Error(err)
		}
	})
	<-began
	<-began
	_ = in.Stream.Close()
	_ = in.Body.Close() // does no harm
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	within(t, "both are woken", done)
}

func TestWhereUpgradeIsRefused(t *testing.T) {
	for text, want := range map[string]error{
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n":                       errors.ErrUnsupported,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx": errHeadTwice,
	} {
		addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
			_, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "x"}})
			if !errors.Is(err, want) {
				t.Errorf("%q: %v", text, err)
			}
			wire.Reply(w, 426, "", nil)
		})
		if got := talk(t, addr, text); !strings.Contains(got, "426") {
			t.Errorf("%q", got)
		}
	}
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		for _, h := range []wire.Header{{{Name: "A\r\nB", Value: "c"}}, {{Name: "Upgrade", Value: "c\r\nd"}}} {
			if _, err := w.(wire.Upgrader).Upgrade(h); !errors.Is(err, errBadField) {
				t.Error(err)
			}
		}
		wire.Reply(w, 200, "", nil)
	})
	talk(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	unasked := script(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		readHeadOf(r)
		_, _ = io.WriteString(c, switchHead)
		_, _ = r.ReadString(0)
	})
	if _, err := transport(t, wire.TransportConfig{}).RoundTrip(context.Background(), get(unasked, "/")); wire.KindOf(err) != wire.KindProtocol {
		t.Errorf("switched unasked: %v", err)
	}
}

// A client that still sends when the last answer is on its way must get it:
// closing with bytes unread would reset the connection.
func TestTheLastAnswerReachesAClientThatStillSends(t *testing.T) {
	addr := serve(t, wire.ServerConfig{}, echo)
	for range 20 {
		got := talk(t, addr, "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"+strings.Repeat("GET /more HTTP/1.1\r\nHost: a\r\n\r\n", 5000))
		if !strings.Contains(got, "/last") || strings.Contains(got, "/more") {
			t.Fatalf("%q", got)
		}
	}
}

// What an idle connection keeps of a request that was large.
func TestAnIdleConnectionForgetsItsRequest(t *testing.T) {
	c := offline(wire.ServerConfig{})
	text := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 150) + "\r\n"
	if _, err := parseWhole(c, text); err != nil {
		t.Fatal(err)
	}
	c.forgetRequest()
	if c.header != nil || c.req.Target != "" || c.req.Header != nil {
		t.Error("the lines of a large head are kept")
	}
	if _, err := parseWhole(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c.forgetRequest()
	if cap(c.header) == 0 || c.header[:1][0].Value != "" {
		t.Error("a small head keeps its memory, but not its text")
	}
}
