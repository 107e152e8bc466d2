package databricks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

func TestForwardsVerbatimWithItsOwnHeaders(t *testing.T) {
	up := answering(200, `{"id":"1", "x":1.0}`, "Content-Type: application/json; charset=utf-8", "X-Internal: 10.0.0.1", "Set-Cookie: a=b", "Connection: close")
	p := newPlane(up, nil)
	got := post(p, invokeDublin+"?ignored=1", `{ "model":"whatever", "messages":[],"client_request_id":"c-1","usage_context":{"a":"b"},"tools":[ ] }`,
		"Content-Type: application/json", "Accept: application/json", "Accept: text/event-stream", "User-Agent: curl/8", "X-Forwarded-For: 1.2.3.4",
		"Cookie: s=1", "api-key: from-caller", "Ocp-Apim-Subscription-Key: from-caller", "tracestate: a=1", "tracestate: b=2",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	sent := up.last(t)
	if sent.scheme != "https" || sent.authority != "apim.test" || sent.target != "/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21&x=%2f" {
		t.Errorf("called %s://%s%s", sent.scheme, sent.authority, sent.target)
	}
	if want := `{ "model":"gpt-4.1-mini", "messages":[],"tools":[ ] }`; sent.body != want {
		t.Errorf("sent %s", sent.body)
	}
	tp, ok := telemetry.ParseTraceParent(sent.header.Get("traceparent"))
	if !ok || tp.TraceID() != "0af7651916cd43dd8448eb211c80319c" || telemetry.SpanID(tp.Span) == "b7ad6b7169203331" || !tp.Sampled {
		t.Errorf("traceparent %q", sent.header.Get("traceparent"))
	}
	want := wire.Header{
		{Name: "Content-Type", Value: "application/json"}, {Name: "Accept", Value: "application/json, text/event-stream"},
		{Name: "User-Agent", Value: "sallyport"}, {Name: "traceparent", Value: tp.TraceParent()}, {Name: "tracestate", Value: "a=1, b=2"},
		{Name: "x-sallyport-hops", Value: "1"}, {Name: "api-key", Value: testKey},
	}
	if diff := cmp.Diff(want, sent.header); diff != "" {
		t.Error(diff)
	}
	if got.Status() != 200 || got.Body() != `{"id":"1", "x":1.0}` || got.ContentLength() != 19 || got.Flushes() != 0 {
		t.Errorf("status %d, body %s, length %d", got.Status(), got.Body(), got.ContentLength())
	}
	h := got.Header()
	wantH := wire.Header{{Name: "Content-Type", Value: "application/json; charset=utf-8"}, {Name: "served-model-name", Value: "gpt-4-1-mini"}, {Name: "x-request-id", Value: h.Get("x-request-id")}}
	if diff := cmp.Diff(wantH, h); diff != "" {
		t.Error(diff)
	}
}

func TestBeginsATraceContextWhenNoneCame(t *testing.T) {
	for _, headers := range [][]string{nil, {"traceparent: rubbish", "tracestate: a=1"}} {
		up := answering(200, "{}")
		post(newPlane(up, nil), invokeDublin, chatBody, headers...)
		h := up.last(t).header
		if _, ok := telemetry.ParseTraceParent(h.Get("traceparent")); !ok || h.Has("tracestate") {
			t.Errorf("traceparent %q, tracestate %q", h.Get("traceparent"), h.Get("tracestate"))
		}
		if h.Get("Content-Type") != "application/json" || h.Has("Accept") {
			t.Errorf("headers %v", h)
		}
	}
}

func TestHopsAreCounted(t *testing.T) {
	for in, want := range map[string]string{"": "1", "7": "8", "-1": "1", "x": "1"} {
		up := answering(200, "{}")
		post(newPlane(up, nil), invokeDublin, chatBody, "x-sallyport-hops: "+in)
		if got := up.last(t).header.Get("x-sallyport-hops"); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestBearerAuth(t *testing.T) {
	up := answering(200, "{}")
	p := newPlane(up, nil, provider(func(c *model.CustomProvider) {
		c.APIKey, c.BearerToken = nil, &model.SecretValue{Plaintext: secret.New("tok")}
	})...)
	post(p, invokeDublin, chatBody)
	if got := up.last(t).header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer tok" {
		t.Errorf("Authorization %q", got)
	}
}

func TestPlainHTTPLoopbackWhenAllowed(t *testing.T) {
	up := answering(200, "{}")
	p := newPlane(up, func(c *Config) { c.AllowInsecureLoopback = true }, provider(func(c *model.CustomProvider) { c.URL = "http://127.0.0.1:8080/x" })...)
	if got := post(p, invokeDublin, chatBody); got.Status() != 200 {
		t.Errorf("status %d: %s", got.Status(), got.Body())
	}
	if s := up.last(t); s.scheme != "http" || s.authority != "127.0.0.1:8080" {
		t.Errorf("called %+v", s)
	}
}

func TestSchemeIsCheckedAgainAtTheCall(t *testing.T) {
	up := answering(200, "{}")
	p := newPlane(up, nil)
	p.table.Load().byName["dublin-chat"].entities[0].target.scheme = "http"
	if got := post(p, invokeDublin, chatBody); got.Status() != 400 || up.count() != 0 {
		t.Errorf("status %d, %d calls", got.Status(), up.count())
	}
}

func TestOpenAISurface(t *testing.T) {
	chat := custom("dublin-chat")
	emb := &model.ServingEndpoint{Name: "emb", ServedEntities: []*model.ServedEntity{customEntity("e", taskEmbeddings)}}
	text := &model.ServingEndpoint{Name: "text", ServedEntities: []*model.ServedEntity{customEntity("t", taskCompletions)}}
	for _, tt := range []struct{ target, body, sent string }{
		{"/serving-endpoints/chat/completions", `{"messages":[],"model":"dublin-chat"}`, `{"messages":[],"model":"gpt-4.1-mini"}`},
		{"/ai-gateway/mlflow/v1/chat/completions", `{"messages":[],"model":"x","model":"dublin-chat"}`, `{"messages":[],"model":"gpt-4.1-mini","model":"gpt-4.1-mini"}`},
		{"/serving-endpoints/embeddings", `{"model":"emb","input":"x"}`, `{"model":"gpt-4.1-mini","input":"x"}`},
		{"/ai-gateway/mlflow/v1/embeddings", `{"model":"em\u0062","input":["x"]}`, `{"model":"gpt-4.1-mini","input":["x"]}`},
		{"/serving-endpoints/completions", `{"model":"text","prompt":"x"}`, `{"model":"gpt-4.1-mini","prompt":"x"}`},
		{"/serving-endpoints/text/invocations", `{"prompt":"x"}`, `{"model":"gpt-4.1-mini","prompt":"x"}`},
	} {
		up := answering(200, "{}")
		if got := post(newPlane(up, nil, chat, emb, text), tt.target, tt.body); got.Status() != 200 {
			t.Errorf("%s: status %d: %s", tt.target, got.Status(), got.Body())
			continue
		}
		if got := up.last(t).body; got != tt.sent {
			t.Errorf("%s: sent %s, want %s", tt.target, got, tt.sent)
		}
	}
}

func splitEndpoint() *model.ServingEndpoint {
	return &model.ServingEndpoint{
		Name:           "split",
		ServedEntities: []*model.ServedEntity{customEntity("a", taskChat), customEntity("b", taskChat), customEntity("spare", taskChat)},
		Routes:         []model.TrafficRoute{{ServedEntity: "b", Percentage: 30}, {ServedEntity: "a", Percentage: 70}, {ServedEntity: "spare", Percentage: 0}},
	}
}

func TestTrafficSplitIsExactAndSurvivesApply(t *testing.T) {
	p := newPlane(answering(200, "{}"), nil, splitEndpoint())
	got := map[string]int{}
	for i := range 1000 {
		if i%7 == 0 { // what changes is not the split
			e := splitEndpoint()
			e.Description = fmt.Sprint(i)
			p.Apply([]*model.ServingEndpoint{e})
		}
		got[post(p, "/serving-endpoints/split/invocations", chatBody).Header().Get("served-model-name")]++
	}
	if diff := cmp.Diff(map[string]int{"a": 700, "b": 300}, got); diff != "" {
		t.Error(diff)
	}
	if h := post(p, "/serving-endpoints/split/served-models/spare/invocations", chatBody).Header(); h.Get("served-model-name") != "spare" {
		t.Errorf("a served model named in the path must bypass the split: %v", h)
	}
}

func TestSecretRotatesWithoutUpdate(t *testing.T) {
	up, v := answering(200, "{}"), newVault("apim/gateway-key", "one")
	p := newPlane(up, func(c *Config) { c.Secrets = v })
	for _, key := range []string{"one", "two"} {
		v.put("apim/gateway-key", key)
		post(p, invokeDublin, chatBody)
		if got := up.last(t).header.Get("api-key"); got != key {
			t.Errorf("sent %q, want %q", got, key)
		}
	}
	v.put("apim/gateway-key", "")
	if got := post(p, invokeDublin, chatBody); got.Status() != 500 || up.count() != 2 {
		t.Errorf("status %d after the secret was emptied", got.Status())
	}
}

func TestSilentUpstreamIs504(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upstream{reply: func(ctx context.Context, _ *wire.Outgoing) (*wire.Incoming, error) {
			<-ctx.Done()
			return nil, &wire.Error{Kind: wire.KindCanceled, Op: "round trip", Err: ctx.Err()}
		}}
		start := time.Now()
		got := post(newPlane(up, nil), invokeDublin, chatBody)
		want := `{"error_code":"DEADLINE_EXCEEDED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The external model did not answer within 297 s.\"}"}`
		if got.Status() != 504 || got.Body() != want || time.Since(start) != DefaultUpstreamTimeout {
			t.Errorf("status %d after %s: %s", got.Status(), time.Since(start), got.Body())
		}
	})
}

func TestClientGoneBeforeTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	up := &upstream{reply: func(ctx context.Context, _ *wire.Outgoing) (*wire.Incoming, error) {
		cancel()
		<-ctx.Done() // hangs unless the client's leaving reaches the upstream call
		return nil, &wire.Error{Kind: wire.KindCanceled, Op: "round trip", Err: ctx.Err()}
	}}
	var rec CallRecord
	p := newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
	got := &wiretest.Recorder{}
	p.ServeWire(ctx, wiretest.NewRequest("POST", invokeDublin, chatBody, bearer), got)
	if got.Status() != 0 || !rec.ClientGone || rec.Status != 0 || rec.ErrorCode != "" {
		t.Errorf("status %d, record %+v", got.Status(), rec)
	}
}

func TestRecord(t *testing.T) {
	var rec CallRecord
	p := newPlane(answering(200, `{"ok":1}`), func(c *Config) { c.Observe = func(r CallRecord) { rec = r } })
	body := `{"messages":[],"client_request_id":"` + strings.Repeat("c", 300) + `"}`
	post(p, invokeDublin, body)
	rec.Time, rec.Duration, rec.UpstreamHead, rec.Span, rec.RequestID = time.Time{}, 0, 0, telemetry.SpanContext{}, ""
	want := CallRecord{
		Remote: rec.Remote, Caller: "tester", Method: "POST", Path: invokeDublin, Route: "/serving-endpoints/{name}/invocations",
		Endpoint: "dublin-chat", ServedEntity: "gpt-4-1-mini", Provider: "custom", Task: taskChat, Status: 200, UpstreamStatus: 200,
		BytesIn: int64(len(body)), BytesOut: 8, ClientRequestID: strings.Repeat("c", 256),
	}
	if diff := cmp.Diff(want, rec, cmp.Comparer(func(a, b telemetry.SpanContext) bool { return a == b }), cmp.Comparer(func(a, b CallRecord) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestSecretsNeverShow exercises every path with known secrets and looks for
// them in all that is told.
func TestSecretsNeverShow(t *testing.T) {
	const plain = "pl4in-canary-77aa"
	var told bytes.Buffer
	var mu sync.Mutex
	traces := telemetry.NewTraces(1<<20, time.Hour)
	outer := telemetry.NewSpanContext()
	root := traces.Begin(telemetry.HopGateway, "gw", "GET /", outer, [8]byte{})
	defer traces.Finish(root, 200)
	log := slog.New(slog.NewJSONHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, up := range []*upstream{answering(200, "{}"), answering(401, "no"), answering(302, ""), failing(netError(wire.KindConnect))} {
		for _, eps := range [][]*model.ServingEndpoint{
			nil,
			provider(func(c *model.CustomProvider) { c.APIKey.Value = model.SecretValue{Plaintext: secret.New(plain)} }),
			provider(func(c *model.CustomProvider) {
				c.APIKey, c.BearerToken = nil, &model.SecretValue{Plaintext: secret.New(plain)}
			}),
			provider(func(c *model.CustomProvider) {
				c.APIKey.Value = model.SecretValue{Plaintext: secret.New(plain + "\n")}
			}),
			provider(func(c *model.CustomProvider) { c.APIKey.Key = "bad header" }),
		} {
			p := newPlane(up, func(c *Config) {
				c.Log, c.Traces = log, traces
				c.Observe = func(r CallRecord) { mu.Lock(); fmt.Fprintf(&told, "%+v\n", r); mu.Unlock() }
			}, eps...)
			for _, rec := range []*wiretest.Recorder{
				post(p, invokeDublin, chatBody, "traceparent: "+outer.TraceParent()),
				wiretest.Serve(p, wiretest.NewRequest("POST", invokeDublin, chatBody, "Authorization: Bearer x"+testToken)),
				wiretest.Serve(p, wiretest.NewRequest("GET", "/api/2.0/serving-endpoints/dublin-chat", "", bearer)),
				wiretest.Serve(p, wiretest.NewRequest("GET", "/api/2.0/serving-endpoints", "", bearer)),
			} {
				fmt.Fprintln(&told, rec.Header(), rec.Body())
			}
			fmt.Fprintf(&told, "%v %+v %#v\n", p.Endpoints()[0], p.table.Load().list[0].entities[0], p.cfg)
		}
	}
	for _, tr := range traces.Call(root) {
		doc, err := traces.Document(tr).MarshalIndent()
		if err != nil {
			t.Fatal(err)
		}
		told.Write(doc)
	}
	for _, s := range []string{testKey, plain, testToken} {
		if i := strings.Index(told.String(), s); i >= 0 {
			t.Errorf("%q shows: …%s…", s, told.String()[max(0, i-80):min(told.Len(), i+80)])
		}
	}
	if !strings.Contains(told.String(), "{{secrets/apim/gateway-key}}") || !strings.Contains(told.String(), "traceEntries") {
		t.Error("the test looked at nothing")
	}
}

// servingHop is the one hop of ours in the call of root.
func servingHop(t *testing.T, traces *telemetry.Traces, root *telemetry.Trace) *telemetry.Trace {
	t.Helper()
	var found []*telemetry.Trace
	for _, h := range traces.Call(root) {
		if h.Kind == telemetry.HopServing {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d hops", len(found))
	}
	return found[0]
}

func TestTraceOfAHop(t *testing.T) {
	traces := telemetry.NewTraces(1<<20, time.Hour)
	outer := telemetry.NewSpanContext()
	root := traces.Begin(telemetry.HopGateway, "gw", "POST /", outer, [8]byte{})
	up := answering(200, "event: x\ndata: 1\n\ndata: [DONE]\n\n", "Content-Type: text/event-stream", "Set-Cookie: s=1")
	p := newPlane(up, func(c *Config) { c.Traces = traces })
	post(p, "/serving-endpoints/chat/completions", `{"model":"dublin-chat","messages":[],"usage_context":{},"stream":true}`, "traceparent: "+outer.TraceParent())
	post(p, invokeDublin, chatBody) // another call: not traced
	traces.Finish(root, 200)
	hop := servingHop(t, traces, root)
	if hop.Kind != telemetry.HopServing || hop.Service != "serving-endpoint/dublin-chat" || hop.Parent != outer.Span || hop.Status != 200 ||
		hop.Span.TraceParent() != up.sent[0].header.Get("traceparent") {
		t.Errorf("hop %s %s %v %d", hop.Kind, hop.Service, hop.Parent, hop.Status)
	}
	doc, err := json.Marshal([]any{
		hop.Entries(telemetry.SectionInbound)[0].Data, hop.Entries(telemetry.SectionBackend)[0].Data,
		hop.Entries(telemetry.SectionBackend)[1].Data, hop.Entries(telemetry.SectionOutbound)[0].Data,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"modelAsked":"dublin-chat","modelSent":"gpt-4.1-mini"`, `"removedFields":["usage_context"]`, `"stream":true`, `"caller":"tester"`,
		`"auth":{"header":"api-key","kind":"api_key_auth","secret":"{{secrets/apim/gateway-key}}"}`, `{"name":"Set-Cookie","value":"****"}`,
		`{"bytes":23,"events":2,"status":200,"streamed":true}`,
	} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("%s is missing in\n%s", want, doc)
		}
	}
}

func TestTraceOfARefusal(t *testing.T) {
	traces := telemetry.NewTraces(1<<20, time.Hour)
	outer := telemetry.NewSpanContext()
	root := traces.Begin(telemetry.HopGateway, "gw", "POST /", outer, [8]byte{})
	p := newPlane(failing(netError(wire.KindConnect)), func(c *Config) { c.Traces = traces })
	post(p, invokeDublin, chatBody, "traceparent: "+outer.TraceParent())
	hop := servingHop(t, traces, root)
	es := hop.Entries(telemetry.SectionOnError)
	if len(es) != 1 || hop.Status != 502 || es[0].Data.(map[string]any)["cause"] != "round trip: 10.1.2.3:443 said no" {
		t.Errorf("status %d, entries %+v", hop.Status, es)
	}
}
