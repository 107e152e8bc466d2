//go:build !race

// The race detector empties pools at random, so that allocations mean nothing
// under it: these tests and benchmarks are built without it only.

package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"testing"

	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// The allocation figures here are of the gateway alone: the engine on both
// sides is replaced by one that allocates nothing. Go 1.26 on amd64.

// canned is a backend whose answer is always the same object.
type canned struct {
	in   wire.Incoming
	body cannedBody
}

// cannedBody yields chunks pieces of piece.
type cannedBody struct {
	piece  []byte
	chunks int
	left   int
}

func (b *cannedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.left--
	return copy(p, b.piece), nil
}

func (b *cannedBody) Close() error { return nil }

// RoundTrip implements wire.Transport.
func (c *canned) RoundTrip(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
	c.body.left = c.body.chunks
	c.in.Body = &c.body
	return &c.in, nil
}

// void is a responder that takes everything.
type void struct{ status, written, flushes int }

func (v *void) WriteHead(status int, _ string, _ wire.Header, _ int64) error {
	v.status = status
	return nil
}

func (v *void) Write(p []byte) (int, error) { v.written += len(p); return len(p), nil }

func (v *void) Flush() error { v.flushes++; return nil }

// rewound is a request body that can be read again for the next round.
type rewound struct{ bytes.Reader }

func (*rewound) Close() error { return nil }

// rig is a gateway between void and canned, and one chat request.
type rig struct {
	*gateway.Gateway
	backend canned
	out     void
	in      wire.Request
	body    rewound
	text    []byte
	ctx     context.Context
}

const chatPolicy = `<policies><inbound><base /><ip-filter action="allow"><address-range from="192.0.2.0" to="192.0.2.255" /></ip-filter>
<set-header name="api-key" exists-action="override"><value>of-the-backend</value></set-header></inbound>
<backend><forward-request buffer-response="false" /></backend><outbound><base /></outbound><on-error><base /></on-error></policies>`

func newRig(t testing.TB, chunks int, change ...func(*gateway.Config)) *rig {
	s := snapshot(with(api("chat", "openai", "POST /deployments/{deployment-id}/chat/completions"), func(a *model.API) {
		a.SubscriptionRequired, a.KeyHeader, a.Policy = true, "api-key", rawPolicy(chatPolicy)
	}))
	s.Products = []*model.Product{{ID: "models", SubscriptionRequired: true, APIs: []string{"chat"}}}
	s.Subscriptions = []*model.Subscription{{ID: "s", Scope: model.ScopeProduct, ScopeID: "models", State: model.Active, PrimaryKey: secret.New("of-the-client")}}
	r := &rig{text: bytes.Repeat([]byte("x"), 300)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r.ctx = ctx
	r.backend.body = cannedBody{piece: bytes.Repeat([]byte("y"), 1024), chunks: chunks}
	r.backend.in = wire.Incoming{Status: 200, ContentLength: int64(1024 * chunks), Header: wire.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "X-Request-Id", Value: "1"}}}
	f := newFixture(t, nil, snapshot(), change...)
	f.deps.Transport = func(bool, bool) wire.Transport { return &r.backend }
	f.load(s)
	r.Gateway = f.Gateway
	r.in = wire.Request{
		Method: "POST", Scheme: "https", Host: "gw.test", Proto: "HTTP/1.1", Target: "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21",
		Header:        wire.Header{{Name: "Accept", Value: "*/*"}, {Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "bench"}, {Name: "api-key", Value: "of-the-client"}},
		ContentLength: int64(len(r.text)), Remote: netip.MustParseAddrPort("192.0.2.7:4711"),
	}
	return r
}

func (r *rig) serve() {
	r.body.Reset(r.text)
	r.in.Body = &r.body
	r.ServeWire(r.ctx, &r.in, &r.out)
}

func (r *rig) allocations(t *testing.T) float64 {
	t.Helper()
	r.serve()
	if r.out.status != 200 || r.out.written != int(r.backend.in.ContentLength) {
		t.Fatalf("status %d, %d bytes", r.out.status, r.out.written)
	}
	return testing.AllocsPerRun(300, r.serve)
}

// The budget of set-up and tear-down is 15 allocations above the engine; the
// figure is what is reached, so that a new one does not slip in.
func TestAllocationsOfARequest(t *testing.T) {
	if n := newRig(t, 1).allocations(t); n > 3 {
		t.Errorf("%v allocations a request", n)
	}
}

// A gateway that can trace, asked by nobody to do so, does what one without
// the machinery does.
func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	with := newRig(t, 1).allocations(t)
	without := newRig(t, 1, func(c *gateway.Config) { c.Traces, c.Debug = nil, nil }).allocations(t)
	if with != without {
		t.Errorf("%v allocations with tracing available, %v without", with, without)
	}
}

// Each further piece of a body, flushed as it comes, costs no allocation.
func TestStreamingAllocatesNothingPerChunk(t *testing.T) {
	short, long := newRig(t, 1), newRig(t, 1000)
	for _, r := range []*rig{short, long} {
		r.backend.in.Header[0].Value = "text/event-stream"
	}
	one, thousand := short.allocations(t), long.allocations(t)
	if thousand > one {
		t.Errorf("%v allocations for 1 chunk, %v for 1,000", one, thousand)
	}
	if long.out.flushes < 1000*301 {
		t.Errorf("%d flushes", long.out.flushes)
	}
}

// The head of a stream is flushed by itself, that of a known length is not: it
// leaves in one packet with the body.
func TestFlushesOfAnAnswer(t *testing.T) {
	for _, tc := range []struct {
		contentType string
		length      int64
		flushes     int
	}{
		{"application/json", 1024, 1},
		{"application/json", -1, 1},
		{"text/event-stream", -1, 2},
		{"text/event-stream; charset=utf-8", 1024, 2},
	} {
		r := newRig(t, 1)
		r.backend.in.Header[0].Value, r.backend.in.ContentLength = tc.contentType, tc.length
		if r.serve(); r.out.flushes != tc.flushes {
			t.Errorf("%s of length %d: %d flushes", tc.contentType, tc.length, r.out.flushes)
		}
	}
}

// BenchmarkRequest: a chat call through key, address list and key swap.
// 3 allocs/op.
func BenchmarkRequest(b *testing.B) { benchmarkRig(b, newRig(b, 1)) }

// BenchmarkRequestLogged adds the access log line.
// 4 allocs/op.
func BenchmarkRequestLogged(b *testing.B) {
	benchmarkRig(b, newRig(b, 1, func(c *gateway.Config) {
		c.AccessLog = true
		log, err := telemetry.NewLogger(io.Discard, "info", "json")
		if err != nil {
			b.Fatal(err)
		}
		c.Log = log
	}))
}

// BenchmarkRequestChunks: 1,000 pieces of 1 KB; no allocation for a piece.
func BenchmarkRequestChunks(b *testing.B) { benchmarkRig(b, newRig(b, 1000)) }

// BenchmarkRequestRefused: a call with an unknown key. 11 allocs/op.
func BenchmarkRequestRefused(b *testing.B) {
	r := newRig(b, 1)
	r.in.Header[3].Value = "of-nobody"
	benchmarkRig(b, r)
}

func benchmarkRig(b *testing.B, r *rig) {
	b.ReportAllocs()
	for b.Loop() {
		r.serve()
	}
}
