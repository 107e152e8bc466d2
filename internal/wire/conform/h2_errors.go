package conform

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"sallyport/internal/wire"
)

func http2Checks() []check {
	checks := []check{
		{name: "h2: requests", run: h2Plain},
		{name: "h2: prior knowledge on a plain connection", run: h2PriorKnowledge},
		{name: "h2: preface behind another request", run: h2LatePreface},
		{name: "h2: bad preface", run: h2BadPreface},
		{name: "h2: a body that differs from its length", run: h2LengthMismatch},
		{name: "h2: abort resets the stream", run: h2Abort},
		{name: "h2: a stream that the client resets", run: h2ClientReset},
		{name: "h2: upgrade is not supported", run: h2Upgrade},
	}
	for _, v := range slices.Concat(h2Frames(), h2Messages()) {
		checks = append(checks, check{name: "h2: " + v.name, run: v.run})
	}
	return append(checks, h2Floods()...)
}

// h2vector is something a client must not send, and what may become of it.
type h2vector struct {
	name string
	send func(h *h2peer)
	want []string // each a beginning of the outcome
}

func (v h2vector) run(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if !r.Header.Has("X-Alive") {
			t.Errorf("the handler saw %s %s %q", r.Method, r.Target, r.Header)
		}
		wire.Reply(w, 200, "", nil)
	})
	h := s.open(id)
	v.send(h)
	got := h.outcome(1)
	if !slices.ContainsFunc(v.want, func(w string) bool { return strings.HasPrefix(got, w) }) {
		t.Errorf("%q, want one of %q", got, v.want)
	}
	s.alive(id)
}

var (
	connectionError = []string{"connection", "closed"}
	streamError     = []string{"stream PROTOCOL_ERROR", "connection PROTOCOL_ERROR", "closed", "400"}
)

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// h2Frames are errors of frames (RFC 9113 §4 to §6).
func h2Frames() []h2vector {
	size := []string{"connection FRAME_SIZE_ERROR", "closed"}
	protocol := []string{"connection PROTOCOL_ERROR", "closed"}
	flow := []string{"connection FLOW_CONTROL_ERROR", "closed"}
	return []h2vector{
		{"a frame larger than allowed", func(h *h2peer) { h.raw(http2.FrameData, 0, 1, make([]byte, 16385)) }, connectionError},
		{"data on stream 0", func(h *h2peer) { h.raw(http2.FrameData, 0, 0, []byte("x")) }, protocol},
		{"data on an idle stream", func(h *h2peer) { h.raw(http2.FrameData, 0, 1, []byte("x")) }, connectionError},
		{"padding longer than the frame", func(h *h2peer) { h.raw(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 'x'}) }, connectionError},
		{"headers on stream 0", func(h *h2peer) { h.headers(0, true, getFields()...) }, protocol},
		{"headers on an even stream", func(h *h2peer) { h.headers(2, true, getFields()...) }, protocol},
		{"a header block that cannot be decoded", func(h *h2peer) {
			h.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff})
		}, []string{"connection COMPRESSION_ERROR", "closed"}},
		{"another frame between headers and continuation", func(h *h2peer) {
			h.raw(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, h.block(getFields()...))
			h.raw(http2.FramePing, 0, 0, make([]byte, 8))
		}, protocol},
		{"continuation of another stream", func(h *h2peer) {
			h.raw(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, h.block(getFields()...))
			h.raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 3, nil)
		}, protocol},
		{"continuation without headers", func(h *h2peer) { h.raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1, nil) }, protocol},
		{"reset of an idle stream", func(h *h2peer) { h.raw(http2.FrameRSTStream, 0, 1, number(8)) }, protocol},
		{"reset of a wrong size", func(h *h2peer) { h.raw(http2.FrameRSTStream, 0, 1, []byte{1, 2, 3}) }, connectionError},
		{"reset on stream 0", func(h *h2peer) { h.raw(http2.FrameRSTStream, 0, 0, number(8)) }, protocol},
		{"settings of a wrong size", func(h *h2peer) { h.raw(http2.FrameSettings, 0, 0, make([]byte, 5)) }, size},
		{"settings on a stream", func(h *h2peer) { h.raw(http2.FrameSettings, 0, 1, nil) }, protocol},
		{"acknowledged settings with content", func(h *h2peer) { h.raw(http2.FrameSettings, http2.FlagSettingsAck, 0, make([]byte, 6)) }, size},
		{"settings with a window too large", func(h *h2peer) { h.raw(http2.FrameSettings, 0, 0, append([]byte{0, 4}, number(1<<31)...)) }, flow},
		{"settings with a frame size too small", func(h *h2peer) { h.raw(http2.FrameSettings, 0, 0, append([]byte{0, 5}, number(100)...)) }, protocol},
		{"settings with push neither on nor off", func(h *h2peer) { h.raw(http2.FrameSettings, 0, 0, append([]byte{0, 2}, number(2)...)) }, protocol},
		{"push promise from a client", func(h *h2peer) {
			h.raw(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, append(number(2), h.block(getFields()...)...))
		}, protocol},
		{"ping of a wrong size", func(h *h2peer) { h.raw(http2.FramePing, 0, 0, make([]byte, 7)) }, size},
		{"ping on a stream", func(h *h2peer) { h.raw(http2.FramePing, 0, 1, make([]byte, 8)) }, protocol},
		{"window update of nothing", func(h *h2peer) { h.raw(http2.FrameWindowUpdate, 0, 0, number(0)) }, protocol},
		{"window update of a wrong size", func(h *h2peer) { h.raw(http2.FrameWindowUpdate, 0, 0, []byte{1}) }, size},
		{"window update on an idle stream", func(h *h2peer) { h.raw(http2.FrameWindowUpdate, 0, 1, number(1)) }, protocol},
		{"window of the connection beyond its limit", func(h *h2peer) {
			h.raw(http2.FrameWindowUpdate, 0, 0, number(1<<31-1))
			h.raw(http2.FrameWindowUpdate, 0, 0, number(1<<31-1))
		}, flow},
		{"priority of a wrong size", func(h *h2peer) { h.raw(http2.FramePriority, 0, 1, []byte{1}) },
			[]string{"stream FRAME_SIZE_ERROR", "connection FRAME_SIZE_ERROR", "closed"}},
	}
}

