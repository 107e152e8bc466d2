package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

type completion struct {
	ID, Object, Model string
	Choices           []struct {
		Index        int
		FinishReason *string `json:"finish_reason"`
		Message      struct {
			Role      string
			Content   *string
			ToolCalls []struct {
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Delta struct {
			Role      string
			Content   *string
			ToolCalls []struct {
				Index    *int
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Text string
	}
	Filter []any `json:"prompt_filter_results"`
	Usage  *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

func TestChatAnswers(t *testing.T) {
	s := newSandbox(t)
	rec := post(t, s, chatPath, hello)
	got := decode[completion](t, rec.Body())
	if rec.Status() != 200 || got.Object != "chat.completion" || got.Model != "gpt-4.1-mini-2025-04-14" || !strings.HasPrefix(got.ID, "chatcmpl-") {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
	c := got.Choices[0]
	if *c.FinishReason != "stop" || c.Message.Role != "assistant" || !strings.Contains(*c.Message.Content, `"What is a gateway?"`) {
		t.Errorf("choice %+v", c)
	}
	if u := got.Usage; u.Prompt != 3+4+5 || u.Completion != countTokens(*c.Message.Content) || u.Total != u.Prompt+u.Completion {
		t.Errorf("usage %+v", u)
	}
	again := decode[completion](t, post(t, s, chatPath, hello).Body())
	if *again.Choices[0].Message.Content != *c.Message.Content {
		t.Error("the same question got another answer")
	}
	for _, h := range []string{"apim-request-id", "x-request-id", "x-ms-region", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"} {
		if rec.Header().Get(h) == "" {
			t.Errorf("header %s is missing", h)
		}
	}
	if h := rec.Header(); h.Get("x-ms-deployment-name") != "gpt-4.1-mini" || h.Get(Label) != "true" || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", h)
	}
}

func TestChatOptions(t *testing.T) {
	s := newSandbox(t)
	ask := func(more string) completion {
		t.Helper()
		rec := post(t, s, chatPath, `{"model":"ignored here","messages":[{"role":"system","content":"be short"},{"role":"user","content":[{"type":"text","text":"Say hello"},{"type":"image_url","image_url":{"url":"x"}}]}]`+more+`}`)
		if rec.Status() != 200 {
			t.Fatalf("%s: %d %s", more, rec.Status(), rec.Body())
		}
		return decode[completion](t, rec.Body())
	}
	whole := *ask("").Choices[0].Message.Content
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		got := ask(`,"` + name + `":3`)
		if c := got.Choices[0]; *c.FinishReason != "length" || got.Usage.Completion != 3 || !strings.HasPrefix(whole, *c.Message.Content) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := ask(`,"stop":["sandbox","hello"]`).Choices[0]; whole[:strings.Index(whole, "hello")] != *c.Message.Content || *c.FinishReason != "stop" {
		t.Errorf("stop: %q", *c.Message.Content)
	}
	three := ask(`,"n":3`)
	seen := map[string]bool{}
	for i, c := range three.Choices {
		seen[*c.Message.Content] = c.Index == i
	}
	if len(seen) != 3 {
		t.Errorf("n: %v", seen)
	}
	if v := decode[map[string]string](t, *ask(`,"response_format":{"type":"json_object"}`).Choices[0].Message.Content); v["answer"] != whole {
		t.Errorf("json_object: %v", v)
	}
	v := decode[map[string]any](t, *ask(`,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"text":{"type":"string"},"n":{"type":"integer","minimum":2},"tags":{"type":"array","items":{"enum":["a"]}},"ok":{"type":["boolean","null"]}}}}}`).Choices[0].Message.Content)
	if d := cmp.Diff(map[string]any{"text": whole, "n": 2.0, "tags": []any{"a"}, "ok": true}, v); d != "" {
		t.Error(d)
	}
}

func TestChatTools(t *testing.T) {
	s := newSandbox(t)
	const tools = `,"tools":[{"type":"function","function":{"name":"first"}},{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	for choice, want := range map[string][3]string{
		`"required"`: {"first", "tool_calls", `{"answer":"Dublin"}`},
		`{"type":"function","function":{"name":"weather"}}`: {"weather", "stop", `{"city":"Dublin"}`},
	} {
		body := `{"messages":[{"role":"user","content":"Dublin"}]` + tools + `,"tool_choice":` + choice
		c := decode[completion](t, post(t, s, chatPath, body+`}`).Body()).Choices[0]
		f := c.Message.ToolCalls[0].Function
		if d := cmp.Diff(want, [3]string{f.Name, *c.FinishReason, f.Arguments}); d != "" || c.Message.Content != nil {
			t.Errorf("%s: %s", choice, d)
		}
		name, args, finish := "", "", ""
		for _, data := range events(t, post(t, s, chatPath, body+`,"stream":true}`).Body()) {
			if data == "[DONE]" {
				continue
			}
			for _, c := range decode[completion](t, data).Choices {
				for _, p := range c.Delta.ToolCalls {
					name, args = name+p.Function.Name, args+p.Function.Arguments
				}
				if c.FinishReason != nil {
					finish = *c.FinishReason
				}
			}
		}
		if d := cmp.Diff(want, [3]string{name, finish, args}); d != "" {
			t.Errorf("streamed %s: %s", choice, d)
		}
	}
	if c := decode[completion](t, post(t, s, chatPath, `{"messages":[{"role":"user","content":"Dublin"}]`+tools+`}`).Body()).Choices[0]; c.Message.Content == nil {
		t.Error("an unforced tool was called")
	}
}

func TestChatStream(t *testing.T) {
	s := newSandbox(t)
	whole := decode[completion](t, post(t, s, chatPath, hello).Body())
	rec := post(t, s, chatPath, `{"stream":true,"stream_options":{"include_usage":true},`+hello[1:])
	if h := rec.Header(); rec.Status() != 200 || rec.ContentLength() != -1 || h.Get("Content-Type") != "text/event-stream; charset=utf-8" || h.Get(Label) != "true" {
		t.Fatalf("%d %v", rec.Status(), h)
	}
	all := events(t, rec.Body())
	if len(all) != rec.Flushes() || len(rec.Chunks()) != len(all) {
		t.Errorf("%d events in %d flushes", len(all), rec.Flushes())
	}
	if all[len(all)-1] != "[DONE]" {
		t.Errorf("last event %q", all[len(all)-1])
	}
	first := decode[completion](t, all[0])
	if len(first.Choices) != 0 || len(first.Filter) != 1 || first.ID != "" || first.Model != "" {
		t.Errorf("first chunk %s", all[0])
	}
	if c := decode[completion](t, all[1]).Choices[0]; c.Delta.Role != "assistant" || c.Delta.Content == nil || *c.Delta.Content != "" {
		t.Errorf("role chunk %s", all[1])
	}
	text := ""
	for _, data := range all[2 : len(all)-3] {
		chunk := decode[completion](t, data)
		if !strings.Contains(data, `"usage":null`) || chunk.Choices[0].FinishReason != nil || chunk.ID == "" {
			t.Errorf("chunk %s", data)
		}
		text += *chunk.Choices[0].Delta.Content
	}
	if text != *whole.Choices[0].Message.Content {
		t.Errorf("streamed %q, whole %q", text, *whole.Choices[0].Message.Content)
	}
	if c := decode[completion](t, all[len(all)-3]).Choices[0]; *c.FinishReason != "stop" || c.Delta.Content != nil {
		t.Errorf("finish chunk %s", all[len(all)-3])
	}
	last := decode[completion](t, all[len(all)-2])
	if d := cmp.Diff(whole.Usage, last.Usage); d != "" || len(last.Choices) != 0 {
		t.Errorf("usage chunk %s: %s", all[len(all)-2], d)
	}
	if st := s.Stats(); st.Streams != 1 || st.Open != 0 || st.Canceled != 0 || st.Answered != 2 {
		t.Errorf("stats %+v", st)
	}
	if strings.Contains(post(t, s, chatPath, `{"stream":true,`+hello[1:]).Body(), `"usage"`) {
		t.Error("usage without being asked")
	}
}

func TestStreamStopsWhenTheCallerLeaves(t *testing.T) {
	body := `{"stream":true,` + hello[1:]
	t.Run("context", func(t *testing.T) {
		s := newSandbox(t, func(c *Config) { c.Gap = time.Hour })
		ctx, cancel := context.WithCancel(context.Background())
		rec := &wiretest.Recorder{}
		rec.OnFlush = func([]byte) {
			if rec.Flushes() == 2 { // the next thing is the gap
				if n := s.Stats().Open; n != 1 {
					t.Errorf("%d streams open", n)
				}
				cancel()
			}
		}
		s.ServeWire(ctx, authed(t, s, "POST", chatPath, body), rec)
		if st := s.Stats(); st.Canceled != 1 || st.Open != 0 || rec.Flushes() != 2 || strings.Contains(rec.Body(), "[DONE]") {
			t.Errorf("stats %+v, %d flushes", st, rec.Flushes())
		}
	})
	t.Run("write error", func(t *testing.T) {
		s := newSandbox(t)
		rec := &wiretest.Recorder{GoneAfter: 400}
		s.ServeWire(context.Background(), authed(t, s, "POST", chatPath, body), rec)
		if st := s.Stats(); st.Canceled != 1 || st.Open != 0 {
			t.Errorf("stats %+v", st)
		}
	})
	t.Run("before the first byte", func(t *testing.T) {
		s := newSandbox(t)
		s.SetFirstByteDelay(time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		rec := &wiretest.Recorder{}
		s.ServeWire(ctx, authed(t, s, "POST", chatPath, hello), rec)
		if st := s.Stats(); st.Canceled != 1 || st.Answered != 0 || rec.Status() != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestFail(t *testing.T) {
	s := newSandbox(t)
	s.Fail(429, 2)
	rec := post(t, s, chatPath, hello)
	wantError(t, rec, 429, "429", "retry after 1 second")
	if rec.Header().Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	wantError(t, post(t, s, chatPath, hello), 429, "429", "")
	if rec := post(t, s, chatPath, hello); rec.Status() != 200 {
		t.Errorf("third call: %d", rec.Status())
	}
	for _, status := range []int{408, 500, 503, 418} {
		s.Fail(status, 1)
		if rec := post(t, s, chatPath, hello); rec.Status() != status || !json.Valid([]byte(rec.Body())) {
			t.Errorf("%d: %d %s", status, rec.Status(), rec.Body())
		}
	}
	s.Fail(500, 5)
	s.Fail(0, 0)
	if rec := post(t, s, chatPath, hello); rec.Status() != 200 {
		t.Errorf("after clearing: %d", rec.Status())
	}
	if n := s.Stats().Refused[ReasonInjected]; n != 6 {
		t.Errorf("%d counted", n)
	}
}

func TestConcurrentStreams(t *testing.T) {
	s := newSandbox(t)
	tr := &wiretest.Transport{Handler: s}
	tok, err := s.Token(DefaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	const many = 50
	errs := make(chan error, many)
	body := `{"stream":true,` + hello[1:]
	for range many {
		go func() {
			in, err := tr.RoundTrip(context.Background(), &wire.Outgoing{
				Method: "POST", Scheme: "http", Authority: "m", Target: chatPath, ContentLength: int64(len(body)),
				Body: strings.NewReader(body), Header: wire.Header{{Name: "Authorization", Value: "Bearer " + tok.Reveal()}},
			})
			if err != nil {
				errs <- err
				return
			}
			b, err := wire.ReadBody(context.Background(), in.Body, 1<<20)
			if err == nil && !strings.HasSuffix(string(b), "data: [DONE]\n\n") {
				err = fmt.Errorf("stream cut: %q", b)
			}
			errs <- err
		}()
	}
	for range many {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if st := s.Stats(); st.Streams != many || st.Open != 0 || st.Canceled != 0 {
		t.Errorf("stats %+v", st)
	}
}

func BenchmarkStream(b *testing.B) {
	s := newSandbox(b)
	tok, err := s.Token(DefaultAudience)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		wiretest.Serve(s, wiretest.NewRequest("POST", chatPath, `{"stream":true,`+hello[1:], "Authorization: Bearer "+tok.Reveal()))
	}
}
