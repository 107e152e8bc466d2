package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRelayStopsAtTheEndOfTheBody(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, body := range map[string]string{
		"chunks":    "2\r\nab\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
		"extension": "2;a=b\r\nab\r\n0;c\r\n\r\n",
		"trailer":   "1\r\na\r\n0\r\nX: 1\r\nY: 2\r\n\r\n",
		"empty":     "0\r\n\r\n",
		"line ends": "4\r\n\r\n\r\n\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := head + body
			for n := 1; n <= len(want); n++ {
				// A reader that returns n bytes at a time, with more behind the body.
				r := bufio.NewReaderSize(&pieces{[]byte(want + "HTTP/1.1 next"), n}, 4096)
				var out bytes.Buffer
				if err := relayChunked(&out, r, len(head)); err != nil {
					t.Fatal(err)
				}
				if out.String() != want {
					t.Fatalf("pieces of %d: %q", n, out.String())
				}
			}
		})
	}
	if err := relayChunked(io.Discard, bufio.NewReader(strings.NewReader(head+"5\r\nab")), len(head)); err == nil {
		t.Error("a body that is cut must be an error")
	}
}

type pieces struct {
	left []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.left)
	p.left = p.left[n:]
	return n, nil
}

// TestEveryKindDoesTheWork sends a plain request, a stream and a wrong key
// through each proxy.
func TestEveryKindDoesTheWork(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("api-key") != "backend-key" {
			http.Error(w, "wrong key", http.StatusForbidden)
			return
		}
		if string(b) == "stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				_, _ = io.WriteString(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
			}
			return
		}
		_, _ = w.Write(append([]byte("echo "), b...))
	}))
	defer backend.Close()
	for _, kind := range []string{"reverse", "naive", "own", "fasthttp", "raw"} {
		t.Run(kind, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			p := &proxy{upstream: backend.Listener.Addr().String(), backendKey: "backend-key", keys: map[string]int{"k": 1}}
			p.pool.addr = p.upstream
			p.copies.New = func() any { b := make([]byte, 16<<10); return &b }
			go func() { _ = p.serve(kind, l) }()
			large := strings.Repeat("0123456789", 7000)
			for body, want := range map[string]string{"hello": "echo hello", "stream": "data: x\n\ndata: x\n\ndata: x\n\n", large: "echo " + large} {
				if status, got := post(t, l.Addr(), "k", body); status != 200 || got != want {
					t.Errorf("%.10s: %d %.100q", body, status, got)
				}
			}
			if status, _ := post(t, l.Addr(), "other", "x"); status != 401 {
				t.Errorf("a wrong key got %d", status)
			}
		})
	}
}

func post(t *testing.T, addr net.Addr, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+addr.String()+"/x", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("api-key", key)
	a, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Error(err)
	}
	return a.StatusCode, string(b)
}
