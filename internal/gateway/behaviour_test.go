package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

func TestForwardedHeaders(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "POST /x")))
	body := f.send("POST", "/a/x?q=1", "hello", "X-Forwarded-For: 203.0.113.9", "Connection: close, X-Private", "X-Private: 1", "Keep-Alive: 5", "TE: trailers",
		"Apim-Debug-Authorization: nonsense", "Ocp-Apim-Trace: true", "Expect: 100-continue", "X-Kept: yes", "Accept-Encoding: gzip").Body()
	for _, want := range []string{"POST backend.test/base/x?q=1\n", "x-forwarded-for: 203.0.113.9, 192.0.2.7\n", "x-kept: yes\n", "accept-encoding: gzip\n", "traceparent: 00-", "\n\nhello"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	for _, gone := range []string{"connection:", "x-private", "keep-alive", "te:", "apim-debug", "ocp-apim-trace", "expect:", "x-forwarded-host", "content-length"} {
		if strings.Contains(body, "\n"+gone) {
			t.Errorf("%q reached the backend: %s", gone, body)
		}
	}
}

// Two chained gateways leave two entries in X-Forwarded-For (vector 34).
func TestChainedGateways(t *testing.T) {
	inner := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "base", "GET /x")))
	outer := newFixture(t, inner.Gateway, snapshot(api("a", "a", "GET /x")))
	outer.backend.Remote = netip.MustParseAddrPort("192.0.2.8:1")
	body := outer.call("GET", "/a/x").Body()
	if !strings.Contains(body, "x-forwarded-for: 192.0.2.7, 192.0.2.8\n") {
		t.Errorf("backend got %s", body)
	}
}

func TestTraceContextIsKept(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /x")))
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	body := f.call("GET", "/a/x", "traceparent: 00-"+id+"-00f067aa0ba902b7-01").Body()
	if !strings.Contains(body, "traceparent: 00-"+id+"-") || strings.Contains(body, "00f067aa0ba902b7") || !strings.Contains(body, "-01\n") {
		t.Errorf("want the same trace, a new span, the same flags: %s", body)
	}
	off := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /x")), func(c *gateway.Config) { c.Correlate = false })
	if body := off.call("GET", "/a/x").Body(); strings.Contains(body, "traceparent") {
		t.Errorf("correlation off, still %s", body)
	}
}

func TestTrustedProxies(t *testing.T) {
	filter := rawPolicy(`<policies><inbound><ip-filter action="allow"><address>203.0.113.9</address></ip-filter></inbound></policies>`)
	for _, c := range []struct {
		name, trusted, forwarded string
		want                     int
	}{
		{"untrusted peer", "", "203.0.113.9", 403},
		{"trusted peer", "192.0.2.0/24", "203.0.113.9", 200},
		{"port is allowed", "192.0.2.0/24", "203.0.113.9:4444", 200},
		{"last untrusted entry counts", "192.0.2.0/24", "203.0.113.9, 198.51.100.1", 403},
		{"trusted hops are skipped", "192.0.2.0/24", "203.0.113.9, 192.0.2.3", 200},
		{"nonsense is no address", "192.0.2.0/24", "unknown", 403},
		{"no header: the proxy itself", "192.0.2.0/24", "", 403},
		{"v4-mapped", "192.0.2.0/24", "::ffff:203.0.113.9", 200},
	} {
		f := newFixture(t, wire.HandlerFunc(echo), snapshot(with(api("a", "a", "GET /x"), func(a *model.API) { a.Policy = filter })), func(g *gateway.Config) {
			if c.trusted != "" {
				g.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			}
		})
		var hs []string
		if c.forwarded != "" {
			hs = append(hs, "X-Forwarded-For: "+c.forwarded)
		}
		r := f.call("GET", "/a/x", hs...)
		if r.Status() != c.want {
			t.Errorf("%s: %d, want %d", c.name, r.Status(), c.want)
		}
		if c.want == 403 && r.Body() != `{ "statusCode": 403, "message": "Forbidden" }` {
			t.Errorf("%s: body %s", c.name, r.Body())
		}
	}
}

