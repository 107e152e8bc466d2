package std

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// relay is the smallest honest proxy on the seam: what the gateway does, with
// no policies.
func relay(tr wire.Transport, backend string) wire.HandlerFunc {
	return func(ctx context.Context, r *wire.Request, w wire.Responder) {
		out := &wire.Outgoing{Method: r.Method, Scheme: "http", Authority: backend, Target: r.Target,
			Header: r.Header, ContentLength: r.ContentLength}
		if r.Body != nil {
			out.Body = r.Body
		}
		in, err := tr.RoundTrip(ctx, out)
		if err != nil {
			wire.Reply(w, 502, "text/plain", []byte(err.Error()))
			return
		}
		defer in.Body.Close()
		if w.WriteHead(in.Status, in.Reason, in.Header, in.ContentLength) != nil {
			return
		}
		buf := make([]byte, 4096)
		for {
			n, err := in.Body.Read(buf)
			if n > 0 {
				if _, err := w.Write(buf[:n]); err != nil {
					return
				}
				if w.Flush() != nil {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				w.(wire.Aborter).Abort()
				return
			}
		}
	}
}

const events = 6

func wholeStream(id string) string {
	var b strings.Builder
	for i := range events {
		fmt.Fprintf(&b, "data: {\"id\":%q,\"n\":%d}\n\n", id, i)
	}
	b.WriteString("data: [DONE]\n\n")
	return b.String()
}

// streamer answers a stream: on /early it looks at the body only between two
// events, on /late before the first, on /never not at all.
func streamer(t *testing.T) wire.HandlerFunc {
	return func(_ context.Context, r *wire.Request, w wire.Responder) {
		kind, id, _ := strings.Cut(strings.TrimPrefix(r.Target, "/"), "/")
		read := func(when string) {
			if when != kind {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Errorf("%s: backend reads the body: %v", r.Target, err)
			}
		}
		read("late")
		_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
		for i, ev := range strings.SplitAfter(strings.TrimSuffix(wholeStream(id), "\n\n"), "\n\n") {
			if i == events/2 {
				read("early")
			}
			_, _ = w.Write([]byte(ev))
			if i == events {
				_, _ = w.Write([]byte("\n\n"))
			}
			_ = w.Flush()
		}
	}
}

// burn keeps every core busy until the returned function is called.
func burn() (stop func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !done.Load() {
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
				}
				runtime.Gosched()
			}
		})
	}
	return func() { done.Store(true); wg.Wait() }
}

// TestStreamsAreNeverCut is the proof against golang/go#40747: streams with a
// request body through a proxy on busy cores, every byte compared. A proxy that
// lets net/http drain the inbound body loses some of them.
func TestStreamsAreNeverCut(t *testing.T) {
	total := 10_000
	if raceEnabled || testing.Short() {
		total = 1_000
		t.Logf("reduced to %d of 10,000 streams (race detector or -short)", total)
	}
	noPanic := wire.ServerConfig{OnPanic: func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }}
	backend, _ := start(t, noPanic, streamer(t))
	proxy, _ := start(t, noPanic, relay(transport(t, wire.TransportConfig{}), backend))
	client := transport(t, wire.TransportConfig{})
	defer burn()()

	bodies := [][]byte{[]byte("{}"), bytes.Repeat([]byte("x"), 900), bytes.Repeat([]byte("y"), 20_000), bytes.Repeat([]byte("z"), 70_000)}
	var next, cut atomic.Int64
	var wg sync.WaitGroup
	for range 48 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(total); i = next.Add(1) {
				if err := oneStream(client, proxy, int(i), bodies); err != nil {
					if cut.Add(1) <= 10 {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := cut.Load(); n > 0 {
		t.Errorf("%d of %d streams were not whole", n, total)
	}
}

// pieces is a body that arrives bit by bit.
type pieces struct {
	rest []byte
	each int
	wait func() // before every piece but the first
	sent bool
}

func (b *pieces) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	if b.sent {
		b.wait()
	}
	b.sent = true
	n := copy(p, b.rest[:min(b.each, len(b.rest))])
	b.rest = b.rest[n:]
	return n, nil
}

// bodyFor sends most bodies at once and some in four pieces; of those for the
// early backend some stop until the answer has begun.
func bodyFor(i int, kind string, body []byte, answered chan struct{}) (r io.Reader, data []byte) {
	b := &pieces{rest: body, each: len(body)/4 + 1, wait: func() { time.Sleep(time.Millisecond) }}
	switch {
	case i%16 == 5 && kind == "early":
		b.wait = func() { <-answered }
	case i%4 == 1 && kind != "never":
	default:
		return nil, body
	}
	return b, nil
}

func oneStream(client *Transport, proxy string, i int, bodies [][]byte) error {
	// Mostly small bodies, as chat requests are; every eighth is large.
	body := bodies[i%2]
	if i%8 == 5 {
		body = bodies[2+i/8%2]
	}
	length := int64(len(body))
	if i%3 == 0 {
		length = -1
	}
	kind := [4]string{"early", "late", "early", "never"}[i/16%4]
	target := fmt.Sprintf("/%s/%d", kind, i)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answered := make(chan struct{})
	r, data := bodyFor(i, kind, body, answered)
	if length < 0 && data != nil {
		r, data = bytes.NewReader(data), nil
	}
	in, err := client.RoundTrip(ctx, &wire.Outgoing{Method: "POST", Scheme: "http", Authority: proxy,
		Target: target, Body: r, Bytes: data, ContentLength: length})
	close(answered)
	if err != nil {
		return fmt.Errorf("stream %s, %d bytes: %w", target, length, err)
	}
	defer in.Body.Close()
	got, err := io.ReadAll(in.Body)
	if err != nil || in.Status != 200 || string(got) != wholeStream(fmt.Sprint(i)) {
		return fmt.Errorf("stream %s, %d bytes: status %d, %v, got %q", target, length, in.Status, err, got)
	}
	return nil
}
