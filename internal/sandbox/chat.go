package sandbox

import (
	"math"
	"strings"

	"github.com/google/uuid"
)

// severity and detected are results of the content filter.
type severity struct {
	Filtered bool   `json:"filtered"`
	Severity string `json:"severity"`
}

type detected struct {
	Filtered bool `json:"filtered"`
	Detected bool `json:"detected"`
}

type filterResults struct {
	Hate     severity  `json:"hate"`
	Jail     *detected `json:"jailbreak,omitempty"`
	SelfHarm severity  `json:"self_harm"`
	Sexual   severity  `json:"sexual"`
	Violence severity  `json:"violence"`
}

type promptFilter struct {
	Index   int           `json:"prompt_index"`
	Results filterResults `json:"content_filter_results"`
}

func safe() filterResults {
	ok := severity{Severity: "safe"}
	return filterResults{Hate: ok, SelfHarm: ok, Sexual: ok, Violence: ok}
}

func safePrompts(n int) []promptFilter {
	out := make([]promptFilter, n)
	for i := range out {
		r := safe()
		r.Jail = &detected{}
		out[i] = promptFilter{i, r}
	}
	return out
}

// filtered is the refusal of the content filter.
func filtered() *failure {
	r := safe()
	r.Violence = severity{true, "medium"}
	r.Jail = &detected{}
	param, code := "prompt", "content_filter"
	return &failure{reason: ReasonFilter, status: 400, raw: map[string]any{"error": modelError{
		Message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
		Param:   &param, Code: &code, Status: 400,
		Inner: map[string]any{"code": "ResponsibleAIPolicyViolation", "content_filter_result": r},
	}}}
}

type usage struct {
	Completion        int                `json:"completion_tokens"`
	CompletionDetails *completionDetails `json:"completion_tokens_details,omitempty"`
	Prompt            int                `json:"prompt_tokens"`
	PromptDetails     *promptDetails     `json:"prompt_tokens_details,omitempty"`
	Total             int                `json:"total_tokens"`
}

type completionDetails struct {
	Accepted  int `json:"accepted_prediction_tokens"`
	Audio     int `json:"audio_tokens"`
	Reasoning int `json:"reasoning_tokens"`
	Rejected  int `json:"rejected_prediction_tokens"`
}

type promptDetails struct {
	Audio  int `json:"audio_tokens"`
	Cached int `json:"cached_tokens"`
}

func usageOf(prompt, completion int) usage {
	return usage{completion, &completionDetails{}, prompt, &promptDetails{}, prompt + completion}
}

type chatAnswer struct {
	Choices     []chatChoice   `json:"choices"`
	Created     int64          `json:"created"`
	ID          string         `json:"id"`
	Model       string         `json:"model"`
	Object      string         `json:"object"`
	Filter      []promptFilter `json:"prompt_filter_results"`
	Fingerprint string         `json:"system_fingerprint"`
	Usage       usage          `json:"usage"`
}

type chatChoice struct {
	Filter   filterResults `json:"content_filter_results"`
	Finish   string        `json:"finish_reason"`
	Index    int           `json:"index"`
	LogProbs *struct{}     `json:"logprobs"`
	Message  chatMessage   `json:"message"`
}

type chatMessage struct {
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	Role      string     `json:"role"`
	ToolCalls []toolPart `json:"tool_calls,omitempty"`
}

// toolPart is a tool call, whole or as a streamed piece.
type toolPart struct {
	Function toolFunction `json:"function"`
	ID       string       `json:"id,omitempty"`
	Index    *int         `json:"index,omitempty"` // only in streams
	Type     string       `json:"type,omitempty"`
}

type toolFunction struct {
	Arguments string `json:"arguments"`
	Name      string `json:"name,omitempty"`
}

const fingerprint = "fp_sallyportsandbox"

func (c *call) serveChat() {
	p := c.params()
	if p.err != nil {
		c.refuse(p.err.reason, p.err)
		return
	}
	q, f := parseChat(p, c.cfg.Marker)
	if f == nil && q.filtered {
		f = filtered()
	}
	if f != nil {
		c.refuse(f.reason, f)
		return
	}
	made := q.compose(c.deployment.Model)
	spent := 0
	for _, m := range made {
		spent += len(m.tokens)
	}
	c.window.spend(c.now, q.prompt+spent)
	if !c.begin() {
		return
	}
	if q.stream {
		c.streamChat(q, made, usageOf(q.prompt, spent))
		return
	}
	a := chatAnswer{
		Created: c.now.Unix(), ID: chatID(), Model: c.deployment.answered(), Object: "chat.completion",
		Filter: safePrompts(1), Fingerprint: fingerprint, Usage: usageOf(q.prompt, spent),
	}
	for i, m := range made {
		a.Choices = append(a.Choices, chatChoice{Filter: safe(), Finish: m.finish, Index: i, Message: q.message(m)})
	}
	c.answer(a)
}

func chatID() string { return "chatcmpl-" + strings.ReplaceAll(uuid.NewString(), "-", "") }

func toolID() string { return "call_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:24] }

// composed is one answer in tokens: of its text, or of the arguments of the
// tool call.
type composed struct {
	tokens []string
	finish string
}

func (q *chatRequest) compose(model string) []composed {
	out := make([]composed, q.choices)
	for i := range out {
		text := sentence(model, q.question, i)
		switch {
		case q.tool != nil:
			out[i].tokens, _ = cut(instanceText(q.tool.schema, q.question), math.MaxInt32, nil)
			out[i].finish = q.tool.finish
			continue
		case q.format != nil:
			text = instanceText(q.format.schema, text)
		}
		out[i].tokens, out[i].finish = cut(text, q.limit, q.stop)
	}
	return out
}

func (q *chatRequest) message(m composed) chatMessage {
	text := strings.Join(m.tokens, "")
	if q.tool == nil {
		return chatMessage{Content: &text, Role: "assistant"}
	}
	return chatMessage{Role: "assistant", ToolCalls: []toolPart{{
		Function: toolFunction{Arguments: text, Name: q.tool.name}, ID: toolID(), Type: "function",
	}}}
}
