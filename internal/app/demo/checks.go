package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/ai/sse"
	"sallyport/internal/telemetry"
)

// check is one line of the demo's table.
type check struct {
	name string
	run  func(ctx context.Context, c *chain) error
}

// checks are everything that the demo proves.
func checks() []check {
	return []check{
		{"a question travels through both gateway hops and back", plain},
		{"the same question, streamed event by event", streamed},
		{"the same question in Databricks' own form (invocations)", invocations},
		{"both hops are joined in one trace", traced},
		{"the model saw the gateway's identity and address, and no key", credentials},
		{"direct call to the model: 403", direct},
		{"no subscription key: 401", noKey},
		{"key under the wrong header name: 401", wrongHeader},
		{"key of another product: 401", otherProduct},
		{"suspended subscription: 401", suspended},
		{"caller outside the ip-filter, with a good key: 403", outside},
		{"unknown operation: 404", unknownOperation},
		{"unknown deployment: the model's own 404 comes through", unknownDeployment},
		{"model down: 500 in APIM's form, nothing hangs", modelDown},
	}
}

// check runs all checks and prints the table.
func (c *chain) check(ctx context.Context, p *printer, started time.Duration) bool {
	begin, passed, all := time.Now(), 0, checks()
	for i, k := range all {
		start := time.Now()
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := k.run(limited, c)
		cancel()
		if ctx.Err() != nil { // Ctrl-C: the check has failed for want of time
			p.interrupted(i, len(all))
			return false
		}
		if err == nil {
			passed++
		}
		p.result(k.name, time.Since(start), err)
	}
	p.total(passed, len(all), started, time.Since(begin))
	return passed == len(all)
}

const (
	chatPath  = "/serving-endpoints/chat/completions"
	modelPath = "/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
	ask       = `{"model":"dublin-chat","messages":[{"role":"user","content":"What is a sally port?"}]}`
	askStream = `{"model":"dublin-chat","stream":true,"messages":[{"role":"user","content":"What is a sally port?"}]}`

	bodyNoKey   = `{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }`
	bodyBadKey  = `{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }`
	bodyUnknown = `{ "statusCode": 404, "message": "Resource not found" }`
	bodyDenied  = `{ "statusCode": 403, "message": "Forbidden" }`
)

func (c *chain) user(key string) call {
	return call{url: c.urls.Gateway + chatPath, body: ask, headers: []string{"Ocp-Apim-Subscription-Key", key}}
}

func plain(ctx context.Context, c *chain) error {
	return answered(c.user(UserKey).send(ctx))
}

// answered wants a chat completion with some text in it.
func answered(r *answer, err error) error {
	if err != nil {
		return err
	}
	var v struct {
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			TotalTokens int `json:"total_tokens"`
		}
	}
	if r.status != 200 {
		return r.unexpected("200")
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || len(v.Choices) == 0 || v.Choices[0].Message.Content == "" || v.Usage.TotalTokens == 0 {
		return r.unexpected("a chat completion")
	}
	return nil
}

func streamed(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.body = askStream
	r, err := k.send(ctx)
	if err != nil {
		return err
	}
	if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/event-stream") {
		return r.unexpected("200 text/event-stream")
	}
	events, done := 0, false
	for in := sse.NewReader(strings.NewReader(r.body), sse.Options{}); ; events++ {
		e, err := in.Next()
		if err != nil {
			break
		}
		done = e.Done()
	}
	if events < 3 || !done {
		return r.unexpected("several events that end in [DONE]")
	}
	if r.reads < 3 {
		return fmt.Errorf("%d events came in %d pieces: the stream was gathered on its way", events, r.reads)
	}
	return nil
}

func invocations(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.url = c.urls.Gateway + "/serving-endpoints/dublin-chat/invocations"
	return answered(k.send(ctx))
}

