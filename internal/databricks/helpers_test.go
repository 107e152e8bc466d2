package databricks

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

const (
	testToken = "dapi-test-token"
	testKey   = "k3y-canary-5f1d"
	chatBody  = `{"messages":[{"role":"user","content":"hi"}]}`
	bearer    = "Authorization: Bearer " + testToken
)

// vault is a Secrets that can be changed while in use.
type vault struct {
	mu sync.Mutex
	m  map[string]secret.Text
}

func newVault(kv ...string) *vault {
	v := &vault{m: map[string]secret.Text{}}
	for i := 0; i < len(kv); i += 2 {
		v.put(kv[i], kv[i+1])
	}
	return v
}

func (v *vault) put(path, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.m[path] = secret.New(value)
}

func (v *vault) Lookup(scope, key string) (secret.Text, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, ok := v.m[scope+"/"+key]
	return t, ok
}

// upstream is a wire.Transport that remembers what it was sent and answers
// what reply says.
type upstream struct {
	reply func(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error)

	mu   sync.Mutex
	sent []sentCall
}

type sentCall struct {
	scheme, authority, target, body string
	header                          wire.Header
}

func (u *upstream) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	u.mu.Lock()
	u.sent = append(u.sent, sentCall{out.Scheme, out.Authority, out.Target, string(out.Bytes), out.Header.Clone()})
	u.mu.Unlock()
	return u.reply(ctx, out)
}

func (u *upstream) last(t testing.TB) sentCall {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.sent) == 0 {
		t.Fatal("nothing was sent upstream")
	}
	return u.sent[len(u.sent)-1]
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.sent)
}

// answering makes an upstream that always says the same.
func answering(status int, body string, headers ...string) *upstream {
	return &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
		return incoming(status, io.NopCloser(strings.NewReader(body)), int64(len(body)), headers...), nil
	}}
}

func failing(err error) *upstream {
	return &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) { return nil, err }}
}

func incoming(status int, body io.ReadCloser, length int64, headers ...string) *wire.Incoming {
	in := &wire.Incoming{Status: status, Proto: "HTTP/1.1", Body: body, ContentLength: length}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		in.Header.Add(name, value)
	}
	return in
}

// custom is an endpoint with one external model behind api_key_auth.
func custom(name string) *model.ServingEndpoint {
	return &model.ServingEndpoint{Name: name, ServedEntities: []*model.ServedEntity{customEntity("gpt-4-1-mini", taskChat)}}
}

func customEntity(name, task string) *model.ServedEntity {
	return &model.ServedEntity{Name: name, External: &model.ExternalModel{
		Name: "gpt-4.1-mini", Provider: "custom", Task: task,
		Custom: &model.CustomProvider{
			URL:    "https://apim.test/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21&x=%2f",
			APIKey: &model.APIKeyAuth{Key: "api-key", Value: model.SecretValue{Scope: "apim", Key: "gateway-key"}},
		},
	}}
}

// newPlane serves "dublin-chat" unless other endpoints are given.
func newPlane(up wire.Transport, change func(*Config), endpoints ...*model.ServingEndpoint) *Plane {
	cfg := Config{
		Tokens:    []Token{{Name: "tester", Value: secret.New(testToken)}},
		Secrets:   newVault("apim/gateway-key", testKey),
		Transport: up,
	}
	if change != nil {
		change(&cfg)
	}
	p := New(cfg)
	if len(endpoints) == 0 {
		endpoints = []*model.ServingEndpoint{custom("dublin-chat")}
	}
	p.Apply(endpoints)
	return p
}

func post(p *Plane, target, body string, headers ...string) *wiretest.Recorder {
	return wiretest.Serve(p, wiretest.NewRequest("POST", target, body, append([]string{bearer}, headers...)...))
}

const invokeDublin = "/serving-endpoints/dublin-chat/invocations"
