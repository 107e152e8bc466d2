package databricks

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

const eventStream = "Content-Type: Text/Event-Stream; charset=utf-8"

// piped makes an upstream whose answer the test writes.
func piped(headers ...string) (*upstream, *io.PipeWriter) {
	pr, pw := io.Pipe()
	return &upstream{reply: func(ctx context.Context, _ *wire.Outgoing) (*wire.Incoming, error) {
		context.AfterFunc(ctx, func() {
			_ = pr.CloseWithError(&wire.Error{Kind: wire.KindCanceled, Op: "read body", Err: ctx.Err()})
		})
		return incoming(200, pr, -1, headers...), nil
	}}, pw
}

// abortable is a recorder that notes Abort.
type abortable struct {
	wiretest.Recorder
	aborted bool
}

func (a *abortable) Abort() { a.aborted = true }

func TestEveryUpstreamReadIsFlushedBeforeTheNext(t *testing.T) {
	up, pw := piped(eventStream)
	chunks := []string{"data: 1\n\n", ": ping\n\n", "data: 2\n", "\nid: 9\ndata: 3\n\n", "data: [DONE]\n\n"}
	want := []string{"", "data: 1\n\n", "data: 2\n", "\ndata: 3\n\n", "data: [DONE]\n\n"}
	flushed := make(chan string)
	rec := &wiretest.Recorder{OnFlush: func(b []byte) { flushed <- string(b) }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		newPlane(up, nil).ServeWire(context.Background(), wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), rec)
	}()
	// The head is out before the upstream has said anything.
	if got := <-flushed; got != want[0] || rec.Status() != 200 {
		t.Fatalf("first flush %q, status %d", got, rec.Status())
	}
	next := 1
	for _, c := range chunks {
		_, _ = pw.Write([]byte(c)) // returns when the plane has read it
		if strings.HasPrefix(c, ":") {
			continue
		}
		if got := <-flushed; got != want[next] {
			t.Fatalf("flush %d: %q, want %q", next, got, want[next])
		}
		next++
	}
	_ = pw.Close()
	<-done
	rec.Finish()
	if rec.ContentLength() != -1 || rec.Header().Get("Content-Type") != "Text/Event-Stream; charset=utf-8" {
		t.Errorf("length %d, %v", rec.ContentLength(), rec.Header())
	}
}

// TestRecordedStreamAtEverySplit sends one stream through the whole plane, cut
// in two at every offset.
func TestRecordedStreamAtEverySplit(t *testing.T) {
	in := ": keep-alive\n\nevent: message\nid: 1\ndata: {\"choices\":[{\"delta\":{\"content\":\"é: \"}}]}\n\ndata: {\"usage\":{}}\r\n\r\ndata: [DONE]\n\n"
	want := "data: {\"choices\":[{\"delta\":{\"content\":\"é: \"}}]}\n\ndata: {\"usage\":{}}\r\n\r\ndata: [DONE]\n\n"
	for i := range len(in) {
		up := &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
			body := io.NopCloser(io.MultiReader(strings.NewReader(in[:i]), strings.NewReader(in[i:])))
			return incoming(200, body, int64(len(in)), eventStream), nil
		}}
		var rec CallRecord
		got := post(newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } }), invokeDublin, chatBody)
		if diff := cmp.Diff(want, got.Body()); diff != "" {
			t.Fatalf("split at %d\n%s", i, diff)
		}
		if !rec.Streamed || rec.Events != 3 || rec.BytesOut != int64(len(want)) || got.ContentLength() != -1 {
			t.Fatalf("split at %d: %+v", i, rec)
		}
	}
}

func TestCompressedStreamPassesUntouched(t *testing.T) {
	raw := "\x1f\x8b: not a comment\n\n"
	got := post(newPlane(answering(200, raw, eventStream, "Content-Encoding: gzip"), nil), invokeDublin, chatBody)
	if got.Body() != raw || got.Header().Get("Content-Encoding") != "gzip" || got.Flushes() == 0 {
		t.Errorf("%q %v", got.Body(), got.Header())
	}
}