func traced(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.headers = append(k.headers, "Apim-Debug-Authorization", c.node.DebugToken("databricks-serving", time.Minute))
	r, err := k.send(ctx)
	if err != nil {
		return err
	}
	doc, err := c.node.Trace(ctx, r.header.Get("Apim-Trace-Id"))
	if err != nil {
		return err
	}
	kinds := []string{}
	for d := doc; ; d = d.Hops[0] {
		kinds = append(kinds, d.Kind)
		if len(d.Hops) == 0 {
			break
		}
	}
	want := telemetry.HopGateway + " " + telemetry.HopServing + " " + telemetry.HopGateway
	if got := strings.Join(kinds, " "); got != want {
		return fmt.Errorf("the trace has the hops %q, want %q", got, want)
	}
	return nil
}

func credentials(_ context.Context, c *chain) error {
	seen := c.box.Stats().Last()
	if a := seen.Remote.Addr().String(); a != "127.0.0.2" {
		return fmt.Errorf("the model was called from %s, not from the gateway's 127.0.0.2", a)
	}
	if seen.Header.Has("api-key") || seen.Header.Has("Ocp-Apim-Subscription-Key") {
		return fmt.Errorf("a subscription key reached the model")
	}
	if t := seen.Header.Get("Authorization"); !strings.HasPrefix(t, "Bearer ") || strings.Contains(t, Token) || strings.Count(t, ".") != 2 {
		return fmt.Errorf("the model was not called with an Entra token")
	}
	return nil
}

func direct(ctx context.Context, c *chain) error {
	k := call{url: c.urls.Sandbox + "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21", body: ask}
	return want(403, "")(k.send(ctx))
}

func noKey(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.headers = nil
	return want(401, bodyNoKey)(k.send(ctx))
}

func wrongHeader(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.headers = []string{"api-key", UserKey}
	return want(401, bodyNoKey)(k.send(ctx))
}

func otherProduct(ctx context.Context, c *chain) error {
	return want(401, bodyBadKey)(c.user(ModelKey).send(ctx))
}

func suspended(ctx context.Context, c *chain) error {
	return want(401, bodyBadKey)(c.user(PausedKey).send(ctx))
}

func (c *chain) model(path, from string) call {
	return call{url: c.urls.Gateway + path, body: ask, from: from, headers: []string{"api-key", ModelKey}}
}

func outside(ctx context.Context, c *chain) error {
	return want(403, bodyDenied)(c.model(modelPath, "").send(ctx))
}

func unknownOperation(ctx context.Context, c *chain) error {
	k := c.user(UserKey)
	k.url = c.urls.Gateway + "/serving-endpoints/no/such/operation"
	return want(404, bodyUnknown)(k.send(ctx))
}

func unknownDeployment(ctx context.Context, c *chain) error {
	path := strings.Replace(modelPath, "gpt-4.1-mini", "no-such-deployment", 1)
	r, err := c.model(path, servingAddress).send(ctx)
	if err := wantContains(404, `"DeploymentNotFound"`)(r, err); err != nil {
		return fmt.Errorf("at the inner hop: %w", err)
	}
	k := c.user(UserKey)
	k.url = c.urls.Gateway + "/serving-endpoints/dublin-missing/invocations"
	if err := wantContains(404, `DeploymentNotFound`)(k.send(ctx)); err != nil {
		return fmt.Errorf("through the whole chain: %w", err)
	}
	return nil
}

func modelDown(ctx context.Context, c *chain) error {
	if err := c.box.Stop(); err != nil {
		return err
	}
	inner, innerErr := c.model(modelPath, servingAddress).send(ctx)
	outer, outerErr := c.user(UserKey).send(ctx)
	if err := c.box.Restart(); err != nil {
		return err
	}
	if err := wantContains(500, `{ "statusCode": 500, "message": "Internal server error", "activityId": "`)(inner, innerErr); err != nil {
		return fmt.Errorf("at the inner hop: %w", err)
	}
	if err := wantContains(500, `"error_code":"INTERNAL_ERROR"`)(outer, outerErr); err != nil {
		return fmt.Errorf("through the whole chain: %w", err)
	}
	if err := plain(ctx, c); err != nil {
		return fmt.Errorf("after the model came back: %w", err)
	}
	return nil
}
