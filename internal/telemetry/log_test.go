package telemetry

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
	l, err := NewLogger(&b, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	r.Time = time.Date(2026, 1, 2, 3, 4, 5, 60_000_000, time.UTC)
	Access(l, r)
	head, rest, _ := strings.Cut(b.String(), ",")
	if head != `{"time":"2026-01-02T03:04:05.06Z"` {
		t.Errorf("the line begins with %s", head)
	}
	return "{" + rest
}

func TestAccessColumns(t *testing.T) {
	got := accessLine(t, AccessRecord{
		CorrelationID: "c-1", Method: "POST", Scheme: "https", Host: "gw", Target: "/x?q=1&my-key=SECRET", KeyQuery: "my-key", Protocol: "HTTP/2.0", TLSVersion: "1.3",
		Client: netip.MustParseAddr("203.0.113.7"), RequestSize: 12, Status: 500, ResponseSize: 34, TotalTime: 1234567 * time.Nanosecond,
		APIID: "chat", APIRevision: "1", OperationID: "op", ProductID: "models", SubscriptionID: "s1", UserID: "u1",
		BackendID: "b", BackendMethod: "POST", BackendScheme: "https", BackendHost: "be", BackendTarget: "/x?My%2Dkey=SECRET", BackendStatus: 502, BackendTime: time.Second,
		Timing: Timing{Accept: 20 * time.Microsecond, Match: 3100 * time.Nanosecond, Policies: 40 * time.Microsecond, Connect: time.Millisecond, Backend: time.Second, FirstByte: 1100 * time.Millisecond, LastByte: 1200 * time.Millisecond},
		Span:   SpanContext{Trace: [16]byte{1, 15: 0xab}, Span: [8]byte{2}}, Parent: [8]byte{7: 3},
		LastError: &LastError{Source: "forward-request", Reason: "Timeout", Message: "m", Section: "backend", Scope: "api", Path: "forward-request", Cause: "dial"},
	})
	want := `{"level":"INFO","msg":"request","category":"GatewayLogs","correlationId":"c-1","method":"POST","url":"https://gw/x?q=1&my-key=***","clientProtocol":"HTTP/2.0","clientTlsVersion":"1.3","callerIpAddress":"203.0.113.7","apiId":"chat","apiRevision":"1","operationId":"op","productId":"models","apimSubscriptionId":"s1","userId":"u1","isRequestSuccess":false,"responseCode":500,"responseSize":34,"requestSize":12,"totalTime":1.235,"backendId":"b","backendMethod":"POST","backendUrl":"https://be/x?My%2Dkey=***","backendResponseCode":502,"backendTime":1000,"acceptTime":0.02,"matchTime":0.003,"policiesTime":0.04,"connectTime":1,"firstByteTime":1100,"lastByteTime":1200,"lastError":{"source":"forward-request","reason":"Timeout","message":"m","section":"backend","scope":"api","path":"forward-request","cause":"dial"},"traceId":"010000000000000000000000000000ab","spanId":"0200000000000000","parentSpanId":"0000000000000003"}` + "\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAccessLeavesOutWhatIsEmpty(t *testing.T) {
	got := accessLine(t, AccessRecord{CorrelationID: "c", Method: "GET", Scheme: "http", Host: "gw", Target: "/", Status: 404, RequestSize: -1})
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
