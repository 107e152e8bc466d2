package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are texts that a client, a backend or an operator can bring into a
// line.
func hostile() []string {
	all := []string{
		"", " ", `"`, `\`, `\"`, "\x00", "\x1f\x7f", "a\nb\rc\td\be\ff", "<script>&amp;'</script>", "é✓😀", "\u2028\u2029", "\ufffd",
		"\xff", "\xc3", "\xe2\x80", "\xed\xa0\x80", "a\xf0\x9f\x98b", "x\xc0\xafy", `","injected":"yes`, strings.Repeat("long \"ü\" ", 5000),
	}
	for c := range 256 {
		all = append(all, "<"+string([]byte{byte(c)})+">")
	}
	return all
}

// randomRecord fills every field at one time or another.
func randomRecord(rnd *rand.Rand, texts []string) AccessRecord {
	text := func() string { return texts[rnd.IntN(len(texts))] }
	// Empty, whole milliseconds, one digit, and anything.
	dur := func() time.Duration {
		return []time.Duration{0, 1, 499, 500, 1500, 999_999, time.Millisecond, 1100 * time.Microsecond, 1010 * time.Microsecond, 1001 * time.Microsecond,
			time.Duration(rnd.Int64N(1 << 40)), time.Duration(rnd.Int64()), -time.Duration(rnd.Int64N(1e9))}[rnd.IntN(13)]
	}
	zones := []*time.Location{time.UTC, time.Local, time.FixedZone("", 19800), time.FixedZone("x", -34200), time.FixedZone("", 1)}
	r := AccessRecord{
		Time:          time.Unix(1_700_000_000+rnd.Int64N(3), []int64{0, 1, 10, 123_000_000, 999_999_999, rnd.Int64N(1e9)}[rnd.IntN(6)]).In(zones[rnd.IntN(len(zones))]),
		CorrelationID: text(), Method: text(), Scheme: "https", Host: text(), Target: "/" + text() + "?api-key=" + text(), Protocol: text(), TLSVersion: text(),
		RequestSize: rnd.Int64N(4) - 1, Status: []int{0, 199, 200, 302, 399, 400, 500, -1}[rnd.IntN(8)], ResponseSize: rnd.Int64(), TotalTime: dur(),
		APIID: text(), APIRevision: text(), OperationID: text(), ProductID: text(), SubscriptionID: text(), UserID: text(),
	}
	if rnd.IntN(2) == 0 {
		r.BackendScheme, r.BackendHost, r.BackendTarget, r.BackendID, r.BackendMethod = "http", text(), "/"+text(), text(), text()
		r.BackendStatus, r.BackendTime, r.KeyQuery = rnd.IntN(3)*100, dur(), text()
	}
	if rnd.IntN(2) == 0 {
		r.Timing = Timing{dur(), dur(), dur(), dur(), dur(), dur(), dur()}
	}
	if rnd.IntN(2) == 0 {
		r.Tokens = Tokens{rnd.Int64N(2), rnd.Int64(), rnd.Int64N(3)}
	}
	if rnd.IntN(2) == 0 {
		r.Client = []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr(`fe80::1%"z\ne`)}[rnd.IntN(4)]
	}
	if rnd.IntN(2) == 0 {
		r.Span = NewSpanContext()
		r.Parent[rnd.IntN(8)] = byte(rnd.IntN(2))
	}
	switch rnd.IntN(4) {
	case 0:
		r.LastError = &LastError{}
	case 1:
		r.LastError = &LastError{text(), text(), text(), text(), text(), text(), text()}
	}
	return r
}

