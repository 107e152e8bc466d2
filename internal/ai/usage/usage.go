// Package usage finds the token counts in answers of language models while
// their bytes pass. It looks for the one member that holds them and decodes
// nothing else, keeps no body, and knows neither gateway nor prices.
// Start at Tap.
package usage

import "bytes"

// Counts of one answer, as the model reported them.
type Counts struct {
	Prompt     int64 // input tokens
	Completion int64 // output tokens
	Total      int64
	Cached     int64 // of Prompt
	Reasoning  int64 // of Completion
}

// maxObject bounds the text of a usage object; a longer one is ignored.
const maxObject = 4 << 10

// phase is where in `"usage": {…}` the tap stands.
type phase uint8

const (
	searching phase = iota // matched bytes of the key have been seen
	wantColon
	wantObject
	inObject
)

const key = `"usage"`

// Tap reads an answer, streamed or whole, piece by piece. The last usage object
// wins: streams of the OpenAI kind send one at the end, and null before. The
// zero value is ready.
type Tap struct {
	counts  Counts
	found   bool
	phase   phase
	matched int
	depth   int
	quoted  bool
	escaped bool
	object  []byte // of the running one, at most maxObject
	tooLong bool
}

// Write takes the next bytes of the answer. It never fails.
func (t *Tap) Write(p []byte) {
	for len(p) > 0 {
		switch t.phase {
		case searching:
			p = t.search(p)
		case inObject:
			p = t.collect(p)
		default:
			p = t.between(p)
		}
	}
}

// search looks for the key; most pieces are passed over here at once.
func (t *Tap) search(p []byte) []byte {
	if t.matched == 0 {
		i := bytes.Index(p, []byte(key)) // compared in place, nothing is copied
		if i >= 0 {
			t.phase = wantColon
			return p[i+len(key):]
		}
		if len(p) >= len(key) {
			p = p[len(p)-len(key)+1:] // only the begin of a key can be left
		}
	}
	for i, c := range p {
		switch c {
		case key[t.matched]:
			if t.matched++; t.matched == len(key) {
				t.matched, t.phase = 0, wantColon
				return p[i+1:]
			}
		case '"':
			t.matched = 1
		default:
			t.matched = 0
		}
	}
	return nil
}

// between passes over colon and white space.
func (t *Tap) between(p []byte) []byte {
	switch c := p[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return p[1:]
	case c == ':' && t.phase == wantColon:
		t.phase = wantObject
		return p[1:]
	case c == '{' && t.phase == wantObject:
		// Nearly always the whole object is here.
		if n, ok := t.decode(p); ok && n <= maxObject {
			t.phase = searching
			return p[n:]
		}
		t.phase, t.depth, t.quoted, t.escaped, t.tooLong = inObject, 0, false, false, false
		t.object = t.object[:0]
		return p
	}
	t.phase = searching // null, or a string of that text
	return p
}

// collect gathers the object up to its closing brace.
func (t *Tap) collect(p []byte) []byte {
	for i, c := range p {
		switch {
		case t.escaped:
			t.escaped = false
		case t.quoted && c == '\\':
			t.escaped = true
		case c == '"':
			t.quoted = !t.quoted
		case t.quoted:
		case c == '{':
			t.depth++
		case c == '}':
			t.depth--
		}
		if t.depth == 0 {
			t.take(p[:i+1])
			t.phase = searching
			if !t.tooLong {
				_, _ = t.decode(t.object)
			}
			return p[i+1:]
		}
	}
	t.take(p)
	return nil
}

func (t *Tap) take(p []byte) {
	if t.tooLong = t.tooLong || len(t.object)+len(p) > maxObject; !t.tooLong {
		t.object = append(t.object, p...)
	}
}

// decode takes the counts from the text of a usage object. It knows the names
// of OpenAI's chat completions and responses, which Azure OpenAI and Databricks
// use too, and of Anthropic's messages.
// It returns the length of the object, and whether it is one.
func (t *Tap) decode(object []byte) (int, bool) {
	var c Counts
	r := reader{p: object}
	ok := r.members(func(name []byte) bool {
		switch string(name) {
		case "prompt_tokens", "input_tokens":
			return r.count(&c.Prompt)
		case "completion_tokens", "output_tokens":
			return r.count(&c.Completion)
		case "total_tokens":
			return r.count(&c.Total)
		case "prompt_tokens_details", "input_tokens_details":
			return r.detail("cached_tokens", &c.Cached)
		case "completion_tokens_details", "output_tokens_details":
			return r.detail("reasoning_tokens", &c.Reasoning)
		}
		return r.skip()
	})
	if !ok {
		return 0, false
	}
	if c != (Counts{}) { // or it is another API's usage
		if c.Total == 0 {
			c.Total = c.Prompt + c.Completion
		}
		t.counts, t.found = c, true
	}
	return r.i, true
}

// Counts returns what the answer reported; false when it has not.
func (t *Tap) Counts() (Counts, bool) { return t.counts, t.found }

// Reset makes t ready for another answer.
func (t *Tap) Reset() { *t = Tap{object: t.object[:0]} }
