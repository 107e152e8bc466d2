package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxChoices is how many answers one call may ask for.
const maxChoices = 8

// chatRequest is what a chat completion asks for.
type chatRequest struct {
	question string // text of the last user message
	prompt   int    // tokens of all messages
	filtered bool   // the content filter's marker was in a message
	choices  int
	limit    int // tokens of one answer
	stop     []string
	stream   bool
	usage    bool // a usage chunk was asked for
	format   *answerFormat
	tool     *toolCall
}

// answerFormat is response_format other than text.
type answerFormat struct {
	schema json.RawMessage // nil = any object
}

// toolCall is the call that tool_choice forces.
type toolCall struct {
	name   string
	schema json.RawMessage
	finish string
}

func parseChat(p *params, marker string) (*chatRequest, *failure) {
	q := &chatRequest{}
	q.readMessages(p, marker)
	q.choices = p.integer("n", 1, maxChoices, 1)
	q.limit = p.integer("max_completion_tokens", 1, math.MaxInt32, math.MaxInt32)
	if old := p.integer("max_tokens", 1, math.MaxInt32, math.MaxInt32); old != math.MaxInt32 {
		if q.limit != math.MaxInt32 {
			p.err = invalid("max_tokens", "invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
		}
		q.limit = old
	}
	q.stop = p.texts("stop", 4)
	p.decimal("temperature", 0, 2)
	p.decimal("top_p", 0, 1)
	q.stream, q.usage = readStream(p)
	q.readFormat(p)
	q.readTools(p)
	return q, p.err
}

// readStream reads the two members about streaming.
func readStream(p *params) (stream, usage bool) {
	stream = p.flag("stream")
	if o := p.object("stream_options"); o != nil {
		if !stream {
			p.err = invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
			return
		}
		usage = o.flag("include_usage")
		p.err = o.err
	}
	return
}

func (q *chatRequest) readMessages(p *params, marker string) {
	roles := []string{"system", "assistant", "user", "function", "tool", "developer"}
	q.prompt = 3 // every answer is primed with three tokens
	for _, m := range p.objects("messages", true) {
		role := m.text("role")
		switch {
		case m.err != nil:
		case role == "":
			m.missing("role")
		case !slices.Contains(roles, role):
			m.err = invalid(m.path+"role", "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: '%s'.", role, strings.Join(roles, "', '")))
		}
		text, images := readContent(m, role)
		if m.err != nil {
			p.err = m.err
			return
		}
		q.prompt += 4 + countTokens(text) + 85*images
		q.filtered = q.filtered || strings.Contains(text, marker)
		if role == "user" {
			q.question = text
		}
	}
}

// readContent returns the text of a message and how many parts are not text.
func readContent(m *params, role string) (text string, other int) {
	v := m.raw("content")
	switch {
	case v == nil:
		// An assistant that called a tool said nothing.
		if m.err == nil && role != "assistant" {
			m.missing("content")
		}
		return "", 0
	case v[0] == '"':
		return m.text("content"), 0
	case v[0] != '[':
		m.wrongType("content", "a string or an array of objects", v)
		return "", 0
	}
	var b strings.Builder
	for _, part := range m.objects("content", true) {
		switch kind := part.text("type"); {
		case part.err != nil:
		case kind == "":
			part.missing("type")
		case kind == "text":
			if part.raw("text") == nil {
				part.missing("text")
			}
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(part.text("text"))
		default:
			other++
		}
		if part.err != nil {
			m.err = part.err
			return "", 0
		}
	}
	return b.String(), other
}

func (q *chatRequest) readFormat(p *params) {
	f := p.object("response_format")
	if f == nil {
		return
	}
	switch kind := f.text("type"); kind {
	case "text":
	case "json_object":
		q.format = &answerFormat{}
	case "json_schema":
		s := f.object("json_schema")
		if s == nil {
			f.missing("json_schema")
			break
		}
		q.format = &answerFormat{schema: s.raw("schema")}
	default:
		f.err = invalid("response_format.type", "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", kind))
	}
	p.err = f.err
}

// readTools finds the call that tool_choice forces. With "auto" and "none" the
// sandbox answers in words: it cannot judge when a tool would help.
func (q *chatRequest) readTools(p *params) {
	var tools []toolCall
	for _, t := range p.objects("tools", false) {
		f := t.object("function")
		if f == nil {
			t.missing("function")
			p.err = t.err
			return
		}
		c := toolCall{name: f.text("name"), schema: f.raw("parameters")}
		if c.name == "" && f.err == nil {
			f.missing("name")
		}
		if f.err != nil {
			p.err = f.err
			return
		}
		tools = append(tools, c)
	}
	v := p.raw("tool_choice")
	if v == nil {
		return
	}
	if len(tools) == 0 {
		p.err = invalid("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
		return
	}
	var word string
	if json.Unmarshal(v, &word) == nil {
		switch word {
		case "required":
			q.tool, tools[0].finish = &tools[0], "tool_calls"
		case "auto", "none":
		default:
			p.err = invalid("tool_choice", "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", word))
		}
		return
	}
	var named struct{ Function struct{ Name string } }
	if json.Unmarshal(v, &named) != nil {
		p.wrongType("tool_choice", "a string or an object", v)
		return
	}
	for i := range tools {
		if tools[i].name == named.Function.Name {
			// A call by name ends with "stop", one by "required" with "tool_calls".
			q.tool, tools[i].finish = &tools[i], "stop"
			return
		}
	}
	p.err = invalid("tool_choice", "", fmt.Sprintf("Tool choice '%s' is not in the list of tools.", named.Function.Name))
}