func TestBackendFailures(t *testing.T) {
	s := snapshot(api("a", "a", "GET /x"), with(api("none", "none", "GET /x"), func(a *model.API) { a.ServiceURL = "" }))
	f := newFixture(t, nil, s, func(c *gateway.Config) { c.BackendTimeout = 20 * time.Millisecond })
	r := f.call("GET", "/none/x")
	if r.Status() != 500 || !strings.HasPrefix(r.Body(), `{ "statusCode": 500, "message": "Internal server error", "activityId": "`) || !strings.HasSuffix(r.Body(), `" }`) {
		t.Errorf("no service URL: %d %s", r.Status(), r.Body())
	}
	f.backend.Handler = wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, _ wire.Responder) { <-ctx.Done() })
	if r := f.call("GET", "/a/x"); r.Status() != 500 {
		t.Errorf("timeout: %d %s", r.Status(), r.Body())
	}
	if text := metricsText(t, f); !strings.Contains(text, `reason="Timeout"`) {
		t.Errorf("no Timeout in metrics:\n%s", text)
	}
}

func metricsText(t *testing.T, f *fixture) string {
	var b strings.Builder
	if err := f.cfg.Metrics.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOnError(t *testing.T) {
	a := with(api("a", "a", "GET /x"), func(a *model.API) {
		a.SubscriptionRequired = true
		a.Policy = rawPolicy(`<policies><inbound/><backend><forward-request/></backend><outbound/><on-error>
			<set-header name="x-api-error"><value>yes</value></set-header></on-error></policies>`)
	})
	s := snapshot(a)
	s.Policy = rawPolicy(`<policies><inbound/><backend><forward-request/></backend><outbound/><on-error>
		<return-response><set-status code="405" reason="Method Not Allowed"/><set-header name="Allow"><value>GET</value></set-header></return-response></on-error></policies>`)
	f := newFixture(t, wire.HandlerFunc(echo), s)
	if r := f.call("GET", "/a/x"); r.Status() != 401 || r.Header().Get("x-api-error") != "yes" || r.Body() != missing {
		t.Errorf("on-error of the API: %d %v %s", r.Status(), r.Header(), r.Body())
	}
	if r := f.call("GET", "/nowhere"); r.Status() != 405 || r.Header().Get("Allow") != "GET" || r.Body() != "" {
		t.Errorf("global on-error: %d %v %q", r.Status(), r.Header(), r.Body())
	}
}

func TestBackendStatusIsNoError(t *testing.T) {
	teapot := wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
		wire.Reply(w, 418, "text/plain", []byte("short and stout"), wire.Field{Name: "X-Powered-By", Value: "tea"})
	})
	f := newFixture(t, teapot, snapshot(api("a", "a", "GET /x")))
	if r := f.call("GET", "/a/x"); r.Status() != 418 || r.Body() != "short and stout" || r.Header().Get("X-Powered-By") != "tea" {
		t.Errorf("got %d %q %v", r.Status(), r.Body(), r.Header())
	}
	failing := rawPolicy(`<policies><inbound><base/></inbound><backend><forward-request fail-on-error-status-code="true"/></backend><outbound/><on-error>
		<set-header name="x-seen"><value>1</value></set-header></on-error></policies>`)
	f = newFixture(t, teapot, snapshot(with(api("a", "a", "GET /x"), func(a *model.API) { a.Policy = failing })))
	if r := f.call("GET", "/a/x"); r.Status() != 418 || r.Body() != "short and stout" || r.Header().Get("x-seen") != "1" {
		t.Errorf("fail-on-error-status-code: %d %q %v", r.Status(), r.Body(), r.Header())
	}
}

func TestNothingForwarded(t *testing.T) {
	a := with(api("a", "a", "GET /x"), func(a *model.API) {
		a.Policy = rawPolicy(`<policies><inbound><base/></inbound><backend/><outbound><set-header name="x-out"><value>1</value></set-header></outbound><on-error/></policies>`)
	})
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(a))
	if r := f.call("GET", "/a/x"); r.Status() != 200 || r.ContentLength() != 0 || r.Header().Get("x-out") != "1" || len(f.backend.Calls()) != 0 {
		t.Errorf("got %d, length %d, %v, %d calls", r.Status(), r.ContentLength(), r.Header(), len(f.backend.Calls()))
	}
}

