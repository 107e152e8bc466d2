package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/secret"
	"sallyport/internal/wire/wiretest"
)

func TestRoutes(t *testing.T) {
	s := newSandbox(t)
	const notFound = `{"error":{"code":"404","message":"Resource not found"}}`
	for _, c := range []struct{ method, target string }{
		{"POST", strings.TrimSuffix(chatPath, "?api-version=2024-10-21")},
		{"POST", strings.Replace(chatPath, "2024-10-21", "latest", 1)},
		{"GET", chatPath},
		{"POST", "/openai/deployments/gpt-4.1-mini/audio/speech?api-version=2024-10-21"},
		{"POST", "/openai/deployments/gpt-4.1-mini?api-version=2024-10-21"},
		{"POST", "/openai/deployments/%zz/chat/completions?api-version=2024-10-21"},
		{"POST", "/openai/v1/responses"},
		{"GET", "/"},
	} {
		rec := wiretest.Serve(s, authed(t, s, c.method, c.target, hello))
		if rec.Status() != 404 || rec.Body() != notFound {
			t.Errorf("%s %s: %d %s", c.method, c.target, rec.Status(), rec.Body())
		}
	}
	if rec := post(t, s, strings.Replace(chatPath, "2024-10-21", "2025-04-01-preview", 1), hello); rec.Status() != 200 {
		t.Errorf("preview version: %d", rec.Status())
	}
	rec := post(t, s, "/openai/deployments/nope/chat/completions?api-version=2024-10-21", hello)
	want := `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}`
	if d := cmp.Diff(want, rec.Body()); d != "" || rec.Status() != 404 {
		t.Errorf("%d %s", rec.Status(), d)
	}
	wantError(t, post(t, s, "/openai/deployments/text-embedding-3-small/chat/completions?api-version=2024-10-21", hello), 400, "OperationNotSupported", "chatCompletion")
	wantError(t, post(t, s, "/openai/v1/chat/completions?%zz", hello), 400, "BadRequest", "query")
}

