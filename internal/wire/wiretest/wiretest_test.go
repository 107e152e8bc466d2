package wiretest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

func TestNewRequest(t *testing.T) {
	r := NewRequest("POST", "https://api.test/a?b=c", "xyz", "api-key: k", "X-Two:v:w")
	if r.Scheme != "https" || r.Host != "api.test" || r.Target != "/a?b=c" || r.ContentLength != 3 || r.TLSVersion == "" {
		t.Errorf("unexpected request %+v", r)
	}
	want := wire.Header{{Name: "api-key", Value: "k"}, {Name: "X-Two", Value: "v:w"}}
	if d := cmp.Diff(want, r.Header); d != "" {
		t.Error(d)
	}
	if r := NewRequest("GET", "/a?u=https://x/y", ""); r.Target != "/a?u=https://x/y" || r.Host != "gateway.test" {
		t.Errorf("unexpected request %+v", r)
	}
	if r := NewRequest("GET", "http://h?q", ""); r.Target != "/?q" || r.Body != nil {
		t.Errorf("unexpected request %+v", r)
	}
}

func TestRecorderKeepsChunks(t *testing.T) {
	var seen []string
	rec := &Recorder{OnFlush: func(b []byte) { seen = append(seen, string(b)) }}
	_ = rec.WriteHead(201, "Made", wire.Header{{Name: "A", Value: "1"}, {Name: "Connection", Value: "close"}}, -1)
	_, _ = rec.Write([]byte("one"))
	_, _ = rec.Write([]byte("two"))
	_ = rec.Flush()
	_ = rec.Flush()
	_, _ = rec.Write([]byte("end"))
	rec.Finish()
	if d := cmp.Diff([]string{"onetwo", "end"}, rec.Chunks()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"onetwo", ""}, seen); d != "" {
		t.Error(d)
	}
	if rec.Status() != 201 || rec.Reason() != "Made" || rec.Flushes() != 2 || len(rec.Header()) != 1 || rec.Body() != "onetwoend" {
		t.Errorf("status %d reason %q flushes %d header %v", rec.Status(), rec.Reason(), rec.Flushes(), rec.Header())
	}
	if rec.WriteHead(200, "", nil, 0) == nil || !rec.HeadTwice() {
		t.Error("second WriteHead was accepted")
	}
}

func TestRecorderClientGone(t *testing.T) {
	rec := &Recorder{GoneAfter: 4}
	_ = rec.WriteHead(200, "", nil, -1)
	n, err := rec.Write([]byte("123456"))
	if n != 4 || !errors.Is(err, ErrGone) || rec.Body() != "1234" {
		t.Errorf("n %d err %v body %q", n, err, rec.Body())
	}
}

func TestServeWithoutHeadIs500(t *testing.T) {
	if got := Serve(wire.HandlerFunc(func(context.Context, *wire.Request, wire.Responder) {}), NewRequest("GET", "/", "")).Status(); got != 500 {
		t.Errorf("status %d", got)
	}
}

func TestTransportStreamsAndCancels(t *testing.T) {
	done := make(chan struct{})
	tr := &Transport{Handler: wire.HandlerFunc(func(ctx context.Context, r *wire.Request, w wire.Responder) {
		defer close(done)
		b, _ := io.ReadAll(r.Body)
		_ = w.WriteHead(200, "", nil, -1)
		_, _ = w.Write(b)
		_ = w.Flush()
		<-ctx.Done()
	})}
	in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "POST", Scheme: "http", Authority: "m:1", Target: "/x", Body: strings.NewReader("ping"), ContentLength: 4})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(in.Body, b); err != nil || string(b) != "ping" {
		t.Fatalf("read %q %v", b, err)
	}
	_ = in.Body.Close()
	<-done
	if c := tr.Calls(); len(c) != 1 || c[0].Host != "m:1" || c[0].Target != "/x" {
		t.Errorf("calls %+v", c)
	}
}

func TestTransportCallerCancelWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &Transport{Handler: wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		<-ctx.Done()
	})}
	in, err := tr.RoundTrip(ctx, &wire.Outgoing{Method: "GET", Authority: "m", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(in.Body); wire.KindOf(err) != wire.KindCanceled {
		t.Errorf("err %v", err)
	}
}

func TestTransportWholeAnswerEndsInEOF(t *testing.T) {
	tr := &Transport{Handler: wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 404, "text/plain", []byte("no"))
	})}
	in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Authority: "m", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in.Body)
	if err != nil || string(b) != "no" || in.Status != 404 || in.ContentLength != 2 {
		t.Errorf("%d %q %v", in.Status, b, err)
	}
}
