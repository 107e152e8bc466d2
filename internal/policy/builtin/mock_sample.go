package builtin

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a sample: schemas refer to themselves, and a definition must not
// be able to fill the memory.
const (
	maxSampleDepth = 12
	maxSampleNodes = 2000
	maxSampleItems = 3
	maxSampleText  = 256
)

// sampleBody makes a body that fits a JSON schema; nil when none can be made.
// The same schema always gives the same body.
func sampleBody(raw json.RawMessage, contentType string) []byte {
	s := &sampler{root: raw, open: []string{"#"}}
	v := s.value(raw, 0)
	if strings.HasPrefix(contentType, "text/") && contentType != "text/json" {
		var text string
		if json.Unmarshal(v, &text) == nil {
			return []byte(text)
		}
		return nil
	}
	if contentType != "" && contentType != "*/*" && !strings.HasSuffix(contentType, "json") {
		return nil // a JSON text would be no example of XML or an image
	}
	var out bytes.Buffer
	if json.Indent(&out, v, "", "  ") != nil {
		return nil
	}
	return out.Bytes()
}

// sampler makes one sample.
type sampler struct {
	root  json.RawMessage
	nodes int
	open  []string // references being followed
}

// schema is the part of JSON Schema that decides what a sample looks like.
type schema struct {
	Ref              string            `json:"$ref"`
	Type             typeNames         `json:"type"`
	Nullable         bool              `json:"nullable"`
	Format           string            `json:"format"`
	Enum             []json.RawMessage `json:"enum"`
	Const            json.RawMessage   `json:"const"`
	Default          json.RawMessage   `json:"default"`
	Example          json.RawMessage   `json:"example"`
	Examples         []json.RawMessage `json:"examples"`
	Properties       json.RawMessage   `json:"properties"`
	Required         []string          `json:"required"`
	Additional       json.RawMessage   `json:"additionalProperties"`
	Items            json.RawMessage   `json:"items"`
	AllOf            []json.RawMessage `json:"allOf"`
	OneOf            []json.RawMessage `json:"oneOf"`
	AnyOf            []json.RawMessage `json:"anyOf"`
	MinLength        int               `json:"minLength"`
	MaxLength        *int              `json:"maxLength"`
	MinItems         int               `json:"minItems"`
	Minimum          *json.Number      `json:"minimum"`
	Maximum          *json.Number      `json:"maximum"`
	ExclusiveMinimum json.RawMessage   `json:"exclusiveMinimum"`
}

// typeNames is a type, or the list of types of JSON Schema 2020-12.
type typeNames []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *typeNames) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = typeNames{one}
		return nil
	}
	var many []string
	_ = json.Unmarshal(b, &many) // anything else says nothing about the sample
	*t = many
	return nil
}

// value returns the sample for a schema as JSON text.
func (s *sampler) value(raw json.RawMessage, depth int) json.RawMessage {
	s.nodes++
	if s.nodes > maxSampleNodes || depth > maxSampleDepth {
		return json.RawMessage("null")
	}
	var sc schema
	if json.Unmarshal(raw, &sc) != nil {
		return json.RawMessage("{}") // true, or not a schema: anything fits
	}
	if sc.Ref != "" {
		return s.reference(sc.Ref, depth)
	}
	if given := sc.given(); given != nil {
		return given
	}
	switch {
	case len(sc.AllOf) > 0:
		return s.allOf(&sc, depth)
	case len(sc.OneOf) > 0:
		return s.value(sc.OneOf[0], depth+1)
	case len(sc.AnyOf) > 0:
		return s.value(sc.AnyOf[0], depth+1)
	}
	return s.typed(&sc, depth)
}

// given is a value that the schema states itself.
func (sc *schema) given() json.RawMessage {
	switch {
	case len(sc.Example) > 0:
		return sc.Example
	case len(sc.Examples) > 0:
		return sc.Examples[0]
	case len(sc.Const) > 0:
		return sc.Const
	case len(sc.Default) > 0:
		return sc.Default
	case len(sc.Enum) > 0:
		return sc.Enum[0]
	}
	return nil
}

func (s *sampler) typed(sc *schema, depth int) json.RawMessage {
	switch sc.kind() {
	case "object":
		return s.object(sc, depth)
	case "array":
		return s.array(sc, depth)
	case "string":
		return jsonText(sc.text())
	case "integer", "number":
		return sc.number()
	case "boolean":
		return json.RawMessage("true")
	case "null":
		return json.RawMessage("null")
	default:
		return json.RawMessage("{}")
	}
}

// kind is the type that counts: the first that is not null.
func (sc *schema) kind() string {
	for _, t := range sc.Type {
		if t != "null" {
			return t
		}
	}
	switch {
	case len(sc.Type) > 0:
		return "null"
	case len(sc.Properties) > 0 || len(sc.Additional) > 0:
		return "object"
	case len(sc.Items) > 0:
		return "array"
	case sc.Format != "" || sc.MinLength > 0 || sc.MaxLength != nil:
		return "string"
	case sc.Minimum != nil || sc.Maximum != nil:
		return "number"
	}
	return ""
}

