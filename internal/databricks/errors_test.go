package databricks

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

func netError(kind wire.ErrorKind) error {
	return &wire.Error{Kind: kind, Op: "round trip", Err: errors.New("10.1.2.3:443 said no")}
}

// edited is dublin-chat after change.
func edited(change func(*model.ServingEndpoint)) []*model.ServingEndpoint {
	e := custom("dublin-chat")
	change(e)
	return []*model.ServingEndpoint{e}
}

func provider(change func(*model.CustomProvider)) []*model.ServingEndpoint {
	return edited(func(e *model.ServingEndpoint) { change(e.ServedEntities[0].External.Custom) })
}

func TestOwnRefusalsByteForByte(t *testing.T) {
	for _, tt := range []struct {
		name, method, target, body string
		endpoints                  []*model.ServingEndpoint
		headers                    []string
		status                     int
		want                       string
	}{
		{name: "unknown route", target: "/serving-endpoints/dublin-chat/nothing?x=1", status: 404,
			want: `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'POST /serving-endpoints/dublin-chat/nothing'"}`},
		{name: "wrong method", method: "PUT", target: invokeDublin, status: 404,
			want: `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'PUT /serving-endpoints/dublin-chat/invocations'"}`},
		{name: "responses API is not there yet", target: "/serving-endpoints/responses", body: "{}", status: 404,
			want: `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'POST /serving-endpoints/responses'"}`},
		{name: "unknown endpoint", target: "/serving-endpoints/nobody/invocations", body: chatBody, status: 404,
			want: `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Serving endpoint 'nobody' does not exist."}`},
		{name: "unknown endpoint by model", target: "/serving-endpoints/chat/completions", body: `{"model":"no\"body"}`, status: 404,
			want: `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Serving endpoint 'no\"body' does not exist."}`},
		{name: "unknown served entity", target: "/serving-endpoints/dublin-chat/served-models/x/invocations", body: chatBody, status: 404,
			want: `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Serving endpoint 'dublin-chat' has no served entity 'x'."}`},
		{name: "no model", target: "/serving-endpoints/chat/completions", body: chatBody, status: 400,
			want: `{"error_code":"INVALID_PARAMETER_VALUE","message":"Field 'model' must be a string naming a serving endpoint."}`},
		{name: "wrong task", target: "/serving-endpoints/embeddings", body: `{"model":"dublin-chat","input":"x"}`, status: 400,
			want: `{"error_code":"INVALID_PARAMETER_VALUE","message":"Serving endpoint 'dublin-chat' has task 'llm/v1/chat', which '/serving-endpoints/embeddings' does not serve."}`},
		{name: "no messages", target: invokeDublin, body: `{"prompt":"x"}`, status: 400,
			want: `{"error_code":"INVALID_PARAMETER_VALUE","message":"Field 'messages' is required for task 'llm/v1/chat'."}`},
		{name: "messages not a list", target: invokeDublin, body: `{"messages":"x"}`, status: 400,
			want: `{"error_code":"INVALID_PARAMETER_VALUE","message":"Field 'messages' must be an array."}`},
		{name: "no prompt", target: invokeDublin, body: `{"prompt":null}`, status: 400,
			endpoints: edited(func(e *model.ServingEndpoint) { e.ServedEntities[0].External.Task = taskCompletions }),
			want:      `{"error_code":"INVALID_PARAMETER_VALUE","message":"Field 'prompt' is required for task 'llm/v1/completions'."}`},
		{name: "no input", target: invokeDublin, body: `{}`, status: 400,
			endpoints: edited(func(e *model.ServingEndpoint) { e.ServedEntities[0].External.Task = taskEmbeddings }),
			want:      `{"error_code":"INVALID_PARAMETER_VALUE","message":"Field 'input' is required for task 'llm/v1/embeddings'."}`},
		{name: "no body", target: invokeDublin, status: 400,
			want: `{"error_code":"MALFORMED_REQUEST","message":"The request body is not a JSON object: line 1, column 1: it ends where '{' was expected."}`},
		{name: "broken JSON", target: invokeDublin, body: `{"messages":[}`, status: 400,
			want: `{"error_code":"MALFORMED_REQUEST","message":"The request body is not a JSON object: line 1, column 14 (byte 13): expected a value."}`},
		{name: "compressed", target: invokeDublin, body: "\x1f\x8b", headers: []string{"Content-Encoding: gzip"}, status: 400,
			want: `{"error_code":"MALFORMED_REQUEST","message":"Content-Encoding 'gzip' is not accepted; send plain JSON."}`},
		{name: "too large", target: invokeDublin, body: `{"messages":["` + strings.Repeat("x", 200) + `"]}`, status: 413,
			want: `{"error_code":"BAD_REQUEST","message":"The request body is larger than 200 bytes."}`},
		{name: "not ready", target: invokeDublin, body: chatBody, status: 400,
			endpoints: edited(func(e *model.ServingEndpoint) { e.ServedEntities = nil }),
			want:      `{"error_code":"INVALID_STATE","message":"Serving endpoint 'dublin-chat' has no served entity that receives traffic."}`},
		{name: "not external", target: invokeDublin, body: chatBody, status: 501,
			endpoints: edited(func(e *model.ServingEndpoint) { e.ServedEntities[0].External = nil }),
			want:      `{"error_code":"NOT_IMPLEMENTED","message":"Served entity 'gpt-4-1-mini' is not an external model; only external models are served here."}`},
		{name: "other provider", target: invokeDublin, body: chatBody, status: 501,
			endpoints: edited(func(e *model.ServingEndpoint) { e.ServedEntities[0].External.Provider = "cohere" }),
			want:      `{"error_code":"NOT_IMPLEMENTED","message":"Served entity 'gpt-4-1-mini' uses provider 'cohere', which is not supported yet."}`},
		{name: "plain http", target: invokeDublin, body: chatBody, status: 400,
			endpoints: provider(func(c *model.CustomProvider) { c.URL = "http://127.0.0.1:8080/x" }),
			want:      `{"error_code":"INVALID_PARAMETER_VALUE","message":"custom_provider_url of served entity 'gpt-4-1-mini' cannot be called: it must use https."}`},
		{name: "two credentials", target: invokeDublin, body: chatBody, status: 500,
			endpoints: provider(func(c *model.CustomProvider) { c.BearerToken = &model.SecretValue{Scope: "s", Key: "k"} }),
			want:      `{"error_code":"INTERNAL_ERROR","message":"The credential of served entity 'gpt-4-1-mini' cannot be used: exactly one of api_key_auth and bearer_token_auth is needed."}`},
		{name: "key in Host", target: invokeDublin, body: chatBody, status: 500,
			endpoints: provider(func(c *model.CustomProvider) { c.APIKey.Key = "Host" }),
			want:      `{"error_code":"INTERNAL_ERROR","message":"The credential of served entity 'gpt-4-1-mini' cannot be used: api_key_auth.key is not the name of a header that can carry a key."}`},
		{name: "empty credential", target: invokeDublin, body: chatBody, status: 500,
			endpoints: provider(func(c *model.CustomProvider) { c.APIKey.Value = model.SecretValue{} }),
			want:      `{"error_code":"INTERNAL_ERROR","message":"The credential of served entity 'gpt-4-1-mini' cannot be used: the credential is empty."}`},
		{name: "secret missing", target: invokeDublin, body: chatBody, status: 500,
			endpoints: provider(func(c *model.CustomProvider) { c.APIKey.Value.Key = "gone" }),
			want:      `{"error_code":"INTERNAL_ERROR","message":"The credential of served entity 'gpt-4-1-mini' cannot be used: the secret {{secrets/apim/gone}} does not exist or is empty."}`},
		{name: "secret with line break", target: invokeDublin, body: chatBody, status: 500,
			endpoints: provider(func(c *model.CustomProvider) { c.APIKey.Value = model.SecretValue{Plaintext: secret.New("a\nb")} }),
			want:      `{"error_code":"INTERNAL_ERROR","message":"The credential of served entity 'gpt-4-1-mini' cannot be used: it holds characters that a header cannot carry, such as a line break."}`},
		{name: "loop", target: invokeDublin, body: chatBody, headers: []string{"X-Sallyport-Hops: 8"}, status: 508,
			want: `{"error_code":"INTERNAL_ERROR","message":"The call has passed this serving plane more than 8 times; the chain of endpoints loops."}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := answering(200, "{}")
			var rec CallRecord
			p := newPlane(up, func(c *Config) {
				c.MaxBody = 200
				c.Observe = func(r CallRecord) { rec = r }
			}, tt.endpoints...)
			if tt.method == "" {
				tt.method = "POST"
			}
			got := wiretest.Serve(p, wiretest.NewRequest(tt.method, tt.target, tt.body, append(tt.headers, bearer)...))
			if diff := cmp.Diff(tt.want, got.Body()); diff != "" || got.Status() != tt.status {
				t.Errorf("status %d, want %d\n%s", got.Status(), tt.status, diff)
			}
			if got.Header().Get("Content-Type") != "application/json" || got.Header().Get("x-request-id") != rec.RequestID || rec.RequestID == "" {
				t.Errorf("headers %v, record %q", got.Header(), rec.RequestID)
			}
			if rec.Status != tt.status || !strings.Contains(tt.want, `"`+rec.ErrorCode+`"`) {
				t.Errorf("record says %d %s", rec.Status, rec.ErrorCode)
			}
			if up.count() != 0 {
				t.Error("the upstream was called")
			}
		})
	}
}

func TestUpstreamErrorsByteForByte(t *testing.T) {
	for _, tt := range []struct {
		name    string
		up      *upstream
		status  int
		want    string
		retryAs string
	}{
		{name: "400 keeps the nested JSON", up: answering(400, "{\"error\": {\"code\":\"x\",\n\"n\":1.0}}\n"), status: 400,
			want: `{"error_code":"BAD_REQUEST","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{\"error\": {\"code\":\"x\",\n\"n\":1.0}}}"}`},
		{name: "401 with key", up: answering(401, `{"statusCode":401}`), status: 401,
			want: `{"error_code":"UNAUTHENTICATED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{\"statusCode\":401}}"}`},
		{name: "403", up: answering(403, `{"error_code":403}`), status: 403,
			want: `{"error_code":"PERMISSION_DENIED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{\"error_code\":403}}"}`},
		{name: "404", up: answering(404, `null`), status: 404,
			want: `{"error_code":"ENDPOINT_NOT_FOUND","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":null}"}`},
		{name: "409", up: answering(409, `{}`), status: 409,
			want: `{"error_code":"RESOURCE_CONFLICT","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{}}"}`},
		{name: "422 empty", up: answering(422, ""), status: 422,
			want: `{"error_code":"BAD_REQUEST","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"\"}"}`},
		{name: "429", up: answering(429, `{}`, "Retry-After: 7"), status: 429, retryAs: "7",
			want: `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{}}"}`},
		{name: "500", up: answering(500, `{"message":"no"}`), status: 500,
			want: `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{\"message\":\"no\"}}"}`},
		{name: "502 HTML", up: answering(502, "<html><b>\"Bad\" & gone</b>\r\n</html>", "Content-Type: text/html"), status: 502,
			want: `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"<html><b>\\\"Bad\\\" & gone</b>\\r\\n</html>\"}"}`},
		{name: "503", up: answering(503, `{}`, "Retry-After: 1"), status: 503, retryAs: "1",
			want: `{"error_code":"TEMPORARILY_UNAVAILABLE","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{}}"}`},
		{name: "504", up: answering(504, `{}`), status: 504,
			want: `{"error_code":"DEADLINE_EXCEEDED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":{}}"}`},
		{name: "error as event stream", up: answering(400, "data: {}\n\n", "Content-Type: text/event-stream"), status: 400,
			want: `{"error_code":"BAD_REQUEST","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"data: {}\\n\\n\"}"}`},
		{name: "compressed", up: answering(400, "\x1f\x8b", "Content-Encoding: gzip"), status: 400,
			want: `{"error_code":"BAD_REQUEST","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The error body has Content-Encoding gzip and was left out.\"}"}`},
		{name: "redirect", up: answering(302, "", "Location: https://other.test/"), status: 502,
			want: `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The external model answered with status 302, which is not followed.\"}"}`},
		{name: "refused", up: failing(netError(wire.KindConnect)), status: 502,
			want: `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The external model could not be reached.\"}"}`},
		{name: "dial timeout", up: failing(netError(wire.KindTimeout)), status: 504,
			want: `{"error_code":"DEADLINE_EXCEEDED","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The external model could not be reached in time.\"}"}`},
		{name: "lost", up: failing(netError(wire.KindAborted)), status: 502,
			want: `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"The external model broke off the connection or answered something that is not HTTP.\"}"}`},
		{name: "denied", up: failing(netError(wire.KindDenied)), status: 403,
			want: `{"error_code":"CUSTOMER_UNAUTHORIZED","message":"Access to apim.test is denied by network policy."}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := post(newPlane(tt.up, nil), invokeDublin, chatBody)
			if diff := cmp.Diff(tt.want, got.Body()); diff != "" || got.Status() != tt.status {
				t.Errorf("status %d, want %d\n%s", got.Status(), tt.status, diff)
			}
			if ra := got.Header().Get("Retry-After"); ra != tt.retryAs {
				t.Errorf("Retry-After %q, want %q", ra, tt.retryAs)
			}
			if got.Header().Has("WWW-Authenticate") {
				t.Error("an upstream's 401 must not ask for the workspace's credential")
			}
		})
	}
}

func TestUpstreamErrorBodyIsBounded(t *testing.T) {
	endless := &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
		return incoming(500, io.NopCloser(neverEnding('x')), -1), nil
	}}
	got := post(newPlane(endless, nil), invokeDublin, chatBody)
	if n := len(got.Body()); got.Status() != 500 || n < maxErrorBody || n > maxErrorBody+200 {
		t.Errorf("status %d, %d bytes", got.Status(), n)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestErrorBodyCutShortIsStillWrapped(t *testing.T) {
	up := &upstream{reply: func(context.Context, *wire.Outgoing) (*wire.Incoming, error) {
		return incoming(500, io.NopCloser(io.MultiReader(strings.NewReader(`{"a`), errReader{})), 90), nil
	}}
	var rec CallRecord
	got := post(newPlane(up, func(c *Config) { c.Observe = func(r CallRecord) { rec = r } }), invokeDublin, chatBody)
	want := `{"error_code":"INTERNAL_ERROR","message":"{\"external_model_provider\":\"custom\",\"external_model_error\":\"{\\\"a\"}"}`
	if got.Body() != want || rec.Cause == "" {
		t.Errorf("body %s, cause %q", got.Body(), rec.Cause)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, netError(wire.KindAborted) }

func TestBodyReadFailures(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{{netError(wire.KindAborted), 400}, {netError(wire.KindTooLarge), 413}} {
		r := wiretest.NewRequest("POST", invokeDublin, "", bearer)
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), failingReader{tt.err})), -1
		if got := wiretest.Serve(newPlane(answering(200, "{}"), nil), r); got.Status() != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, got.Status(), tt.status)
		}
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestChunkedBodyIsBounded(t *testing.T) {
	r := wiretest.NewRequest("POST", invokeDublin, "", bearer)
	r.Body, r.ContentLength = io.NopCloser(neverEnding('x')), -1
	p := newPlane(answering(200, "{}"), func(c *Config) { c.MaxBody = 100 << 10 })
	if got := wiretest.Serve(p, r); got.Status() != 413 {
		t.Errorf("status %d", got.Status())
	}
}
