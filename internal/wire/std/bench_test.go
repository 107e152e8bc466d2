package std

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"sallyport/internal/wire"
)

// The figures beside each benchmark are allocations a request, server and
// client together, Go 1.26 on amd64; times depend on the machine.

// BenchmarkServe: 1 KB answer over one kept connection, our transport as client.
// 72 allocs/op.
func BenchmarkServe(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	addr, _ := start(b, ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "application/json", body)
	})
	tr := transport(b, TransportConfig{})
	header := wire.Header{{Name: "Accept", Value: "*/*"}, {Name: "Api-Key", Value: "0123456789abcdef"}}
	b.ReportAllocs()
	for b.Loop() {
		in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: addr, Target: "/x?y=1", Header: header})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, in.Body)
		_ = in.Body.Close()
	}
}

// BenchmarkRelay: POST of 1 KB through the smallest proxy; 163 allocs/op for
// two hops.
func BenchmarkRelay(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	backend, _ := start(b, ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_, _ = io.Copy(io.Discard, r.Body)
		wire.Reply(w, 200, "application/json", body)
	})
	proxy, _ := start(b, ServerConfig{}, relay(transport(b, TransportConfig{}), backend))
	client := transport(b, TransportConfig{})
	b.ReportAllocs()
	for b.Loop() {
		in, err := client.RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http", Authority: proxy, Target: "/",
			Body: bytes.NewReader(body), ContentLength: int64(len(body))})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, in.Body)
		_ = in.Body.Close()
	}
}

func benchHeader() http.Header {
	return http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "Api-Key": {"0123456789abcdef"},
		"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "X-Request-Id": {"1"}}
}

// BenchmarkHeaderOf: 1 allocation.
func BenchmarkHeaderOf(b *testing.B) {
	m := benchHeader()
	b.ReportAllocs()
	for b.Loop() {
		headerOf(m)
	}
}

// BenchmarkHeaderMap: 3 allocations.
func BenchmarkHeaderMap(b *testing.B) {
	h, _ := headerOf(benchHeader())
	b.ReportAllocs()
	for b.Loop() {
		headerMap(h)
	}
}

func TestAllocationsOfTheBridge(t *testing.T) {
	m := benchHeader()
	h, _ := headerOf(m)
	out := &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "a:1", Target: "/x", Header: h}
	tr := new(Transport)
	for _, tc := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"headerOf", 1, func() { headerOf(m) }},
		{"headerMap", 5, func() { headerMap(h) }},
		{"request", 8, func() { tr.request(context.Background(), out) }},
	} {
		if n := testing.AllocsPerRun(200, tc.f); n > tc.max {
			t.Errorf("%s: %v allocations, budget %v", tc.name, n, tc.max)
		}
	}
}
