//go:build linux

package h1

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

func serve(t testing.TB, cfg wire.ServerConfig, h wire.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(cfg, h)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// talk sends text on a new connection, ends the sending side and returns all
// that comes back.
func talk(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%v after %q", err, b)
	}
	return string(b)
}

func echo(_ context.Context, r *wire.Request, w wire.Responder) {
	var body []byte
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			wire.Reply(w, 400, "", nil)
			return
		}
		body = b
	}
	wire.Reply(w, 200, "text/plain", fmt.Appendf(nil, "%s %s %s %d [%s]", r.Method, r.Target, r.Host, r.ContentLength, body))
}

func TestPipelinedRequestsAreServedInOrder(t *testing.T) {
	addr := serve(t, wire.ServerConfig{}, echo)
	got := talk(t, addr, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"+
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX: y\r\n\r\n"+
		"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"POST /1 a 3 [abc]", "POST /2 a -1 [abc]", "GET /3 a 0 []"} {
		i := strings.Index(got, want)
		if i < 0 {
			t.Fatalf("no %q in %q", want, got)
		}
		got = got[i:]
	}
}

// Bodies of sizes around the buffer classes, in memory and streamed, with and
// without a length, come back whole.
func TestBodiesOfEverySizeBothWays(t *testing.T) {
	addr := serve(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, r.ContentLength)
		for r.Body != nil {
			p, err := r.Body.(wire.Chunks).Next()
			if _, werr := w.Write(p); werr != nil {
				t.Error(werr)
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			_ = w.Flush()
		}
	})
	tr := NewTransport(wire.TransportConfig{})
	defer tr.CloseIdle()
	for _, n := range []int{0, 1, 1000, 4095, 4096, 5000, 16 << 10, 70 << 10, 1 << 20, 10 << 20} {
		for _, how := range []string{"bytes", "length", "chunked"} {
			want := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/", ContentLength: int64(n)}
			switch how {
			case "bytes":
				out.Bytes = want
			case "length":
				out.Body = bytes.NewReader(want)
			default:
				out.Body, out.ContentLength = bytes.NewReader(want), -1
			}
			in, err := tr.RoundTrip(context.Background(), out)
			if err != nil {
				t.Fatalf("%s %d: %v", how, n, err)
			}
			got, err := io.ReadAll(in.Body)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s %d: %d bytes, %v", how, n, len(got), err)
			}
			_ = in.Body.Close()
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	reply := make([]byte, 1000)
	addr := serve(b, wire.ServerConfig{WriteTimeout: 30 * time.Second}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "application/json", reply)
	})
	tr := NewTransport(wire.TransportConfig{})
	out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/", Bytes: make([]byte, 300), ContentLength: 300,
		Header: wire.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "api-key", Value: "0123456789"}}, HeadTimeout: 300 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		in, err := tr.RoundTrip(context.Background(), out)
		if err != nil {
			b.Fatal(err)
		}
		body := in.Body.(wire.Chunks)
		for err == nil {
			_, err = body.Next()
		}
		_ = in.Body.Close()
	}
}