// h2Messages are malformed requests (RFC 9113 §8).
func h2Messages() []h2vector {
	bad := func(fields ...string) func(h *h2peer) {
		return func(h *h2peer) { h.headers(1, true, fields...) }
	}
	vectors := []h2vector{
		{"no method", bad(getFields()[1:]...), streamError},
		{"no scheme", bad(":method: GET", ":authority: h", ":path: /"), streamError},
		{"no path", bad(":method: GET", ":scheme: https", ":authority: h"), streamError},
		{"empty path", bad(":method: GET", ":scheme: https", ":authority: h", ":path: "), streamError},
		{"path that is none", bad(":method: GET", ":scheme: https", ":authority: h", ":path: x"), streamError},
		{"path with a space", bad(":method: GET", ":scheme: https", ":authority: h", ":path: /a b HTTP/1.1"), streamError},
		{"path with a line end", bad(":method: GET", ":scheme: https", ":authority: h", ":path: /\r\nevil: 1"), streamError},
		{"path with a fragment", bad(":method: GET", ":scheme: https", ":authority: h", ":path: /a#b"), streamError},
		{"method that is no token", bad(":method: GET /evil HTTP/1.1\r\nX:", ":scheme: https", ":authority: h", ":path: /"), streamError},
		{"scheme that is neither", bad(":method: GET", ":scheme: ftp\r\n", ":authority: h", ":path: /"), streamError},
		{"no authority and no host", bad(":method: GET", ":scheme: https", ":path: /"), streamError},
		{"authority that differs from host", bad(getFields("host: other.example")...), streamError},
		{"authority with a user", bad(":method: GET", ":scheme: https", ":authority: u@h", ":path: /"), streamError},
		{"authority with a path", bad(":method: GET", ":scheme: https", ":authority: h/x", ":path: /"), streamError},
		{"a tunnel", bad(":method: CONNECT", ":authority: h:443"), append([]string{"405", "501"}, streamError...)},
		{"method twice", bad(getFields(":method: POST")...), streamError},
		{"path twice", bad(":method: GET", ":scheme: https", ":authority: h", ":path: /", ":path: /evil"), streamError},
		{"pseudo-header behind others", bad(":method: GET", ":scheme: https", ":authority: h", "x: 1", ":path: /"), streamError},
		{"unknown pseudo-header", bad(getFields(":evil: 1")...), streamError},
		{"pseudo-header of answers", bad(getFields(":status: 200")...), streamError},
		{"name in capitals", bad(getFields("X-Evil: 1")...), streamError},
		{"name with a space", bad(getFields("x evil: 1")...), streamError},
		{"value with a line end", bad(getFields("x: a\r\ny: b")...), streamError},
		{"value with NUL", bad(getFields("x: a\x00b")...), streamError},
		{"trailing te", bad(getFields("te: gzip")...), streamError},
		{"pseudo-header in trailers", func(h *h2peer) {
			h.headers(1, false, postFields("x-alive: 1")...)
			h.headers(1, true, ":path: /evil")
		}, append([]string{"200"}, streamError...)},
		{"length beyond a number", func(h *h2peer) { h.headers(1, false, postFields("content-length: 1x")...) }, streamError},
		{"two lengths", func(h *h2peer) { h.headers(1, false, postFields("content-length: 1", "content-length: 2")...) }, streamError},
	}
	for _, name := range []string{"connection: close", "keep-alive: 5", "proxy-connection: close", "transfer-encoding: chunked", "upgrade: h2c"} {
		vectors = append(vectors, h2vector{"header of one connection, " + name, bad(getFields(name)...), streamError})
	}
	return vectors
}

