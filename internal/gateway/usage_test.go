package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"sallyport/internal/gateway"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

const usageEvent = `data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}` + "\n\ndata: [DONE]\n\n"

func counting(c *gateway.Config) { c.CountTokens = true }

func TestTokensAreCountedAsTheyPass(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, encoding, body string
		status                            int
		want                              bool
	}{
		{"stream", "text/event-stream", "", "data: {\"choices\":[1],\"usage\":null}\n\n" + usageEvent, 200, true},
		{"answer", "application/json; charset=utf-8", "", `{"usage":{"prompt_tokens":12,"completion_tokens":3}}`, 200, true},
		{"compressed", "application/json", "gzip", `{"usage":{"prompt_tokens":12,"completion_tokens":3}}`, 200, false},
		{"text", "text/plain", "", `{"usage":{"prompt_tokens":12,"completion_tokens":3}}`, 200, false},
		{"error", "application/json", "", `{"usage":{"prompt_tokens":12,"completion_tokens":3}}`, 429, false},
	} {
		f := newFixture(t, wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
			wire.Reply(w, tc.status, tc.contentType, []byte(tc.body), wire.Field{Name: "Content-Encoding", Value: tc.encoding})
		}), snapshot(api("a", "a", "GET /x")), counting)
		if r := f.call("GET", "/a/x"); r.Body() != tc.body {
			t.Errorf("%s: body %q", tc.name, r.Body())
		}
		text := metricsText(t, f)
		got := strings.Contains(text, `sallyport_llm_tokens_total{api="a",type="prompt"} 12`) && strings.Contains(text, `sallyport_llm_tokens_total{api="a",type="completion"} 3`)
		if got != tc.want {
			t.Errorf("%s: counted %v", tc.name, got)
		}
	}
}

// A client leaves in the middle of a stream: the backend call ends at once, or
// is read on for its usage when the settings say so.
func TestReadOnForUsage(t *testing.T) {
	for _, readOn := range []time.Duration{0, time.Minute} {
		ended := make(chan error, 1)
		left := make(chan struct{})
		f := newFixture(t, wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, w wire.Responder) {
			_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
			_, _ = w.Write([]byte("data: 1\n\n"))
			<-left
			if readOn == 0 {
				<-ctx.Done()
			}
			_, err := w.Write([]byte(usageEvent))
			ended <- err
		}), snapshot(api("a", "a", "GET /x")), counting, func(c *gateway.Config) { c.ReadOn = readOn })
		ctx, cancel := context.WithCancel(context.Background())
		rec := &wiretest.Recorder{GoneAfter: 5}
		go func() {
			for len(rec.Body()) < rec.GoneAfter {
				time.Sleep(time.Millisecond)
			}
			cancel()
			close(left)
		}()
		f.ServeWire(ctx, wiretest.NewRequest("GET", "/a/x", ""), rec)
		err := <-ended
		counted := strings.Contains(metricsText(t, f), `type="prompt"} 12`)
		if wholly := err == nil; wholly != (readOn > 0) || counted != (readOn > 0) {
			t.Errorf("read on %v: backend's write %v, counted %v", readOn, err, counted)
		}
		if !strings.Contains(metricsText(t, f), `reason="ClientConnectionFailure"`) {
			t.Errorf("read on %v: the client's leaving is not counted", readOn)
		}
	}
}

// A server that cannot wait for a stream ends it with an error event, between
// two events; in the middle of one it cuts.
func TestLastWordsOfAStream(t *testing.T) {
	for _, tc := range []struct {
		sent string
		cut  bool
	}{{"data: 1\n\n", false}, {"data: 1", true}} {
		f := newFixture(t, wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, w wire.Responder) {
			_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
			_, _ = w.Write([]byte(tc.sent))
			<-ctx.Done()
		}), snapshot(api("a", "a", "GET /x")))
		ctx, cancel := context.WithCancelCause(context.Background())
		rec := &wiretest.Recorder{}
		go func() {
			for rec.Body() == "" {
				time.Sleep(time.Millisecond)
			}
			cancel(wire.ErrDraining)
		}()
		f.ServeWire(ctx, wiretest.NewRequest("GET", "/a/x", ""), rec)
		words := strings.TrimPrefix(rec.Body(), tc.sent)
		if rec.Aborted() != tc.cut {
			t.Errorf("after %q: aborted %v", tc.sent, rec.Aborted())
		}
		if !tc.cut && (!strings.HasPrefix(words, "event: error\ndata: {\"statusCode\":503,") || !strings.HasSuffix(words, "}}\n\n")) {
			t.Errorf("last words %q", words)
		}
		if tc.cut && words != "" {
			t.Errorf("in the middle of an event: %q", words)
		}
	}
}

// A request that waits for its backend when the server gives up gets an answer.
func TestDrainedBeforeTheHead(t *testing.T) {
	waiting := make(chan struct{})
	f := newFixture(t, wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, _ wire.Responder) {
		close(waiting)
		<-ctx.Done()
	}), snapshot(api("a", "a", "GET /x")))
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { <-waiting; cancel(wire.ErrDraining) }()
	r := wiretest.ServeContext(ctx, f.Gateway, wiretest.NewRequest("GET", "/a/x", ""))
	if r.Status() != 503 || r.Header().Get("Retry-After") == "" || !strings.HasPrefix(r.Body(), `{ "statusCode": 503, "message": `) {
		t.Errorf("%d %v %s", r.Status(), r.Header(), r.Body())
	}
}

func TestServerTimingHeader(t *testing.T) {
	for _, on := range []bool{false, true} {
		f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /x")), func(c *gateway.Config) { c.ServerTiming = on })
		got := f.call("GET", "/a/x").Header().Get("Server-Timing")
		if (got != "") != on || on && !strings.Contains(got, "backend;dur=") {
			t.Errorf("on %v: %q", on, got)
		}
	}
}
