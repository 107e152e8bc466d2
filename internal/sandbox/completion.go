package sandbox

import (
	"math"
	"strings"

	"github.com/google/uuid"
)

type textAnswer struct {
	Choices []textChoice   `json:"choices"`
	Created int64          `json:"created"`
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Object  string         `json:"object"`
	Filter  []promptFilter `json:"prompt_filter_results,omitempty"`
	Usage   any            `json:"usage,omitempty"`
}

type textChoice struct {
	Filter   any       `json:"content_filter_results"`
	Finish   *string   `json:"finish_reason"`
	Index    int       `json:"index"`
	LogProbs *struct{} `json:"logprobs"`
	Text     string    `json:"text"`
}

// serveCompletion is the older surface: text in, text out.
func (c *call) serveCompletion() {
	p := c.params()
	prompts := p.inputs("prompt")
	n := p.integer("n", 1, maxChoices, 1)
	limit := p.integer("max_tokens", 1, math.MaxInt32, 16) // sixteen is the documented default
	stops := p.texts("stop", 4)
	p.decimal("temperature", 0, 2)
	stream, wantUsage := readStream(p)
	if p.err == nil && strings.Contains(strings.Join(prompts, "\n"), c.cfg.Marker) {
		p.err = filtered()
	}
	if p.err != nil {
		c.refuse(p.err.reason, p.err)
		return
	}
	var made []composed
	asked, spent := 0, 0
	for _, prompt := range prompts {
		asked += countTokens(prompt)
		for i := range n {
			var m composed
			m.tokens, m.finish = cut(sentence(c.deployment.Model, prompt, i), limit, stops)
			spent += len(m.tokens)
			made = append(made, m)
		}
	}
	c.window.spend(c.now, asked+spent)
	if !c.begin() {
		return
	}
	a := textAnswer{
		Created: c.now.Unix(), ID: "cmpl-" + strings.ReplaceAll(uuid.NewString(), "-", ""),
		Model: c.deployment.answered(), Object: "text_completion",
	}
	total := usage{Completion: spent, Prompt: asked, Total: asked + spent}
	if stream {
		c.streamText(a, made, len(prompts), total, wantUsage)
		return
	}
	a.Filter, a.Usage = safePrompts(len(prompts)), total
	for i, m := range made {
		a.Choices = append(a.Choices, textChoice{Filter: safe(), Finish: &m.finish, Index: i, Text: strings.Join(m.tokens, "")})
	}
	c.answer(a)
}

func (c *call) streamText(a textAnswer, made []composed, prompts int, total usage, wantUsage bool) {
	if wantUsage {
		a.Usage = null()
	}
	c.runStream(func(s *stream) {
		first := a
		first.Choices, first.Filter, first.Usage = []textChoice{}, safePrompts(prompts), nil
		s.send(first)
		one := func(i int, text string, finish *string, filter any) {
			a.Choices = []textChoice{{Filter: filter, Finish: finish, Index: i, Text: text}}
			s.send(a)
		}
		for i, m := range made {
			for _, token := range m.tokens {
				if s.pause(); s.gone {
					return
				}
				one(i, token, nil, safe())
			}
			one(i, "", &m.finish, struct{}{})
		}
		if wantUsage {
			a.Choices, a.Usage = []textChoice{}, total
			s.send(a)
		}
	})
}
