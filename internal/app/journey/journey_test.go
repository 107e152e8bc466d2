package journey_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/app/journey"
	"sallyport/internal/telemetry"
)

// entry is an entry as the JSON of a trace gives it.
func entry(t *testing.T, source, elapsed, took, at, data string) telemetry.DocumentEntry {
	t.Helper()
	e := telemetry.DocumentEntry{Source: source, Elapsed: elapsed, Duration: took, At: at}
	if err := json.Unmarshal([]byte(data), &e.Data); err != nil {
		t.Fatal(err)
	}
	return e
}

func chain(t *testing.T) *telemetry.Document {
	t.Helper()
	inner := &telemetry.Document{ServiceName: "inner", Title: "POST /model", Status: 500, Took: "00:00:00.0004560", TraceEntries: map[string][]telemetry.DocumentEntry{
		"inbound": {entry(t, "ip-filter", "00:00:00.0000100", "00:00:00.0000020", "fragment.xml:5:5", `{"action":"allow","address":"10.0.0.1"}`)},
		"onError": {entry(t, "forward-request", "00:00:00.0004000", "", "", `{"messages":["no"],"lastError":{"reason":"Timeout","message":"The backend did not answer in time.","path":"forward-request"}}`)},
	}, Dropped: 2}
	serving := &telemetry.Document{Kind: telemetry.HopServing, ServiceName: "dublin-chat", Title: "dublin-chat", Status: 404, Took: "00:00:00.1234000", TraceEntries: map[string][]telemetry.DocumentEntry{
		"backend": {entry(t, "external-model", "00:00:00.0010000", "", "", `"called"`)},
	}, Hops: []*telemetry.Document{inner}}
	return &telemetry.Document{ServiceName: "outer", Title: "POST /chat", Status: 200, Took: "00:00:02.5000000", TraceEntries: map[string][]telemetry.DocumentEntry{
		"inbound": {
			entry(t, "api-inspector", "00:00:00.0000000", "", "", `{"request":{"method":"POST","url":"http://gw/chat","headers":[{"name":"A","value":"b"}]}}`),
			entry(t, "api-inspector", "00:00:00.0000100", "", "", `{"configuration":{"api":{"id":"chat","revision":"2","version":"v1"},"operation":{"id":"ask"},"product":"-","subscription":{"id":"team"}}}`),
			entry(t, "set-header", "00:00:00.0000200", "00:00:00.0000010", "policy.xml:4:9", `{"message":"The header was set.","header":{"name":"X","value":"1"}}`),
		},
		"backend": {
			entry(t, "forward-request", "00:00:00.0010000", "", "", `{"request":{"method":"POST","url":"http://b/chat"},"message":"sent"}`),
			entry(t, "forward-request", "00:00:02.0000000", "00:00:01.9990000", "", `{"response":{"status":{"code":200,"reason":"OK"}}}`),
		},
		"outbound": {entry(t, "transfer-response", "00:00:02.5000000", "", "", `{"message":"done","status":200,"bytes":12345678,"streamed":true}`)},
	}, Hops: []*telemetry.Document{serving}, Timing: &telemetry.DocumentTiming{Accept: 0.021, Match: 0.003, Policies: 0.997, Connect: 1.5, Backend: 1999, FirstByte: 2000.021, LastByte: 2500.021}}
}

const want = `● POST /chat  200  2.50 s  gateway outer
│ inbound
│       +0 µs             api-inspector                  POST http://gw/chat
│      +10 µs             api-inspector                  api chat rev 2 · operation ask · product - · subscription team · version v1
│      +20 µs       1 µs  set-header                     X: 1  policy.xml:4:9
│ backend
│     +1.0 ms             forward-request                POST http://b/chat
│   ● dublin-chat  404  123.4 ms  serving-endpoint dublin-chat
│   │ backend
│   │     +1.0 ms             external-model                 called
│   │   ● POST /model  500  456 µs  gateway inner
│   │   │ inbound
│   │   │      +10 µs       2 µs  ip-filter                      action=allow · address=10.0.0.1  fragment.xml:5:5
│   │   │ onError
│   │   │     +400 µs             forward-request                Timeout: The backend did not answer in time. forward-request
│   │   │ 2 more entries were not kept
│     +2.00 s     2.00 s  forward-request                200 OK
│ outbound
│     +2.50 s             transfer-response              bytes=12345678 · status=200 · streamed=true
│ timing  accept 21 µs · match 3 µs · policies 997 µs · connect 1.5 ms · backend 2.00 s · first byte 2.00 s · last byte 2.50 s
`

