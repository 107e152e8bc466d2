package wiretest

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

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
	if err := rec.Finish(); err != nil {
		t.Error(err)
	}
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

func TestTransportSendsBytes(t *testing.T) {
	tr := &Transport{Handler: wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
		b, _ := io.ReadAll(r.Body)
		wire.Reply(w, 200, "", b)
	})}
	out := &wire.Outgoing{Method: "POST", Authority: "m", Target: "/", Bytes: []byte("in memory"), ContentLength: 9}
	for range 2 { // such a request may be sent again
		in, err := tr.RoundTrip(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(in.Body); string(b) != "in memory" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestTransportHeadTimeout(t *testing.T) {
	left := make(chan struct{})
	tr := &Transport{Handler: wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, _ wire.Responder) {
		<-ctx.Done()
		close(left)
	})}
	_, err := tr.RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Authority: "m", Target: "/", HeadTimeout: time.Millisecond})
	if wire.KindOf(err) != wire.KindTimeout {
		t.Errorf("err %v", err)
	}
	<-left
}

// speaker switches to "echo" and says again what it hears, until the end.
func speaker(t *testing.T) wire.HandlerFunc {
	return func(_ context.Context, r *wire.Request, w wire.Responder) {
		s, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "echo"}, {Name: "X-Key", Value: r.Header.Get("Upgrade")}})
		if err != nil {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			wire.Reply(w, 426, "", nil)
			return
		}
		b, err := io.ReadAll(s)
		if err != nil {
			t.Error(err)
		}
		_, _ = s.Write(b)
	}
}

func TestTransportUpgrade(t *testing.T) {
	tr := &Transport{Handler: speaker(t)}
	out := &wire.Outgoing{Method: "GET", Authority: "m", Target: "/", Upgrade: "echo"}
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	if in.Status != 101 || in.Stream == nil || in.Header.Get("X-Key") != "echo" || in.Header.Get("Upgrade") != "echo" {
		t.Fatalf("%+v", in)
	}
	_, _ = io.WriteString(in.Stream, "one ")
	_, _ = io.WriteString(in.Stream, "two")
	_ = in.Stream.CloseWrite()
	if b, err := io.ReadAll(in.Stream); string(b) != "one two" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = in.Stream.Close()

	out.Upgrade = ""
	if in, err := tr.RoundTrip(context.Background(), out); err != nil || in.Status != 426 || in.Stream != nil {
		t.Errorf("not asked: %+v, %v", in, err)
	}

	out.Upgrade = "echo"
	ctx, cancel := context.WithCancel(context.Background())
	if in, err = tr.RoundTrip(ctx, out); err != nil {
		t.Fatal(err)
	}
	_ = in.Stream.SetReadDeadline(time.Now())
	if _, err := in.Stream.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	_ = in.Stream.SetReadDeadline(time.Time{})
	cancel()
	if _, err := in.Stream.Read(make([]byte, 1)); err == nil {
		t.Error("the stream outlives its context")
	}
}
