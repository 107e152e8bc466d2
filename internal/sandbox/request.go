package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sallyport/internal/wire"
)

// params reads the members of a request body. The first fault stays in err
// and later reads do nothing, so that a parser reads like the list of members.
type params struct {
	m    map[string]json.RawMessage
	path string // in front of names in errors: "messages[0]."
	err  *failure
}

// params reads the body of the call.
func (c *call) params() *params {
	p := &params{}
	b, err := []byte(nil), error(nil)
	tooLarge := c.r.ContentLength > c.cfg.MaxBody
	if !tooLarge && c.r.Body != nil {
		b, err = wire.ReadBody(c.ctx, c.r.Body, c.cfg.MaxBody)
		tooLarge = err != nil && wire.KindOf(err) == wire.KindTooLarge
	}
	switch {
	case tooLarge:
		p.err = fault(413, "RequestEntityTooLarge", fmt.Sprintf("The request body is larger than %d bytes.", c.cfg.MaxBody)).because(ReasonTooLarge)
	case err != nil:
		p.err = fault(400, "BadRequest", "The request body could not be read.")
	case json.Unmarshal(b, &p.m) != nil || p.m == nil:
		p.err = invalid("", "", "We could not parse the JSON body of your request.")
	}
	if c.v1 && p.err == nil {
		model := p.text("model")
		switch {
		case p.err != nil:
		case model == "":
			p.missing("model")
		default:
			p.err = c.useDeployment(model, c.op)
		}
	}
	return p
}

// raw returns a member, nil when it is absent or null.
func (p *params) raw(name string) json.RawMessage {
	if p.err != nil {
		return nil
	}
	v := bytes.TrimSpace(p.m[name])
	if len(v) == 0 || string(v) == "null" {
		return nil
	}
	return v
}

func (p *params) missing(name string) {
	p.err = invalid(p.path+name, "missing_required_parameter", "Missing required parameter: '"+p.path+name+"'.")
}

func (p *params) wrongType(name, want string, got json.RawMessage) {
	p.err = invalid(p.path+name, "invalid_type", fmt.Sprintf("Invalid type for '%s%s': expected %s, but got %s instead.", p.path, name, want, typeName(got)))
}

func typeName(v json.RawMessage) string {
	switch v[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	}
	if bytes.ContainsAny(v, ".eE") {
		return "a decimal"
	}
	return "an integer"
}

func (p *params) text(name string) string {
	v := p.raw(name)
	if v == nil {
		return ""
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		p.wrongType(name, "a string", v)
	}
	return s
}

func (p *params) flag(name string) bool {
	v := p.raw(name)
	if v == nil {
		return false
	}
	var b bool
	if json.Unmarshal(v, &b) != nil {
		p.wrongType(name, "a boolean", v)
	}
	return b
}

func (p *params) integer(name string, least, most, absent int) int {
	v := p.raw(name)
	if v == nil {
		return absent
	}
	var n int
	switch {
	case json.Unmarshal(v, &n) != nil:
		p.wrongType(name, "an integer", v)
	case n < least:
		p.err = invalid(p.path+name, "integer_below_min_value", fmt.Sprintf("Invalid '%s%s': integer below minimum value. Expected a value >= %d, but got %d instead.", p.path, name, least, n))
	case n > most:
		p.err = invalid(p.path+name, "integer_above_max_value", fmt.Sprintf("Invalid '%s%s': integer above maximum value. Expected a value <= %d, but got %d instead.", p.path, name, most, n))
	}
	return n
}

// decimal checks the range of a number that changes nothing in the sandbox.
func (p *params) decimal(name string, least, most float64) {
	v := p.raw(name)
	if v == nil {
		return
	}
	var n float64
	switch {
	case json.Unmarshal(v, &n) != nil:
		p.wrongType(name, "a decimal", v)
	case n < least:
		p.err = invalid(p.path+name, "decimal_below_min_value", fmt.Sprintf("Invalid '%s%s': decimal below minimum value. Expected a value >= %g, but got %g instead.", p.path, name, least, n))
	case n > most:
		p.err = invalid(p.path+name, "decimal_above_max_value", fmt.Sprintf("Invalid '%s%s': decimal above maximum value. Expected a value <= %g, but got %g instead.", p.path, name, most, n))
	}
}

// texts reads a string or an array of at most most strings.
func (p *params) texts(name string, most int) []string {
	v := p.raw(name)
	if v == nil {
		return nil
	}
	var list []string
	if v[0] == '"' {
		return []string{p.text(name)}
	}
	if json.Unmarshal(v, &list) != nil {
		p.wrongType(name, "a string or an array of strings", v)
	} else if len(list) > most {
		p.err = invalid(p.path+name, "array_above_max_length", fmt.Sprintf("Invalid '%s%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", p.path, name, most, len(list)))
	}
	return list
}

// object returns a member as params of its own; nil when absent.
func (p *params) object(name string) *params {
	v := p.raw(name)
	if v == nil {
		return nil
	}
	q := &params{path: p.path + name + "."}
	if json.Unmarshal(v, &q.m) != nil {
		p.wrongType(name, "an object", v)
		return nil
	}
	return q
}

// objects returns a required or optional array of objects.
func (p *params) objects(name string, required bool) []*params {
	v := p.raw(name)
	if v == nil {
		if required && p.err == nil {
			p.missing(name)
		}
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) != nil {
		p.wrongType(name, "an array of objects", v)
		return nil
	}
	if len(list) == 0 {
		p.err = invalid(p.path+name, "empty_array", fmt.Sprintf("Invalid '%s%s': empty array. Expected an array with minimum length 1, but got an empty array instead.", p.path, name))
		return nil
	}
	out := make([]*params, len(list))
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", name, i)
		out[i] = &params{path: p.path + at + "."}
		if json.Unmarshal(v, &out[i].m) != nil || out[i].m == nil {
			p.wrongType(at, "an object", v)
			return nil
		}
	}
	return out
}

// inputs reads a prompt or an embeddings input: a string, an array of strings,
// an array of token ids or an array of those.
func (p *params) inputs(name string) []string {
	v := p.raw(name)
	if v == nil {
		if p.err == nil {
			p.missing(name)
		}
		return nil
	}
	var one string
	var many []string
	var ids []int
	var lists [][]int
	switch {
	case json.Unmarshal(v, &one) == nil:
		return []string{one}
	case string(v) == "[]":
		p.err = invalid(p.path+name, "empty_array", fmt.Sprintf("Invalid '%s%s': empty array. Expected an array with minimum length 1, but got an empty array instead.", p.path, name))
	case json.Unmarshal(v, &many) == nil:
		return many
	case json.Unmarshal(v, &ids) == nil:
		return []string{idText(ids)}
	case json.Unmarshal(v, &lists) == nil:
		out := make([]string, len(lists))
		for i, l := range lists {
			out[i] = idText(l)
		}
		return out
	default:
		p.wrongType(name, "a string, an array of strings or an array of tokens", v)
	}
	return nil
}

// idText gives token ids a text: one word each, as the sandbox has no
// vocabulary to look them up in.
func idText(ids []int) string {
	return strings.Trim(fmt.Sprint(ids), "[]")
}