func TestScopes(t *testing.T) {
	a := with(api("a", "a", "GET /x", "GET /y"), func(a *model.API) {
		a.SubscriptionRequired = true
		a.Policy = rawPolicy(`<policies><inbound><set-header name="trail" exists-action="append"><value>api-1</value></set-header><base/>
			<set-header name="trail" exists-action="append"><value>api-2</value></set-header></inbound></policies>`)
		a.Operations[1].Policy = rawPolicy(`<policies><inbound><set-header name="only"><value>op</value></set-header></inbound></policies>`)
	})
	s := snapshot(a)
	mark := func(v string) *model.PolicyDoc {
		return rawPolicy(`<policies><inbound><base/><set-header name="trail" exists-action="append"><value>` + v + `</value></set-header></inbound><backend><forward-request/></backend></policies>`)
	}
	s.Policy = rawPolicy(strings.ReplaceAll(mark("global").Text, "<base/>", ""))
	s.Products = []*model.Product{{ID: "gold", DisplayName: "g", SubscriptionRequired: true, APIs: []string{"a"}, Policy: mark("product")}}
	s.Subscriptions = keySnapshot().Subscriptions[:1]
	f := newFixture(t, wire.HandlerFunc(echo), s)
	body := f.call("GET", "/a/x", "Ocp-Apim-Subscription-Key: gold-1").Body()
	if !strings.Contains(body, "trail: api-1,global,product,api-2\n") {
		t.Errorf("order of scopes: %s", body)
	}
	body = f.call("GET", "/a/y", "Ocp-Apim-Subscription-Key: gold-1").Body()
	if strings.Contains(body, "trail:") || !strings.Contains(body, "only: op") {
		t.Errorf("a section without base inherits nothing: %s", body)
	}
}

func TestPreflight(t *testing.T) {
	cors := `<cors><allowed-origins><origin>https://app.test</origin></allowed-origins><allowed-headers><header>*</header></allowed-headers></cors>`
	a := with(api("a", "a", "GET /x", "OPTIONS /own"), func(a *model.API) {
		a.SubscriptionRequired = true
		a.Policy = rawPolicy(`<policies><inbound>` + cors + `<base/></inbound></policies>`)
	})
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(a, api("plain", "plain", "GET /x")))
	pre := []string{"Origin: https://app.test", "Access-Control-Request-Method: GET"}
	if r := f.call("OPTIONS", "/a/x", pre...); r.Status() != 200 || r.Header().Get("Access-Control-Allow-Origin") != "https://app.test" || r.Body() != "" {
		t.Errorf("25 preflight: %d %v", r.Status(), r.Header())
	}
	if r := f.call("OPTIONS", "/a/own", pre...); r.Status() != 401 {
		t.Errorf("26 own OPTIONS operation: %d", r.Status())
	}
	if r := f.call("OPTIONS", "/a/x", "Origin: https://evil.test", "Access-Control-Request-Method: GET"); r.Status() != 200 || r.Header().Has("Access-Control-Allow-Origin") {
		t.Errorf("unmatched preflight: %d %v", r.Status(), r.Header())
	}
	if r := f.call("OPTIONS", "/plain/x", pre...); r.Status() != 404 {
		t.Errorf("no cors: %d", r.Status())
	}
	if r := f.call("GET", "/a/x", "Origin: https://app.test"); r.Status() != 401 || r.Header().Get("Vary") != "Origin" || r.Header().Has("Access-Control-Allow-Origin") {
		t.Errorf("401 before cors has run: %d %v", r.Status(), r.Header())
	}
	if r := f.call("GET", "/plain/x", "Ocp-Apim-Subscription-Key: none"); r.Status() != 401 || r.Header().Has("Vary") {
		t.Errorf("401 without cors: %d %v", r.Status(), r.Header())
	}
	if r := f.call("GET", "/a/x", "Origin: https://evil.test", "Ocp-Apim-Subscription-Key: none"); r.Status() != 401 {
		t.Errorf("actual request: %d", r.Status())
	}
}

// A backend that breaks off must not look like a complete answer.
func TestBrokenBackendCutsTheClient(t *testing.T) {
	f := newFixture(t, nil, snapshot(api("a", "a", "GET /x")))
	broken := &brokenTransport{}
	f.deps.Transport = func(bool, bool) wire.Transport { return broken }
	s := snapshot(api("a", "a", "GET /x"))
	s.APIs[0].Hash = "other"
	f.load(s)
	r := f.call("GET", "/a/x")
	if r.Body() != "half" || !r.Aborted() {
		t.Errorf("body %q, aborted %v", r.Body(), r.Aborted())
	}
}

