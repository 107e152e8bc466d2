package conform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"sallyport/internal/wire"
)

// h2Floods are about clients that make a server work for nothing.
func h2Floods() []check {
	return []check{
		{name: "h2: header list too large", run: h2HugeHeaders},
		{name: "h2: continuation without end", run: h2ContinuationFlood},
		{name: "h2: streams opened and reset at once", run: h2RapidReset},
		{name: "h2: streams beyond the limit", run: h2TooManyStreams},
		{name: "h2: settings and pings without end", run: h2ControlFlood, alone: true},
		{name: "h2: empty frames without end", run: h2EmptyFlood},
	}
}

// reads swallows what the server sends, until the connection ends.
func (h *h2peer) reads() {
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := h.Read(buf); err != nil {
				return
			}
		}
	}()
}

func h2HugeHeaders(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server(), MaxHeaderBytes: 8 << 10, MaxTarget: 1 << 10}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if !r.Header.Has("X-Alive") {
			t.Errorf("the handler saw %d header lines, target of %d bytes", len(r.Header), len(r.Target))
		}
		wire.Reply(w, 200, "", nil)
	})
	many := getFields()
	for i := range 3000 {
		many = append(many, fmt.Sprintf("x-%d: 0123456789", i))
	}
	for name, fields := range map[string][]string{
		"one value": getFields("x: " + strings.Repeat("a", 15_000)), "many lines": many,
		"a target":   {":method: GET", ":scheme: https", ":authority: h", ":path: /" + strings.Repeat("a", 2000)},
		"many small": getFields(slices.Repeat([]string{"x: y"}, 2000)...),
	} {
		h := s.open(id)
		block := h.block(fields...)
		h.raw(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, block[:1])
		for block = block[1:]; len(block) > 0; {
			n := min(len(block), 16_000)
			h.raw(http2.FrameContinuation, 0, 1, block[:n])
			block = block[n:]
		}
		h.raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1, nil)
		if got := h.outcome(1); got != "431" && got != "414" && !strings.HasPrefix(got, "stream") && !slices.Contains([]string{"closed",
			"connection PROTOCOL_ERROR", "connection ENHANCE_YOUR_CALM", "connection COMPRESSION_ERROR"}, got) {
			t.Errorf("%s: %q", name, got)
		}
	}
	s.alive(id)
}

func h2ContinuationFlood(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, echo)
	for _, fragment := range [][]byte{nil, []byte(strings.Repeat("\x00\x01x\x01y", 3000))} {
		h := s.open(id)
		h.raw(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, h.block(getFields()...))
		h.reads()
		n := 0
		for ; n < 200_000; n++ {
			if h.fr.WriteRawFrame(http2.FrameContinuation, 0, 1, fragment) != nil {
				break
			}
		}
		if n == 200_000 && len(fragment) > 0 { // empty ones cost a client as much as us
			t.Errorf("%d continuation frames of %d bytes were taken", n, len(fragment))
		}
	}
	s.alive(id)
}

// Streams that a client opens and resets at once cost it nothing; their
// handlers must still count against the limit of streams (CVE-2023-44487).
func h2RapidReset(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	var running, most atomic.Int32
	release := make(chan struct{})
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if !r.Header.Has("X-Alive") {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-release // a handler that does not look at its context
		}
		wire.Reply(w, 200, "", nil)
	})
	h := s.open(id)
	h.reads()
	for i := range uint32(20_000) {
		h.headers(2*i+1, true, getFields()...)
		if h.fr.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			break
		}
	}
	s.alive(id)
	close(release)
	if n := most.Load(); n > 1000 {
		t.Errorf("%d handlers ran for one connection", n)
	}
	s.alive(id)
}

func h2TooManyStreams(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(ctx context.Context, _ *wire.Request, _ wire.Responder) { <-ctx.Done() })
	h := s.open(id)
	for i := range uint32(2000) {
		h.headers(2*i+1, true, getFields()...)
	}
	if got := h.outcome(3999); got != "stream REFUSED_STREAM" && got != "stream PROTOCOL_ERROR" && !strings.HasPrefix(got, "connection") && got != "closed" {
		t.Errorf("stream 2000: %q", got)
	}
}

func h2ControlFlood(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server(), WriteTimeout: short}, target)
	for _, f := range []func(h *h2peer) error{
		func(h *h2peer) error { return h.fr.WritePing(false, [8]byte{}) },
		func(h *h2peer) error { return h.fr.WriteSettings() },
		func(h *h2peer) error {
			return h.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		},
	} {
		h := s.open(id)
		before := heapInUse() // the client does not read: answers pile up, or the connection ends
		for range 100_000 {
			if f(h) != nil {
				break
			}
		}
		if grown := heapInUse() - before; grown > 64<<20 {
			t.Errorf("the heap has grown by %d MB", grown>>20)
		}
		_ = h.Close()
	}
	s.alive(id)
}

func h2EmptyFlood(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, target)
	h := s.open(id)
	h.reads()
	h.headers(1, false, postFields()...)
	for range 50_000 {
		if h.fr.WriteData(1, false, nil) != nil {
			break
		}
	}
	s.alive(id)
}
