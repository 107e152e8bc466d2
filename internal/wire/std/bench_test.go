//go:build !race

// The race detector empties pools at random, so that allocations mean nothing
// under it: these tests and benchmarks are built without it only.

package std

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// The figures beside each benchmark are allocations a request, server and
// client together, Go 1.26 on amd64; times depend on the machine.

// BenchmarkServe: 1 KB answer over one kept connection, our transport as client.
// 70 allocs/op.
func BenchmarkServe(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	addr, _ := start(b, wire.ServerConfig{}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 200, "application/json", body)
	})
	tr := transport(b, wire.TransportConfig{})
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

// BenchmarkRelay: POST of 1 KB through the smallest proxy; 160 allocs/op for
// two hops.
func BenchmarkRelay(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	backend, _ := start(b, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_, _ = io.Copy(io.Discard, r.Body)
		wire.Reply(w, 200, "application/json", body)
	})
	proxy, _ := start(b, wire.ServerConfig{}, relay(transport(b, wire.TransportConfig{}), backend))
	client := transport(b, wire.TransportConfig{})
	b.ReportAllocs()
	for b.Loop() {
		in, err := client.RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http", Authority: proxy, Target: "/",
			Bytes: body, ContentLength: int64(len(body))})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, in.Body)
		_ = in.Body.Close()
	}
}

// relayed serves streams of events of 343 bytes through the smallest proxy and
// returns a closure that asks for one with n events.
func relayed(t testing.TB) func(n int) {
	event := []byte("data: " + strings.Repeat("x", 335) + "\n\n")
	backend, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
		n, _ := strconv.Atoi(r.Target[1:])
		for range n {
			_, _ = w.Write(event)
			_ = w.Flush()
		}
	})
	proxy, _ := start(t, wire.ServerConfig{WriteTimeout: time.Minute}, relay(transport(t, wire.TransportConfig{}), backend))
	client := transport(t, wire.TransportConfig{})
	sink := make([]byte, 4096)
	return func(n int) {
		in, err := client.RoundTrip(context.Background(), get(proxy, "/"+strconv.Itoa(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Body.Close()
		got := 0
		for err == nil {
			n, e := in.Body.Read(sink)
			got, err = got+n, e
		}
		if err != io.EOF || got != n*len(event) {
			t.Fatalf("%d bytes, %v", got, err)
		}
	}
}

// BenchmarkRelayEvents: one stream of 1,000 events through the smallest proxy,
// three engines' work in all. 1.3 allocs an event, all of them net/http's
// printing of chunk lengths; ours is 0.
func BenchmarkRelayEvents(b *testing.B) {
	ask := relayed(b)
	b.ReportAllocs()
	for b.Loop() {
		ask(1000)
	}
}

// A further event of a stream costs no allocation of ours. net/http makes one
// for each chunk it writes, for the number in front of it; there are two servers
// here. The rest of the tolerance is for pools emptied by the collector.
func TestEventsAllocateNothing(t *testing.T) {
	ask := relayed(t)
	ask(10)
	short := testing.AllocsPerRun(5, func() { ask(10) })
	long := testing.AllocsPerRun(5, func() { ask(1010) })
	if per := (long - short) / 1000; per > 2.1 {
		t.Errorf("%.2f allocations an event (%v for 10, %v for 1,010)", per, short, long)
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
		{"request", 7, func() { tr.request(context.Background(), out, nil) }},
	} {
		if n := testing.AllocsPerRun(200, tc.f); n > tc.max {
			t.Errorf("%s: %v allocations, budget %v", tc.name, n, tc.max)
		}
	}
}
