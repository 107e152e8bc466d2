package conform_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/wire"
	"sallyport/internal/wire/conform"
)

// side is a server of one engine, on a Unix socket: as quick as can be, and
// with a half-close, so that nobody waits for a timeout.
type side struct {
	path string
	mu   sync.Mutex
	seen []sight
}

// sight is what a handler saw of one request.
type sight struct {
	line, body string
	header     []string
	broken     bool
}

func (s *side) ServeWire(_ context.Context, r *wire.Request, w wire.Responder) {
	v := sight{line: r.Method + " " + r.Target + " " + r.Host + " " + r.Proto, header: sorted(r.Header)}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		v.body, v.broken = string(b), err != nil
	}
	s.mu.Lock()
	s.seen = append(s.seen, v)
	s.mu.Unlock()
	if v.broken {
		wire.Reply(w, 400, "", nil)
		return
	}
	wire.Reply(w, 200, "", nil)
}

// sorted makes headers of engines with and without order comparable. What
// frames a message is not compared: net/http takes it out.
func sorted(h wire.Header) []string {
	var all []string
	for _, f := range h {
		switch name := strings.ToLower(f.Name); name {
		case "host", "transfer-encoding", "content-length", "trailer", "connection":
		default:
			all = append(all, name+": "+f.Value)
		}
	}
	slices.Sort(all)
	return all
}

func newSide(f *testing.F, e conform.Engine) *side {
	s := &side{path: filepath.Join(f.TempDir(), "s")}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		f.Fatal(err)
	}
	srv := e.NewServer(wire.ServerConfig{}, s)
	go func() { _ = srv.Serve(l) }()
	f.Cleanup(func() { _ = srv.Close() })
	return s
}

// send returns what the handler saw of data, and what was answered.
func (s *side) send(t *testing.T, data []byte) ([]sight, []byte) {
	c, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	sent := make(chan struct{})
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.UnixConn).CloseWrite()
		close(sent)
	}()
	answer, err := io.ReadAll(c)
	if err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatalf("%s: no end after %q, answered %q", s.path, data, answer)
	}
	_ = c.Close()
	<-sent
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen, answer
}

// FuzzRequestDifferential sends the same bytes to both engines. Ours may refuse
// what net/http takes; all else that it makes of them must be the same.
func FuzzRequestDifferential(f *testing.F) {
	vectors, err := conform.Vectors()
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors {
		if len(v.Send) < 2000 {
			f.Add([]byte(v.Send))
			f.Add([]byte(v.Send + "GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n"))
		}
	}
	one, two := newSide(f, netHTTP()), newSide(f, own())
	f.Fuzz(func(t *testing.T, data []byte) {
		std, _ := one.send(t, data)
		h1, answer := two.send(t, data)
		for i, got := range h1 {
			if got.broken {
				return // no worse than what net/http makes of it
			}
			if i >= len(std) || !same(std[i], got) {
				if reason := known(data, std, h1, i); reason == "" {
					t.Fatalf("request %d of %q\nstd %+v\nh1  %+v", i+1, data, std, h1)
				}
				return
			}
		}
		refused := bytes.Contains(answer, []byte("Connection: close\r\n"))
		if len(h1) < len(std) && !refused && known(data, std, h1, len(h1)) == "" {
			t.Fatalf("h1 went silent after %d requests of %q\nstd %+v\nh1  %+v\nanswered %q", len(h1), data, std, h1, answer)
		}
	})
}

func same(a, b sight) bool {
	return !a.broken && a.line == b.line && a.body == b.body && slices.Equal(a.header, b.header)
}

// known says why net/http refuses, or reads otherwise, the i-th request, which
// our engine takes.
func known(data []byte, std, h1 []sight, i int) string {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	text := strings.ToLower(string(head))
	switch {
	case bytes.HasPrefix(data, []byte("\r\n")), bytes.Contains(data, []byte("\r\n\r\n\r\n")):
		return "net/http skips a blank line behind a POST only"
	case bytes.Contains(bytes.ToLower(data), []byte("trailer")):
		return "net/http checks the names that Trailer announces, which we do not look at"
	case bytes.Contains(bytes.ToLower(data), []byte("expect")):
		return "net/http closes behind some expectations"
	case i < len(std) && i < len(h1) && strings.Contains(text, "://") && strings.EqualFold(std[i].line, h1[i].line):
		return "net/http takes the host of the target, we take Host: they differ in case alone"
	}
	return ""
}

// call is a backend that answers with given bytes, and a transport to it.
type caller struct {
	tr   wire.Transport
	mu   sync.Mutex
	data []byte
	n    int
}

func newCaller(f *testing.F, e conform.Engine) *caller {
	c := new(caller)
	path := filepath.Join(f.TempDir(), "b")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.play(conn)
		}
	}()
	c.tr = e.NewTransport(wire.TransportConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}})
	return c
}

func (c *caller) play(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	buf, n := make([]byte, 4096), 0
	for !bytes.Contains(buf[:n], []byte("\r\n\r\n")) {
		k, err := conn.Read(buf[n:])
		if err != nil {
			return
		}
		n += k
	}
	c.mu.Lock()
	data := c.data
	c.mu.Unlock()
	_, _ = conn.Write(data)
	_ = conn.(*net.UnixConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}

// ask returns what the transport makes of the bytes.
func (c *caller) ask(t *testing.T, method string, data []byte) (string, error) {
	c.mu.Lock()
	c.data = data
	// net/http may use a connection again whose bytes behind an answer it has
	// not looked at yet; another name keeps the calls apart.
	c.n++
	authority := fmt.Sprintf("b%d", c.n%512)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	in, err := c.tr.RoundTrip(ctx, &wire.Outgoing{Method: method, Scheme: "http", Authority: authority, Target: "/"})
	if err == nil {
		defer in.Body.Close()
		var b []byte
		if b, err = io.ReadAll(in.Body); err == nil {
			return fmt.Sprintf("%d %q %q %q", in.Status, in.Proto, sorted(in.Header), b), nil
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("no end of %q", data)
	}
	return "", err
}

// FuzzResponseDifferential gives both engines the same answer of a backend.
// Ours may refuse what net/http takes; what it takes must come out the same.
func FuzzResponseDifferential(f *testing.F) {
	for _, answer := range conform.Answers() {
		f.Add([]byte(answer), false)
		f.Add([]byte(answer), true)
		f.Add([]byte(answer+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), false)
	}
	one, two := newCaller(f, netHTTP()), newCaller(f, own())
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		h1, err := two.ask(t, method, data)
		if err != nil {
			if strings.Contains(err.Error(), "BUG") || wire.KindOf(err) == wire.KindOther {
				t.Fatalf("%q: %v has no kind", data, err)
			}
			return
		}
		std, err := one.ask(t, method, data)
		if (err != nil || std != h1) && knownAnswer(data, std, err) == "" {
			t.Fatalf("%s %q\nstd %s %v\nh1  %s", method, data, std, err, h1)
		}
	})
}

// knownAnswer says why net/http makes something else of an answer that our
// engine takes.
func knownAnswer(data []byte, std string, err error) string {
	lower := bytes.ToLower(data)
	switch {
	case bytes.Contains(lower, []byte("trailer")):
		return "net/http checks the names that Trailer announces, which we do not look at"
	case bytes.Contains(lower, []byte("close")):
		return "net/http takes Connection away when it says close, and the headers that it names stay"
	case err != nil && bytes.Contains(lower, []byte("http/1.1 1")):
		return "net/http reads the headers of interim answers, which we skip"
	}
	return ""
}