func (s *sampler) object(sc *schema, depth int) json.RawMessage {
	var out members
	for _, m := range readMembers(sc.Properties) {
		if !slices.Contains(sc.Required, m.name) && s.endless(m.value) {
			continue
		}
		out = append(out, member{m.name, s.value(m.value, depth+1)})
	}
	if len(out) == 0 && bytes.HasPrefix(bytes.TrimSpace(sc.Additional), []byte("{")) && !s.endless(sc.Additional) {
		out = append(out, member{"key", s.value(sc.Additional, depth+1)})
	}
	return out.json()
}

func (s *sampler) array(sc *schema, depth int) json.RawMessage {
	if len(sc.Items) == 0 || sc.MinItems == 0 && s.endless(sc.Items) {
		return json.RawMessage("[]")
	}
	item := s.value(sc.Items, depth+1)
	n := min(max(sc.MinItems, 1), maxSampleItems)
	items := make([]string, n)
	for i := range items {
		items[i] = string(item)
	}
	return json.RawMessage("[" + strings.Join(items, ",") + "]")
}

// allOf joins the members of the objects that the parts describe.
func (s *sampler) allOf(sc *schema, depth int) json.RawMessage {
	own := *sc
	own.AllOf = nil
	parts := make([]json.RawMessage, 0, len(sc.AllOf)+1)
	for _, p := range sc.AllOf {
		parts = append(parts, s.value(p, depth+1))
	}
	if len(own.Properties) > 0 || len(sc.AllOf) == 0 {
		parts = append(parts, s.typed(&own, depth+1))
	}
	var out members
	for _, p := range parts {
		if !bytes.HasPrefix(p, []byte("{")) {
			return p // not objects: the parts narrow one value
		}
		for _, m := range readMembers(p) {
			out = out.set(m)
		}
	}
	return out.json()
}

// reference follows a reference within the schema.
func (s *sampler) reference(ref string, depth int) json.RawMessage {
	target, ok := s.find(ref)
	if !ok || slices.Contains(s.open, ref) {
		return json.RawMessage("null")
	}
	s.open = append(s.open, ref)
	v := s.value(target, depth+1)
	s.open = s.open[:len(s.open)-1]
	return v
}

// endless reports whether a schema is a reference that is being followed.
func (s *sampler) endless(raw json.RawMessage) bool {
	var sc struct {
		Ref string `json:"$ref"`
	}
	if json.Unmarshal(raw, &sc) != nil {
		return false
	}
	return sc.Ref != "" && slices.Contains(s.open, sc.Ref)
}

// find resolves "#/a/b" (RFC 6901).
func (s *sampler) find(ref string) (json.RawMessage, bool) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	at := s.root
	for path != "" {
		var step string
		step, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if path != "" {
			path = "/" + path
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		var object map[string]json.RawMessage
		if json.Unmarshal(at, &object) != nil {
			return nil, false
		}
		if at, ok = object[step]; !ok {
			return nil, false
		}
	}
	return at, true
}

// text of a string schema. The values are those set aside for documentation
// where such exist (RFC 2606, RFC 5737, RFC 3849).
func (sc *schema) text() string {
	known := map[string]string{
		"date-time": "2024-01-01T00:00:00Z", "date": "2024-01-01", "time": "00:00:00Z", "duration": "PT1M",
		"uuid": "00000000-0000-0000-0000-000000000000", "email": "user@example.com", "hostname": "example.com",
		"uri": "https://example.com", "url": "https://example.com", "uri-reference": "/path", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
		"byte": "c3RyaW5n",
	}
	if t, ok := known[sc.Format]; ok {
		return t
	}
	t := "string"
	if n := min(sc.MinLength, maxSampleText); len(t) < n {
		t = strings.Repeat(t, n/len(t)+1)[:n]
	}
	if sc.MaxLength != nil && *sc.MaxLength >= 0 && utf8.RuneCountInString(t) > *sc.MaxLength {
		t = t[:*sc.MaxLength]
	}
	return t
}

func (sc *schema) number() json.RawMessage {
	if sc.Minimum != nil {
		if string(sc.ExclusiveMinimum) == "true" {
			return plusOne(*sc.Minimum)
		}
		return json.RawMessage(*sc.Minimum)
	}
	var above json.Number
	if len(sc.ExclusiveMinimum) > 0 && json.Unmarshal(sc.ExclusiveMinimum, &above) == nil && above != "" {
		return plusOne(above)
	}
	if sc.Maximum != nil {
		if f, err := sc.Maximum.Float64(); err == nil && f < 0 {
			return json.RawMessage(*sc.Maximum)
		}
	}
	return json.RawMessage("0")
}

func plusOne(n json.Number) json.RawMessage {
	f, err := n.Float64()
	if err != nil {
		return json.RawMessage("0")
	}
	b, err := json.Marshal(f + 1)
	if err != nil {
		return json.RawMessage("0")
	}
	return b
}

// member of a JSON object; members keeps the order of the document, which is
// the order people expect an example in.
type member struct {
	name  string
	value json.RawMessage
}

type members []member

func readMembers(raw json.RawMessage) members {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var ms members
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return ms
		}
		var m member
		m.name, _ = name.(string)
		if d.Decode(&m.value) != nil {
			return ms
		}
		ms = append(ms, m)
	}
	return ms
}

func (ms members) set(m member) members {
	for i := range ms {
		if ms[i].name == m.name {
			ms[i] = m
			return ms
		}
	}
	return append(ms, m)
}

func (ms members) json() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range ms {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(m.name))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func jsonText(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSpace(b.Bytes())
}