func h2LengthMismatch(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	errs := make(chan error, 1)
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Body != nil {
			_, err := io.ReadAll(r.Body)
			errs <- err
		}
		wire.Reply(w, 200, "", nil)
	})
	for _, body := range []string{"shor", "too long"} {
		h := s.open(id)
		h.headers(1, false, postFields("content-length: 5")...)
		h.check(h.fr.WriteData(1, true, []byte(body)))
		if got := h.outcome(1); got == "200" {
			if err := await(t, "the error", errs); err == nil {
				t.Errorf("%q was taken for a body of five bytes", body)
			}
		}
	}
	s.alive(id)
}

func h2Abort(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		if r.Header.Has("X-Alive") {
			wire.Reply(w, 200, "", nil)
			return
		}
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write([]byte("half"))
		_ = w.Flush()
		w.(wire.Aborter).Abort()
	})
	h := s.open(id)
	h.headers(1, true, getFields()...)
	if got := h.outcome(1); got != "200" {
		t.Fatal(got)
	}
	if body, err := h.body(1); err == nil || body != "half" {
		t.Errorf("%q, %v: an answer that was aborted looks whole", body, err)
	}
	h.headers(3, true, getFields("x-alive: 1")...)
	if got := h.outcome(3); got != "200" {
		t.Errorf("the next stream: %q", got)
	}
}

func h2ClientReset(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s, entered, left := waiting(t, e, wire.ServerConfig{TLS: id.server()})
	h := s.open(id)
	h.headers(1, true, getFields()...)
	await(t, "the request", entered)
	h.check(h.fr.WriteRSTStream(1, http2.ErrCodeCancel))
	_ = await(t, "the end of the context", left)
}

func h2Upgrade(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	var refused atomic.Bool
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, func(_ context.Context, _ *wire.Request, w wire.Responder) {
		if u, ok := w.(wire.Upgrader); ok {
			_, err := u.Upgrade(wire.Header{{Name: "Upgrade", Value: "websocket"}})
			refused.Store(err != nil)
		} else {
			refused.Store(true)
		}
		wire.Reply(w, 200, "", nil)
	})
	h := s.open(id)
	h.headers(1, true, getFields()...)
	if got := h.outcome(1); got != "200" || !refused.Load() {
		t.Errorf("%q, refused %v", got, refused.Load())
	}
}
