package sandbox

import (
	"encoding/json"
	"time"

	"sallyport/internal/ai/sse"
	"sallyport/internal/wire"
)

// stream writes events until the caller leaves.
type stream struct {
	c    *call
	buf  []byte
	gone bool
}

// runStream answers with an event stream; write sends the events.
func (c *call) runStream(write func(*stream)) {
	h := append(wire.Header{{Name: "Content-Type", Value: "text/event-stream; charset=utf-8"}, {Name: "Cache-Control", Value: "no-cache"}}, c.headers()...)
	c.stats.begun()
	s := &stream{c: c}
	if s.gone = c.w.WriteHead(200, "", h, -1) != nil; !s.gone {
		write(s)
		s.raw([]byte("[DONE]"))
	}
	c.stats.ended()
	if s.gone {
		c.stats.canceled()
	}
}

// send writes one event and pushes it out.
func (s *stream) send(v any) {
	if s.gone {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: sandbox: encode event: " + err.Error())
	}
	s.raw(b)
}

func (s *stream) raw(data []byte) {
	if s.gone || s.c.ctx.Err() != nil {
		s.gone = true
		return
	}
	s.buf = sse.Append(s.buf[:0], "", data)
	if _, err := s.c.w.Write(s.buf); err != nil {
		s.gone = true
		return
	}
	s.gone = s.c.w.Flush() != nil
}

// pause is the gap in front of a delta.
func (s *stream) pause() {
	if !s.gone && !s.c.wait(time.Duration(s.c.gap.Load())) {
		s.gone = true
	}
}

type chatChunk struct {
	Choices     []chunkChoice  `json:"choices"`
	Created     int64          `json:"created"`
	ID          string         `json:"id"`
	Model       string         `json:"model"`
	Object      string         `json:"object"`
	Filter      []promptFilter `json:"prompt_filter_results,omitempty"`
	Fingerprint string         `json:"system_fingerprint,omitempty"`
	Usage       any            `json:"usage,omitempty"`
}

type chunkChoice struct {
	Filter   any       `json:"content_filter_results"`
	Delta    delta     `json:"delta"`
	Finish   *string   `json:"finish_reason"`
	Index    int       `json:"index"`
	LogProbs *struct{} `json:"logprobs"`
}

type delta struct {
	Content   any        `json:"content,omitempty"`
	Refusal   any        `json:"refusal,omitempty"`
	Role      string     `json:"role,omitempty"`
	ToolCalls []toolPart `json:"tool_calls,omitempty"`
}

// null makes a JSON null that omitempty keeps.
func null() json.RawMessage { return json.RawMessage("null") }

func (c *call) streamChat(q *chatRequest, made []composed, total usage) {
	chunk := chatChunk{
		Created: c.now.Unix(), ID: chatID(), Model: c.deployment.answered(),
		Object: "chat.completion.chunk", Fingerprint: fingerprint,
	}
	if q.usage {
		chunk.Usage = null()
	}
	c.runStream(func(s *stream) {
		// Azure speaks of the prompt first, in a chunk that names no model.
		s.send(chatChunk{Choices: []chunkChoice{}, Filter: safePrompts(1)})
		one := func(i int, d delta, finish *string, filter any) {
			chunk.Choices = []chunkChoice{{Filter: filter, Delta: d, Finish: finish, Index: i}}
			s.send(chunk)
		}
		for i := range made {
			one(i, q.opening(), nil, struct{}{})
		}
		for at, more := 0, true; more && !s.gone; at++ {
			more = false
			for i, m := range made {
				if at < len(m.tokens) {
					s.pause()
					one(i, q.piece(m.tokens[at]), nil, safe())
					more = true
				}
			}
		}
		for i, m := range made {
			one(i, delta{}, &m.finish, struct{}{})
		}
		if q.usage {
			chunk.Choices, chunk.Usage = []chunkChoice{}, total
			s.send(chunk)
		}
	})
}

// opening is the delta that names the role, and the tool.
func (q *chatRequest) opening() delta {
	if q.tool == nil {
		return delta{Content: "", Refusal: null(), Role: "assistant"}
	}
	index := 0
	return delta{Content: null(), Role: "assistant", ToolCalls: []toolPart{{
		Function: toolFunction{Name: q.tool.name}, ID: toolID(), Index: &index, Type: "function",
	}}}
}

func (q *chatRequest) piece(token string) delta {
	if q.tool == nil {
		return delta{Content: token}
	}
	index := 0
	return delta{ToolCalls: []toolPart{{Function: toolFunction{Arguments: token}, Index: &index}}}
}
