package databricks

import "bytes"

// Fields of a request that the gateway itself consumes: they go to usage and
// inference tables ("Serving endpoints" API reference, query). That they are
// removed before the upstream call is documented only by implication.
const (
	fieldClientRequestID = "client_request_id"
	fieldUsageContext    = "usage_context"
)

// document is the body of an invocation with the places of the few top-level
// members that matter. All other bytes are never touched: unknown fields, order,
// white space, number formatting and duplicate keys reach the upstream as sent.
type document struct {
	body    []byte
	open    int // behind the opening brace
	members int
	notes   []note // members to change, in order
	// Values; of duplicate keys the last counts, as for JSON parsers.
	model, messages, prompt, input, stream, clientRequestID []byte
}

// note is a member to overwrite or to drop.
type note struct {
	drop     bool
	key      int // where its name begins
	from, to int // its value
	prevEnd  int // end of the value before it; -1 when it is the first
	nextKey  int // where the name behind it begins; -1 when it is the last
}

// scanDocument checks that body is one JSON object and notes what matters.
func scanDocument(body []byte) (*document, *syntaxError) {
	d := &document{body: body, notes: make([]note, 0, 4)}
	s := jsonScanner{b: body}
	if !d.scan(&s) {
		return nil, &syntaxError{offset: s.i, want: s.want}
	}
	return d, nil
}

func (d *document) scan(s *jsonScanner) bool {
	s.space()
	if !s.take('{') {
		return s.fail("'{'")
	}
	d.open = s.i
	s.space()
	if !s.take('}') {
		if !d.scanMembers(s) {
			return false
		}
	}
	s.space()
	if s.i != len(s.b) {
		return s.fail("nothing more")
	}
	return true
}

func (d *document) scanMembers(s *jsonScanner) bool {
	prevEnd := -1
	for {
		key := s.i
		if n := len(d.notes); n > 0 && d.notes[n-1].nextKey == 0 {
			d.notes[n-1].nextKey = key
		}
		if s.peek() != '"' {
			return s.fail("a field name in double quotes")
		}
		if !s.str() {
			return false
		}
		name := s.b[key:s.i]
		s.space()
		if !s.take(':') {
			return s.fail("':'")
		}
		s.space()
		from := s.i
		if !s.value(1) {
			return false
		}
		d.members++
		d.note(name, note{key: key, from: from, to: s.i, prevEnd: prevEnd})
		prevEnd = s.i
		s.space()
		if s.take('}') {
			if n := len(d.notes); n > 0 && d.notes[n-1].nextKey == 0 {
				d.notes[n-1].nextKey = -1
			}
			return true
		}
		if !s.take(',') {
			return s.fail("',' or '}'")
		}
		s.space()
	}
}

// note keeps what matters of one member; name is in quotes, escapes and all.
func (d *document) note(name []byte, n note) {
	if bytes.IndexByte(name, '\\') >= 0 {
		plain, _ := decodeString(name)
		name = []byte(`"` + plain + `"`)
	}
	v := d.body[n.from:n.to]
	switch string(name) {
	case `"model"`:
		d.model = v
		d.notes = append(d.notes, n)
	case `"` + fieldClientRequestID + `"`:
		d.clientRequestID = v
		n.drop = true
		d.notes = append(d.notes, n)
	case `"` + fieldUsageContext + `"`:
		n.drop = true
		d.notes = append(d.notes, n)
	case `"messages"`:
		d.messages = v
	case `"prompt"`:
		d.prompt = v
	case `"input"`:
		d.input = v
	case `"stream"`:
		d.stream = v
	}
}

// rewrite returns the body with every "model" overwritten by modelJSON (or one
// inserted in front), and without the gateway's own fields. It returns the
// body itself when nothing changes.
func (d *document) rewrite(modelJSON []byte) []byte {
	out := make([]byte, 0, len(d.body)+len(modelJSON)+len(`"model":,`))
	at := 0
	if d.model == nil {
		out = append(out, d.body[:d.open]...)
		out = append(out, `"model":`...)
		out = append(out, modelJSON...)
		if d.members > d.dropped() {
			out = append(out, ',')
		}
		at = d.open
	} else if len(d.notes) == 1 && bytes.Equal(d.model, modelJSON) {
		return d.body
	}
	tail := d.tail()
	for i := range d.notes[:tail] {
		n := &d.notes[i]
		if !n.drop {
			out = append(append(out, d.body[at:n.from]...), modelJSON...)
			at = n.to
			continue
		}
		// With the comma and the white space up to the next name.
		out = append(out, d.body[at:n.key]...)
		at = n.nextKey
	}
	if tail < len(d.notes) {
		// Nothing kept follows: the comma in front has to go instead.
		from := d.notes[tail].prevEnd
		if from < 0 {
			from = d.notes[tail].key
		}
		out = append(out, d.body[at:from]...)
		at = d.notes[len(d.notes)-1].to
	}
	return append(out, d.body[at:]...)
}

// tail is the index of the first note of an unbroken run of dropped members
// that reaches the end of the object.
func (d *document) tail() int {
	t := len(d.notes)
	want := -1
	for t > 0 && d.notes[t-1].drop && d.notes[t-1].nextKey == want {
		t--
		want = d.notes[t].key
	}
	return t
}

func (d *document) dropped() int {
	n := 0
	for i := range d.notes {
		if d.notes[i].drop {
			n++
		}
	}
	return n
}

// fieldName is the name of a noted member as it was written, in quotes.
func (d *document) fieldName(n *note) []byte {
	s := jsonScanner{b: d.body, i: n.key}
	s.str()
	return d.body[n.key:s.i]
}