func TestInvalidChatRequests(t *testing.T) {
	s := newSandbox(t, func(c *Config) { c.MaxBody = 2000 })
	with := func(more string) string { return `{` + more + `,` + hello[1:] }
	for _, c := range []struct {
		name, body, code, message string
	}{
		{"no body", "", "", "JSON"},
		{"malformed", `{"messages":[`, "", "JSON"},
		{"not an object", `[]`, "", "JSON"},
		{"null", `null`, "", "JSON"},
		{"no messages", `{}`, "missing_required_parameter", "'messages'"},
		{"messages null", `{"messages":null}`, "missing_required_parameter", "'messages'"},
		{"messages a string", `{"messages":"x"}`, "invalid_type", "got a string"},
		{"no message", `{"messages":[]}`, "empty_array", "'messages'"},
		{"message a number", `{"messages":[1]}`, "invalid_type", "'messages[0]'"},
		{"no role", `{"messages":[{"content":"x"}]}`, "missing_required_parameter", "'messages[0].role'"},
		{"role", `{"messages":[{"role":"robot","content":"x"}]}`, "invalid_value", "'robot'"},
		{"no content", `{"messages":[{"role":"user"}]}`, "missing_required_parameter", "'messages[0].content'"},
		{"content", `{"messages":[{"role":"user","content":4}]}`, "invalid_type", "got an integer"},
		{"part", `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`, "missing_required_parameter", "'messages[0].content[0].type'"},
		{"part without text", `{"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "missing_required_parameter", "'messages[0].content[0].text'"},
		{"stream", with(`"stream":"yes"`), "invalid_type", "'stream'"},
		{"stream_options", with(`"stream_options":{"include_usage":true}`), "", "stream_options"},
		{"n", with(`"n":9`), "integer_above_max_value", "<= 8"},
		{"n below", with(`"n":0`), "integer_below_min_value", ">= 1"},
		{"max_tokens", with(`"max_tokens":0`), "integer_below_min_value", "'max_tokens'"},
		{"max_tokens decimal", with(`"max_tokens":1.5`), "invalid_type", "got a decimal"},
		{"both limits", with(`"max_tokens":1,"max_completion_tokens":1`), "invalid_parameter_combination", "same time"},
		{"temperature", with(`"temperature":3`), "decimal_above_max_value", "<= 2"},
		{"top_p", with(`"top_p":-1`), "decimal_below_min_value", ">= 0"},
		{"stop", with(`"stop":["1","2","3","4","5"]`), "array_above_max_length", "maximum length 4"},
		{"format", with(`"response_format":{"type":"xml"}`), "invalid_value", "'xml'"},
		{"schema", with(`"response_format":{"type":"json_schema"}`), "missing_required_parameter", "'response_format.json_schema'"},
		{"tool_choice without tools", with(`"tool_choice":"required"`), "", "tools"},
		{"tool_choice", with(`"tools":[{"function":{"name":"a"}}],"tool_choice":{"function":{"name":"b"}}`), "", "'b'"},
		{"tool without function", with(`"tools":[{}]`), "missing_required_parameter", "'tools[0].function'"},
		{"tool without name", with(`"tools":[{"function":{}}]`), "missing_required_parameter", "'tools[0].function.name'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := post(t, s, chatPath, c.body)
			wantError(t, rec, 400, c.code, c.message)
			if !strings.Contains(rec.Body(), `"type":"invalid_request_error"`) || !strings.Contains(rec.Body(), `"param":`) {
				t.Errorf("body %s", rec.Body())
			}
		})
	}
	long := with(`"user":"` + strings.Repeat("x", 3000) + `"`)
	wantError(t, post(t, s, chatPath, long), 413, "RequestEntityTooLarge", "2000")
	r := authed(t, s, "POST", chatPath, long)
	r.ContentLength = -1
	wantError(t, wiretest.Serve(s, r), 413, "RequestEntityTooLarge", "2000")
	if n := s.Stats().Refused[ReasonTooLarge]; n != 2 {
		t.Errorf("%d counted", n)
	}
}

func TestAssistantMayHaveSaidNothing(t *testing.T) {
	body := `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"42","tool_call_id":"x"}]}`
	if rec := post(t, newSandbox(t), chatPath, body); rec.Status() != 200 {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
}

func TestContentFilter(t *testing.T) {
	s := newSandbox(t)
	rec := post(t, s, chatPath, `{"messages":[{"role":"user","content":"please `+DefaultMarker+`"}]}`)
	wantError(t, rec, 400, "content_filter", "content management policy")
	got := decode[struct {
		Error struct {
			Type   *string
			Param  string
			Status int
			Inner  struct {
				Code   string
				Result map[string]map[string]any `json:"content_filter_result"`
			} `json:"innererror"`
		}
	}](t, rec.Body()).Error
	if got.Type != nil || got.Param != "prompt" || got.Status != 400 || got.Inner.Code != "ResponsibleAIPolicyViolation" || got.Inner.Result["violence"]["filtered"] != true || got.Inner.Result["hate"]["severity"] != "safe" {
		t.Errorf("%s", rec.Body())
	}
	if !strings.Contains(rec.Body(), `"type":null`) || s.Stats().Refused[ReasonFilter] != 1 {
		t.Errorf("%s", rec.Body())
	}
}

func TestV1(t *testing.T) {
	s := newSandbox(t)
	rec := post(t, s, "/openai/v1/chat/completions", `{"model":"gpt-4.1-mini",`+hello[1:])
	if rec.Status() != 200 || rec.Header().Get("x-ms-deployment-name") != "gpt-4.1-mini" {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
	wantError(t, post(t, s, "/openai/v1/chat/completions", hello), 400, "missing_required_parameter", "'model'")
	rec = post(t, s, "/openai/v1/embeddings", `{"model":"nope","input":"x"}`)
	wantError(t, rec, 404, "DeploymentNotFound", "does not exist")
	if !strings.Contains(rec.Body(), `"type":"invalid_request_error"`) {
		t.Errorf("%s", rec.Body())
	}
	for _, target := range []string{"/openai/v1/models", "/openai/models?api-version=2024-10-21"} {
		list := decode[struct {
			Object string
			Data   []struct{ ID, Object string }
		}](t, wiretest.Serve(s, authed(t, s, "GET", target, "")).Body())
		if list.Object != "list" || len(list.Data) != 3 || list.Data[0].ID != "gpt-4.1-mini" {
			t.Errorf("%s: %+v", target, list)
		}
	}
	if m := decode[map[string]any](t, wiretest.Serve(s, authed(t, s, "GET", "/openai/v1/models/gpt-4.1-mini", "")).Body()); m["object"] != "model" {
		t.Errorf("%v", m)
	}
	wantError(t, wiretest.Serve(s, authed(t, s, "GET", "/openai/v1/models/none", "")), 404, "model_not_found", "'none'")
}

const completionPath = "/openai/deployments/gpt-35-turbo-instruct/completions?api-version=2024-10-21"

func TestCompletions(t *testing.T) {
	s := newSandbox(t)
	got := decode[completion](t, post(t, s, completionPath, `{"prompt":["one two","three"],"n":2}`).Body())
	if len(got.Choices) != 4 || got.Object != "text_completion" || *got.Choices[0].FinishReason != "length" || got.Usage.Completion != 64 || got.Usage.Prompt != 3 {
		t.Errorf("%+v", got)
	}
	whole := decode[completion](t, post(t, s, completionPath, `{"prompt":"Hello?","max_tokens":500}`).Body())
	text, usage := "", 0
	all := events(t, post(t, s, completionPath, `{"prompt":"Hello?","max_tokens":500,"stream":true,"stream_options":{"include_usage":true}}`).Body())
	for _, data := range all[:len(all)-1] {
		c := decode[completion](t, data)
		for _, choice := range c.Choices {
			text += choice.Text
		}
		if c.Usage != nil {
			usage = c.Usage.Total
		}
	}
	if text != whole.Choices[0].Text || usage != whole.Usage.Total || all[len(all)-1] != "[DONE]" {
		t.Errorf("streamed %q (%d), whole %q (%d)", text, usage, whole.Choices[0].Text, whole.Usage.Total)
	}
	wantError(t, post(t, s, completionPath, `{}`), 400, "missing_required_parameter", "'prompt'")
	wantError(t, post(t, s, completionPath, `{"prompt":"`+DefaultMarker+`"}`), 400, "content_filter", "")
}

const embeddingPath = "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21"

func TestEmbeddings(t *testing.T) {
	s := newSandbox(t)
	ask := func(body string) [][]float64 {
		t.Helper()
		got := decode[struct {
			Data []struct {
				Index     int
				Embedding []float64
			}
			Usage struct {
				Prompt int `json:"prompt_tokens"`
				Total  int `json:"total_tokens"`
			}
		}](t, post(t, s, embeddingPath, body).Body())
		var out [][]float64
		for i, d := range got.Data {
			if d.Index != i {
				t.Errorf("index %d at %d", d.Index, i)
			}
			out = append(out, d.Embedding)
		}
		if got.Usage.Prompt == 0 || got.Usage.Prompt != got.Usage.Total {
			t.Errorf("usage %+v", got.Usage)
		}
		return out
	}
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	v := ask(`{"input":["how do I reset my password","How do I reset my password?","how do I change my password","bananas are yellow"]}`)
	if len(v[0]) != 1536 || math.Abs(dot(v[0], v[0])-1) > 1e-4 {
		t.Errorf("length %d, norm %f", len(v[0]), dot(v[0], v[0]))
	}
	if same, near, far := dot(v[0], v[1]), dot(v[0], v[2]), dot(v[0], v[3]); same < 0.999 || near < 0.6 || far > 0.2 {
		t.Errorf("same %f near %f far %f", same, near, far)
	}
	if got := ask(`{"input":[[1,2],[3]],"dimensions":8}`); len(got) != 2 || len(got[0]) != 8 {
		t.Errorf("token lists: %d", len(got))
	}
	if got := ask(`{"input":[1,2,3],"dimensions":8}`); len(got) != 1 {
		t.Errorf("token list: %d", len(got))
	}
	plain := ask(`{"input":"x","dimensions":4}`)[0]
	packed := decode[struct{ Data []struct{ Embedding string } }](t, post(t, s, embeddingPath, `{"input":"x","dimensions":4,"encoding_format":"base64"}`).Body())
	b, err := base64.StdEncoding.DecodeString(packed.Data[0].Embedding)
	if err != nil || len(b) != 16 {
		t.Fatalf("base64: %d bytes, %v", len(b), err)
	}
	for i := range plain {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])); math.Abs(float64(got)-plain[i]) > 1e-6 {
			t.Errorf("element %d: %f and %f", i, got, plain[i])
		}
	}
}

func TestInvalidEmbeddings(t *testing.T) {
	s := newSandbox(t)
	wantError(t, post(t, s, embeddingPath, `{}`), 400, "missing_required_parameter", "'input'")
	wantError(t, post(t, s, embeddingPath, `{"input":[]}`), 400, "empty_array", "'input'")
	wantError(t, post(t, s, embeddingPath, `{"input":{"a":1}}`), 400, "invalid_type", "got an object")
	wantError(t, post(t, s, embeddingPath, `{"input":"x","dimensions":9999}`), 400, "integer_above_max_value", "1536")
	wantError(t, post(t, s, embeddingPath, `{"input":"x","encoding_format":"hex"}`), 400, "invalid_value", "'hex'")
}

func TestTokensJoinToTheText(t *testing.T) {
	for text, want := range map[string]int{"": 0, "Hello, world!": 4, " a  b\n": 4, "internationalisation": 3, "日本": 2, "🚢 x": 2} {
		tokens, finish := cut(text, 1000, nil)
		if strings.Join(tokens, "") != text || len(tokens) != want || countTokens(text) != want || finish != "stop" {
			t.Errorf("%q: %q", text, tokens)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"empty name": {Deployments: []Deployment{{}}},
		"slash":      {Deployments: []Deployment{{Name: "a/b"}}},
		"twice":      {Deployments: []Deployment{{Name: "a"}, {Name: "a"}}},
		"kind":       {Deployments: []Deployment{{Name: "a", Kind: 9}}},
		"gap":        {Gap: -1},
	} {
		c.SigningKey = testKey()
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRequestBody(f *testing.F) {
	s := newSandbox(f, func(c *Config) { c.APIKey = secret.New("k") })
	f.Add(hello)
	f.Add(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stream":true,"n":2,"stop":"a","tools":[{"function":{"name":"a","parameters":{"type":"object"}}}],"tool_choice":"required"}`)
	f.Add(`{"messages":[null],"response_format":{"type":"json_schema","json_schema":{"schema":{"anyOf":[{"type":"array","minItems":3}]}}}}`)
	f.Add(`{"prompt":[1,[2]],"input":[[1]],"dimensions":2,"stream_options":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, target := range []string{chatPath, completionPath, embeddingPath} {
			if rec := wiretest.Serve(s, wiretest.NewRequest("POST", target, body, "api-key: k")); rec.Status() != 200 && rec.Status() != 400 {
				t.Errorf("%s: %d %s", target, rec.Status(), rec.Body())
			}
		}
	})
}