func TestOtherBodiesPassUntouched(t *testing.T) {
	raw := ": not\nevent: stream\n\n" + strings.Repeat("x", 100<<10)
	got := post(newPlane(answering(206, raw, "Content-Type: text/plain"), nil), invokeDublin, chatBody)
	if got.Body() != raw || got.Status() != 206 || got.ContentLength() != int64(len(raw)) {
		t.Errorf("status %d, %d bytes", got.Status(), len(got.Body()))
	}
}

func TestUpstreamBrokenInTheMiddleIsNoCompleteAnswer(t *testing.T) {
	for _, headers := range [][]string{{eventStream}, {"Content-Type: application/json"}} {
		up := &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
			return incoming(200, io.NopCloser(io.MultiReader(strings.NewReader("data: 1\n\n"), errReader{})), -1, headers...), nil
		}}
		var rec CallRecord
		w := &abortable{}
		p := newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
		p.ServeWire(context.Background(), wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), w)
		if !w.aborted || !rec.Broken || rec.ClientGone || rec.Cause == "" || w.Body() != "data: 1\n\n" {
			t.Errorf("aborted %v, body %q, record %+v", w.aborted, w.Body(), rec)
		}
	}
}

func TestCompleteAnswerIsNotAborted(t *testing.T) {
	w := &abortable{}
	newPlane(answering(200, "data: 1\n\n", eventStream), nil).
		ServeWire(context.Background(), wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), w)
	if w.aborted {
		t.Error("a complete answer was aborted")
	}
}

func TestSilenceInsideAStreamEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, pw := piped(eventStream)
		var rec CallRecord
		p := newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
		go func() {
			for range 5 { // longer than the limit in total, never silent that long
				time.Sleep(200 * time.Second)
				_, _ = pw.Write([]byte("data: 1\n\n"))
			}
		}()
		w := &abortable{}
		start := time.Now()
		p.ServeWire(context.Background(), wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), w)
		if want := 1000*time.Second + DefaultUpstreamTimeout; time.Since(start) != want || !w.aborted || !rec.Broken || rec.Events != 0 && rec.Events != 5 {
			t.Errorf("ended after %s, aborted %v, %+v", time.Since(start), w.aborted, rec)
		}
		if w.Body() != strings.Repeat("data: 1\n\n", 5) {
			t.Errorf("body %q", w.Body())
		}
	})
}

// TestClientGoneEndsTheUpstreamCall: in both ways a client can be seen to leave.
func TestClientGoneEndsTheUpstreamCall(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		up, pw := piped(eventStream)
		ctx, cancel := context.WithCancel(context.Background())
		var rec CallRecord
		p := newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
		w := &wiretest.Recorder{OnFlush: func(b []byte) {
			if len(b) > 0 {
				cancel()
			}
		}}
		go func() { _, _ = pw.Write([]byte("data: 1\n\n")) }()
		p.ServeWire(ctx, wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), w)
		if _, err := pw.Write([]byte("x")); err == nil {
			t.Error("the upstream call goes on")
		}
		if !rec.ClientGone || rec.Broken || rec.Status != 200 {
			t.Errorf("%+v", rec)
		}
	})
	t.Run("write error", func(t *testing.T) {
		up, pw := piped(eventStream)
		var rec CallRecord
		p := newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
		go func() { _, _ = pw.Write([]byte("data: 1\n\n")) }()
		p.ServeWire(context.Background(), wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), &wiretest.Recorder{GoneAfter: 4})
		if _, err := pw.Write([]byte("x")); err == nil {
			t.Error("the upstream call goes on")
		}
		if !rec.ClientGone || rec.Broken {
			t.Errorf("%+v", rec)
		}
	})
}
