package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
)

// The official SDK as users have it: the subscription key is the API key, the
// model is the serving endpoint.
func TestOpenAISDK(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{})
	sdk := openai.NewClient(option.WithBaseURL(c.gateway+"/serving-endpoints"), option.WithAPIKey(userKey), option.WithMaxRetries(0), option.WithHTTPClient(client(t, "")))
	talk(t, sdk, "dublin-chat")

	t.Run("wrong key", func(t *testing.T) {
		sdk := openai.NewClient(option.WithBaseURL(c.gateway+"/serving-endpoints"), option.WithAPIKey("nonsense"), option.WithMaxRetries(0), option.WithHTTPClient(client(t, "")))
		_, err := sdk.Chat.Completions.New(t.Context(), question("dublin-chat"))
		if e := sdkError(t, err); e.StatusCode != 401 || !strings.Contains(e.DumpString(), "invalid subscription key") {
			t.Errorf("%d %s", e.StatusCode, e.DumpString())
		}
	})
	t.Run("unknown endpoint", func(t *testing.T) {
		_, err := sdk.Chat.Completions.New(t.Context(), question("no-such-endpoint"))
		if e := sdkError(t, err); e.StatusCode != 404 || !strings.Contains(e.DumpString(), "RESOURCE_DOES_NOT_EXIST") {
			t.Errorf("%d %s", e.StatusCode, e.DumpString())
		}
	})
}

// The same SDK in Azure mode against the model's API: header api-key, the
// deployment in the path, from the address that the ip-filter lets in. The SDK
// refuses keys over plain HTTP with a dialer of one's own, hence TLS.
func TestOpenAISDKInAzureMode(t *testing.T) {
	t.Parallel()
	c, roots := withTLS(t, chainOptions{})
	sdk := func(from string) openai.Client {
		hc := tlsClient(t, roots, from, true)
		return openai.NewClient(azure.WithEndpoint(c.tlsURL()+"/foundry", "2024-10-21"), azure.WithAPIKey(modelKey), option.WithMaxRetries(0), option.WithHTTPClient(hc))
	}
	inside := sdk(servingAddress)
	talk(t, inside, "gpt-4.1-mini")

	t.Run("unknown deployment", func(t *testing.T) {
		_, err := inside.Chat.Completions.New(t.Context(), question("no-such-deployment"))
		if e := sdkError(t, err); e.StatusCode != 404 || e.Code != "DeploymentNotFound" || e.Message == "" {
			t.Errorf("%d code %q message %q", e.StatusCode, e.Code, e.Message)
		}
	})
	t.Run("outside the ip-filter", func(t *testing.T) {
		outside := sdk("")
		_, err := outside.Chat.Completions.New(t.Context(), question("gpt-4.1-mini"))
		if e := sdkError(t, err); e.StatusCode != http.StatusForbidden {
			t.Errorf("%d", e.StatusCode)
		}
	})
}

func question(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("What is a sally port?")},
	}
}

func sdkError(t *testing.T, err error) *sdkFailure {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is no error of the API", err, err)
	}
	return &sdkFailure{e}
}

type sdkFailure struct{ *openai.Error }

// DumpString is the answer that the SDK got.
func (e *sdkFailure) DumpString() string { return string(e.DumpResponse(true)) }

// talk asks in one piece and streamed; the two answers must agree.
func talk(t *testing.T, sdk openai.Client, model string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := sdk.Chat.Completions.New(ctx, question(model))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Choices) != 1 || res.Choices[0].Message.Content == "" || res.Usage.TotalTokens == 0 {
		t.Fatalf("plain: %s", res.RawJSON())
	}
	params := question(model)
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := sdk.Chat.Completions.NewStreaming(ctx, params)
	var all openai.ChatCompletionAccumulator
	chunks := 0
	for stream.Next() {
		chunks++
		if !all.AddChunk(stream.Current()) {
			t.Errorf("chunk %d does not fit: %s", chunks, stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if chunks < 4 || len(all.Choices) != 1 || all.Choices[0].Message.Content != res.Choices[0].Message.Content {
		t.Errorf("streamed: %d chunks %+v, plain: %s", chunks, all.Choices, res.RawJSON())
	}
	if all.Usage.TotalTokens != res.Usage.TotalTokens {
		t.Errorf("streamed usage %d, plain %d", all.Usage.TotalTokens, res.Usage.TotalTokens)
	}
}