type brokenTransport struct{}

func (*brokenTransport) RoundTrip(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
	return &wire.Incoming{Status: 200, ContentLength: 8, Body: io.NopCloser(io.MultiReader(strings.NewReader("half"), &failing{}))}, nil
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("reset") }

func TestPanicIsOneRequestsMatter(t *testing.T) {
	f := newFixture(t, nil, snapshot(api("a", "a", "GET /x")))
	f.deps.Transport = func(bool, bool) wire.Transport { return nil } // calling it panics
	s := snapshot(api("a", "a", "GET /x"))
	s.APIs[0].Hash = "other"
	f.load(s)
	r := f.call("GET", "/a/x")
	if r.Status() != 500 || !strings.Contains(r.Body(), "Internal server error") || strings.Contains(r.Body(), "nil pointer") {
		t.Errorf("got %d %s", r.Status(), r.Body())
	}
	if f.InFlight() != 0 {
		t.Errorf("%d requests in flight", f.InFlight())
	}
}

// Events are passed on one by one, as they come.
func TestEventStreamIsFlushedEventByEvent(t *testing.T) {
	next := make(chan struct{})
	f := newFixture(t, wire.HandlerFunc(func(_ context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
		for _, e := range []string{"data: 1\n\n", "data: 2\r\n\r\n", ": ping\n\n", "data: [DONE]\n\n"} {
			_, _ = w.Write([]byte(e))
			_ = w.Flush()
			<-next
		}
	}), snapshot(api("a", "a", "POST /x")))
	r := wiretest.NewRequest("POST", "/a/x", `{"stream":true}`)
	rec := &wiretest.Recorder{}
	done := make(chan struct{})
	go func() { defer close(done); f.ServeWire(context.Background(), r, rec) }()
	for want := range 4 {
		deadline := time.Now().Add(5 * time.Second)
		for len(rec.Chunks()) < want+1 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if got := len(rec.Chunks()); got != want+1 {
			t.Fatalf("%d chunks flushed before event %d was released: %q", got, want+1, rec.Chunks())
		}
		next <- struct{}{}
	}
	<-done
	if got, want := rec.Body(), "data: 1\n\ndata: 2\r\n\r\n: ping\n\ndata: [DONE]\n\n"; got != want {
		t.Errorf("stream %q, want %q", got, want)
	}
}

// A client that leaves ends the backend call at once.
func TestClientDisconnectCancelsBackend(t *testing.T) {
	canceled := make(chan struct{})
	f := newFixture(t, wire.HandlerFunc(func(ctx context.Context, _ *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", wire.Header{{Name: "Content-Type", Value: "text/event-stream"}}, -1)
		_ = w.Flush()
		<-ctx.Done()
		close(canceled)
	}), snapshot(api("a", "a", "GET /x")))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { time.Sleep(10 * time.Millisecond); cancel() }()
	wiretest.ServeContext(ctx, f.Gateway, wiretest.NewRequest("GET", "/a/x", ""))
	select {
	case <-canceled:
	case <-time.After(5 * time.Second):
		t.Fatal("the backend call goes on")
	}
	if !strings.Contains(metricsText(t, f), `reason="ClientConnectionFailure"`) {
		t.Error("the client's leaving is not counted")
	}
}

func TestDebugTokens(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /x"), api("b", "b", "GET /x")))
	token := f.debug.Issue("a", time.Hour)
	r := f.call("GET", "/a/x?subscription-key=", "Apim-Debug-Authorization: "+token, "Authorization: Bearer very-secret-token")
	id := r.Header().Get("Apim-Trace-Id")
	tr, ok := f.traces.Get(id)
	if !ok {
		t.Fatalf("no trace %q", id)
	}
	if b, _ := f.traces.Document(tr).MarshalIndent(); strings.Contains(string(b), "very-secret-token") || !strings.Contains(string(b), `"source": "forward-request"`) {
		t.Errorf("trace: %s", b)
	}
	if r := f.call("GET", "/b/x", "Apim-Debug-Authorization: "+token); r.Status() != 200 || !r.Header().Has("Apim-Debug-Authorization-WrongAPI") || r.Header().Has("Apim-Trace-Id") {
		t.Errorf("30 wrong API: %v", r.Header())
	}
	expired := f.debug.Issue("a", -time.Minute)
	if r := f.call("GET", "/a/x", "Apim-Debug-Authorization: "+expired); r.Status() != 200 || !r.Header().Has("Apim-Debug-Authorization-Expired") || r.Header().Has("Apim-Trace-Id") {
		t.Errorf("31 expired: %v", r.Header())
	}
	f.debug.Invalidate()
	if r := f.call("GET", "/a/x", "Apim-Debug-Authorization: "+token); r.Header().Has("Apim-Trace-Id") {
		t.Error("an invalidated token still traces")
	}
}

