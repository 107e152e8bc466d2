package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gate is a sink whose writes wait until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
	err  error
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return g.got.Write(p)
}

func TestAsyncWriterKeepsOrderAndLosesNothing(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	w := NewAsyncWriter(g, 0)
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.String(), g.got.String()); d != "" {
		t.Error(d)
	}
	if w.Dropped() != 0 {
		t.Errorf("%d lost", w.Dropped())
	}
	if _, err := w.Write([]byte("late\n")); !errors.Is(err, ErrLogClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestAsyncWriterNeverWaitsForTheSink(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	w := NewAsyncWriter(g, 100)
	for range 1000 { // returns although the sink is shut
		if n, err := w.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flush to a shut sink: %v", err)
	}
	lost := w.Dropped()
	close(g.open)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if kept := uint64(g.got.Len() / 10); kept+lost != 1000 || kept < 10 || kept > 20 {
		t.Errorf("%d kept, %d lost", kept, lost)
	}
}

func TestAsyncWriterCountsWhatTheSinkRefuses(t *testing.T) {
	g := &gate{open: make(chan struct{}), err: errors.New("disk full")}
	w := NewAsyncWriter(g, 0)
	for range 3 {
		_, _ = w.Write([]byte("x\n"))
	}
	close(g.open)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w.Dropped() != 3 {
		t.Errorf("%d lost", w.Dropped())
	}
}

func TestNewLogger(t *testing.T) {
	var b bytes.Buffer
	l, err := NewLogger(&b, "warn", "text")
	if err != nil {
		t.Fatal(err)
	}
	l.Info("hidden")
	l.Warn("shown")
	if got := b.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "msg=shown") {
		t.Error(got)
	}
	if _, err := NewLogger(&b, "loud", "json"); err == nil {
		t.Error("level loud was accepted")
	}
	if _, err := NewLogger(&b, "info", "xml"); err == nil {
		t.Error("format xml was accepted")
	}
}

func accessLine(t *testing.T, r AccessRecord) string {
	t.Helper()
	var b bytes.Buffer
	Access(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), r)
	return b.String()
}

func TestAccessColumns(t *testing.T) {
	got := accessLine(t, AccessRecord{
		CorrelationID: "c-1", Method: "POST", URL: "https://gw/x?q=1&my-key=SECRET", KeyQuery: "my-key", Protocol: "HTTP/2.0", TLSVersion: "1.3",
		Client: netip.MustParseAddr("203.0.113.7"), RequestSize: 12, Status: 500, ResponseSize: 34, TotalTime: 1234567 * time.Nanosecond,
		APIID: "chat", APIRevision: "1", OperationID: "op", ProductID: "models", SubscriptionID: "s1", UserID: "u1",
		BackendID: "b", BackendMethod: "POST", BackendURL: "https://be/x?My%2Dkey=SECRET", BackendStatus: 502, BackendTime: time.Second,
		TraceID: "t", SpanID: "s", ParentSpanID: "p",
		LastError: &LastError{Source: "forward-request", Reason: "Timeout", Message: "m", Section: "backend", Scope: "api", Path: "forward-request", Cause: "dial"},
	})
	want := `{"level":"INFO","msg":"request","category":"GatewayLogs","correlationId":"c-1","method":"POST","url":"https://gw/x?q=1&my-key=***","clientProtocol":"HTTP/2.0","clientTlsVersion":"1.3","callerIpAddress":"203.0.113.7","apiId":"chat","apiRevision":"1","operationId":"op","productId":"models","apimSubscriptionId":"s1","userId":"u1","isRequestSuccess":false,"responseCode":500,"responseSize":34,"requestSize":12,"totalTime":1.235,"backendId":"b","backendMethod":"POST","backendUrl":"https://be/x?My%2Dkey=***","backendResponseCode":502,"backendTime":1000,"lastError":{"source":"forward-request","reason":"Timeout","message":"m","section":"backend","scope":"api","path":"forward-request","cause":"dial"},"traceId":"t","spanId":"s","parentSpanId":"p"}` + "\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAccessLeavesOutWhatIsEmpty(t *testing.T) {
	got := accessLine(t, AccessRecord{CorrelationID: "c", Method: "GET", URL: "http://gw/", Status: 404, RequestSize: -1})
	want := `{"level":"INFO","msg":"request","category":"GatewayLogs","correlationId":"c","method":"GET","url":"http://gw/","isRequestSuccess":false,"responseCode":404,"responseSize":0,"totalTime":0}` + "\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	Access(nil, AccessRecord{}) // a gateway without a log
}

func TestMaskQuery(t *testing.T) {
	for in, want := range map[string]string{
		"/x":                                  "/x",
		"/x?a=1":                              "/x?a=1",
		"/x?subscription-key=k":               "/x?subscription-key=***",
		"/x?Subscription-Key=k&a=b":           "/x?Subscription-Key=***&a=b",
		"/x?a=b&api%2Dkey=k=k":                "/x?a=b&api%2Dkey=***",
		"/x?key=k":                            "/x?key=***",
		"/x?api-key=":                         "/x?api-key=",
		"/x?note=api-key":                     "/x?note=api-key",
		"/x?%zz=1&key=k":                      "/x?%zz=1&key=***",
		"https://h/x?sig=abc&subscription-k=": "https://h/x?sig=***&subscription-k=",
	} {
		if got := MaskQuery(in, "key"); got != want {
			t.Errorf("MaskQuery(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMaskQueryAllocatesNothingWithoutQuery(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = MaskQuery("https://gw/a/b/c", "k") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
