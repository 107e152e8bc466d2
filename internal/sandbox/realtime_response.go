package sandbox

import (
	"math"
	"strings"
	"time"
)

// respond makes one response: its text comes in deltas, as in a stream, and a
// response.cancel that arrives meanwhile ends it.
func (s *session) respond() {
	response := map[string]any{"id": realtimeID("resp"), "object": "realtime.response", "status": "in_progress", "output": []any{}}
	item := map[string]any{"id": realtimeID("item"), "object": "realtime.item", "type": "message", "status": "in_progress", "role": "assistant", "content": []any{}}
	at := func(more map[string]any) map[string]any {
		all := map[string]any{"response_id": response["id"], "item_id": item["id"], "output_index": 0, "content_index": 0}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	s.send("response.created", map[string]any{"response": response})
	s.send("response.output_item.added", map[string]any{"response_id": response["id"], "output_index": 0, "item": item})
	s.send("response.content_part.added", at(map[string]any{"part": map[string]any{"type": s.dialect.part, "text": ""}}))

	tokens, _ := cut(sentence(s.deployment.Model, s.question, 0), math.MaxInt32, nil)
	made := 0
	for made < len(tokens) && s.wait(time.Duration(s.gap.Load())) && !s.canceled() {
		s.send(s.dialect.text, at(map[string]any{"delta": tokens[made]}))
		made++
	}
	status := "completed"
	if made < len(tokens) {
		status = "cancelled"
	}
	text := strings.Join(tokens[:made], "")
	part := map[string]any{"type": s.dialect.part, "text": text}
	s.send(s.dialect.textDone, at(map[string]any{"text": text}))
	s.send("response.content_part.done", at(map[string]any{"part": part}))
	item["status"], item["content"] = status, []any{part}
	s.send("response.output_item.done", map[string]any{"response_id": response["id"], "output_index": 0, "item": item})
	s.window.spend(s.now, s.prompt+made)
	response["status"], response["output"] = status, []any{item}
	response["usage"] = map[string]any{"total_tokens": s.prompt + made, "input_tokens": s.prompt, "output_tokens": made}
	s.send("response.done", map[string]any{"response": response})
	s.prompt += made
}

// canceled takes the events that have come and reports whether one of them
// cancels the response, or the client has left.
func (s *session) canceled() bool {
	for {
		select {
		case e, ok := <-s.events:
			if !ok || e.Type == "response.cancel" {
				return true
			}
			s.waiting = append(s.waiting, e)
		default:
			return false
		}
	}
}