// The older way to ask for a trace: a header, from a subscription that may.
func TestOcpApimTrace(t *testing.T) {
	s := keySnapshot()
	s.Subscriptions[0].AllowTracing = true // gold
	f := newFixture(t, wire.HandlerFunc(echo), s, func(c *gateway.Config) { c.TraceURL = "http://manage.test/traces/" })
	const key = "Ocp-Apim-Subscription-Key: "
	r := f.call("GET", "/closed/x", key+"gold-1", "Ocp-Apim-Trace: true")
	id, ok := strings.CutPrefix(r.Header().Get("Ocp-Apim-Trace-Location"), "http://manage.test/traces/")
	if tr, found := f.traces.Get(id); !ok || !found || !tr.Open {
		t.Errorf("location %q, found %v", r.Header().Get("Ocp-Apim-Trace-Location"), found)
	}
	if strings.Contains(r.Body(), "ocp-apim-trace") {
		t.Errorf("the header reached the backend: %s", r.Body())
	}
	for _, headers := range [][]string{{key + "hidden-1", "Ocp-Apim-Trace: true"}, {key + "gold-1"}, {key + "gold-1", "Ocp-Apim-Trace: false"}} {
		if r := f.call("GET", "/closed/x", headers...); r.Status() != 200 || r.Header().Has("Ocp-Apim-Trace-Location") || r.Header().Has("Apim-Trace-Id") {
			t.Errorf("%v: %d %v", headers, r.Status(), r.Header())
		}
	}
}

// Dot segments could climb out of a backend's base path; no client of good
// will sends them, since clients resolve them.
func TestDotSegmentsAreRefused(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /*", "GET /{x}/y")))
	for _, target := range []string{"/a/../admin", "/a/..", "/a/./x", "/a/%2e%2e/admin", "/a/%2E%2E%2fadmin", "/a/..%2fadmin", "/a/..%5cadmin", `/a/..\admin`, "/../a/x", "/a/%2e/y", "/a/..;/admin", "/a/..;v=1/admin", "/a/%2e%2e%3b/admin"} {
		if r := f.call("GET", target); r.Status() != 400 || r.Body() != `{ "statusCode": 400, "message": "Bad Request" }` {
			t.Errorf("%s: %d %s", target, r.Status(), r.Body())
		}
	}
	for _, target := range []string{"/a/.well-known/x", "/a/x..y", "/a/...", "/a/x?next=../y", "/a/%2Ehidden", "/a/x;..", "/a/...;v"} {
		if r := f.call("GET", target); r.Status() != 200 {
			t.Errorf("%s: %d %s", target, r.Status(), r.Body())
		}
	}
	if n := len(f.backend.Calls()); n != 7 {
		t.Errorf("the backend was called %d times", n)
	}
}

func TestUnknownHost(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /x")))
	f.deps.Hostnames = []string{"api.example.com"}
	f.load(snapshot(api("a", "a", "GET /x")))
	if r := f.call("GET", "/a/x"); r.Status() != 404 || r.Body() != "" || len(f.backend.Calls()) != 0 {
		t.Errorf("unknown host: %d %q", r.Status(), r.Body())
	}
	for host, want := range map[string]int{"api.example.com": 200, "API.example.com:8443": 200, "192.0.2.1": 404, "example.com": 404} {
		r := wiretest.NewRequest("GET", "/a/x", "")
		r.Host = host
		if got := wiretest.Serve(f.Gateway, r).Status(); got != want {
			t.Errorf("host %s: %d, want %d", host, got, want)
		}
	}
	if r := f.call("GET", "/status-0123456789abcdef"); r.Status() != 200 {
		t.Errorf("status path: %d", r.Status())
	}
}