// Our encoder writes what slog's JSON handler writes, byte for byte, whatever
// is in the record; and each line is one JSON object.
func TestAccessLineIsTheLineOfSlog(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	texts := hostile()
	var own, std bytes.Buffer
	l, err := NewLogger(&own, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	reference := slog.New(slog.NewJSONHandler(&std, nil))
	for i := range 3000 {
		r := randomRecord(rnd, texts)
		own.Reset()
		std.Reset()
		Access(l, r)
		Access(reference, r)
		if own.String() != std.String() {
			t.Fatalf("record %d: %+v\nours: %s\nslog: %s", i, r, own.String(), std.String())
		}
		var fields map[string]any
		if err := json.Unmarshal(own.Bytes(), &fields); err != nil || bytes.Count(own.Bytes(), []byte("\n")) != 1 || !utf8.Valid(own.Bytes()) {
			t.Fatalf("record %d is not one line of JSON: %v\n%q", i, err, own.String())
		}
		if fields["injected"] != nil {
			t.Fatalf("record %d has a field that a text brought in: %s", i, own.String())
		}
	}
}

func TestMillisecondsAreWrittenAsFloats(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 499, 500, 501, 1000, 999_499, 999_500, 1_000_000, 1_100_000, 1_010_000, 1_001_000, 123_456_789_012, 1 << 52, 1<<52 + 1, math.MaxInt64, -1_500_000} {
		want, err := json.Marshal(milliseconds(d))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendMilliseconds(nil, d)); got != string(want) {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}

// Other handlers get attributes, and so does a logger with attributes of its
// own, which our encoder does not know.
func TestAccessOfOtherHandlers(t *testing.T) {
	r := AccessRecord{CorrelationID: "c-1", Method: "GET", Scheme: "http", Host: "gw", Target: "/x", Status: 200, RequestSize: -1}
	var b bytes.Buffer
	text, err := NewLogger(&b, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	Access(text, r)
	if got := b.String(); !strings.Contains(got, " level=INFO msg=request category=GatewayLogs correlationId=c-1 method=GET url=http://gw/x isRequestSuccess=true") {
		t.Error(got)
	}
	b.Reset()
	l, err := NewLogger(&b, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	Access(l.With("node", "n1"), r)
	if got := b.String(); !strings.Contains(got, `"msg":"request","node":"n1","category":"GatewayLogs"`) {
		t.Error(got)
	}
	b.Reset()
	if l, err = NewLogger(&b, "warn", "json"); err != nil {
		t.Fatal(err)
	}
	Access(l, r)
	if b.Len() > 0 {
		t.Errorf("level warn wrote %s", b.String())
	}
}

func TestServerTiming(t *testing.T) {
	got := Timing{Accept: 100 * time.Microsecond, Match: 4 * time.Microsecond, Policies: 200 * time.Microsecond, Backend: 12300 * time.Microsecond}.ServerTiming()
	if want := "accept;dur=0.1, match;dur=0.004, policies;dur=0.2, connect;dur=0, backend;dur=12.3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// usual is a record as most are.
func usual() AccessRecord {
	return AccessRecord{
		Time: time.Now(), CorrelationID: "0f6c2a9e-8f5b-4c3d-9a1b-2c3d4e5f6a7b", Method: "POST", Scheme: "http", Host: "gateway.example:8080",
		Target: "/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21", Protocol: "HTTP/1.1",
		Client: netip.MustParseAddr("203.0.113.7"), RequestSize: 312, Status: 200, ResponseSize: 1024, TotalTime: 1234567 * time.Nanosecond,
		APIID: "foundry-openai", APIRevision: "1", OperationID: "ChatCompletions_Create", ProductID: "models", SubscriptionID: "databricks",
		BackendID: "foundry-ai-endpoint", BackendMethod: "POST", BackendScheme: "http", BackendHost: "127.0.0.1:9000",
		BackendTarget: "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21", BackendStatus: 200, BackendTime: time.Millisecond,
		Timing: Timing{1000, 1000, 20_000, 0, 1_000_000, 1_100_000, 1_234_567}, Span: NewSpanContext(), Parent: [8]byte{1},
	}
}

// BenchmarkAccess writes one line: with our encoder, and with slog's.
func BenchmarkAccess(b *testing.B) {
	for _, way := range []string{"own", "slog"} {
		b.Run(way, func(b *testing.B) {
			w := NewAsyncWriter(io.Discard, 0)
			l, err := NewLogger(w, "info", "json")
			if err != nil {
				b.Fatal(err)
			}
			if way == "slog" {
				l = slog.New(slog.NewJSONHandler(w, nil))
			}
			r := usual()
			b.ReportAllocs()
			for b.Loop() {
				r.Time = r.Time.Add(20 * time.Microsecond)
				Access(l, r)
			}
			if err := w.Close(context.Background()); err != nil || w.Dropped() > 0 {
				b.Logf("close: %v, %d lines dropped", err, w.Dropped())
			}
		})
	}
}