func TestPrint(t *testing.T) {
	var b strings.Builder
	journey.Print(&b, chain(t), journey.Options{})
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// Colours change nothing but the colours.
func TestPrintInColor(t *testing.T) {
	var b strings.Builder
	journey.Print(&b, chain(t), journey.Options{Color: true})
	got := b.String()
	for _, code := range []string{"1", "2", "31", "32", "33", "36"} {
		if !strings.Contains(got, "\x1b["+code+"m") {
			t.Errorf("colour %s is not used", code)
		}
		got = strings.ReplaceAll(got, "\x1b["+code+"m", "")
	}
	if d := cmp.Diff(want, strings.ReplaceAll(got, "\x1b[0m", "")); d != "" {
		t.Error(d)
	}
}

// A refused call was never sent on, and a client may have left before the head.
func TestTimingTellsOnlyWhatHappened(t *testing.T) {
	var b strings.Builder
	journey.Print(&b, &telemetry.Document{Title: "GET /x", Status: 499, Timing: &telemetry.DocumentTiming{Accept: 0.021, Match: 0.003, Policies: 0.25, LastByte: 0.3}}, journey.Options{})
	if _, got, _ := strings.Cut(b.String(), "\n"); got != "│ timing  accept 21 µs · match 3 µs · policies 250 µs · last byte 300 µs\n" {
		t.Error(got)
	}
}

// A call that was refused before the backend still shows the hops it has.
func TestHopsWithoutBackendSectionAreShown(t *testing.T) {
	d := chain(t)
	delete(d.TraceEntries, "backend")
	var b strings.Builder
	journey.Print(&b, d, journey.Options{})
	if !strings.Contains(b.String(), "dublin-chat") {
		t.Errorf("a hop is lost:\n%s", b.String())
	}
}

func TestSummary(t *testing.T) {
	for in, want := range map[string]string{
		`null`:               "",
		`"text"`:             "text",
		`12`:                 "12",
		`{"message":"only"}`: "only",
		`{"message":"not shown","name":"n","calls":3}`:        "calls=3 · name=n",
		`{"status":{"code":418,"reason":"Teapot"}}`:           "status=418 Teapot",
		`{"values":["a","b"]}`:                                "values=a,b",
		`{"backend":{"id":"b"},"request":{"url":"http://u"}}`: "http://u · backend=b",
		`{"deep":{"x":{"y":1}}}`:                              "",
	} {
		var v any
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Fatal(err)
		}
		if got := journey.Summary(v); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// What on-error did comes before the response that it made was sent.
func TestOnErrorComesBeforeTheReply(t *testing.T) {
	d := &telemetry.Document{Title: "GET /x", Status: 403, TraceEntries: map[string][]telemetry.DocumentEntry{
		telemetry.SectionOutbound: {{Source: "transfer-response", Elapsed: "00:00:00.0000155"}},
		telemetry.SectionOnError:  {{Source: "ip-filter", Elapsed: "00:00:00.0000148"}},
		telemetry.SectionInbound:  {{Source: "api-inspector", Elapsed: "00:00:00.0000010"}},
	}}
	var b strings.Builder
	journey.Print(&b, d, journey.Options{})
	in, on, out := strings.Index(b.String(), "inbound"), strings.Index(b.String(), "onError"), strings.Index(b.String(), "outbound")
	if in < 0 || on < in || out < on {
		t.Errorf("order of sections:\n%s", b.String())
	}
}
