package databricks

import (
	"encoding/json"
	"fmt"
)

// maxDepth is the nesting that encoding/json accepts.
const maxDepth = 10000

// syntaxError is where and why a body is not a JSON object.
type syntaxError struct {
	offset int
	want   string
}

// describe names the place as people count it.
func (e *syntaxError) describe(body []byte) string {
	line, col := 1, 1
	for _, c := range body[:e.offset] {
		if c == '\n' {
			line, col = line+1, 0
		}
		col++
	}
	if e.offset >= len(body) {
		return fmt.Sprintf("line %d, column %d: it ends where %s was expected", line, col, e.want)
	}
	return fmt.Sprintf("line %d, column %d (byte %d): expected %s", line, col, e.offset, e.want)
}

// jsonScanner walks JSON text once and checks all of it (RFC 8259, exactly
// what encoding/json accepts), without building values.
type jsonScanner struct {
	b    []byte
	i    int
	want string // what was missing at i when a method returned false
}

func (s *jsonScanner) fail(want string) bool {
	s.want = want
	return false
}

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func (s *jsonScanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *jsonScanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// value scans one value that begins at i.
func (s *jsonScanner) value(depth int) bool {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.fail("a value")
}

func (s *jsonScanner) word(w string) bool {
	for k := range len(w) {
		if !s.take(w[k]) {
			return s.fail("'" + w + "'")
		}
	}
	return true
}

func (s *jsonScanner) object(depth int) bool {
	if depth >= maxDepth {
		return s.fail("less nesting")
	}
	s.i++
	s.space()
	if s.take('}') {
		return true
	}
	for {
		if !s.key() || !s.value(depth+1) {
			return false
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return s.fail("',' or '}'")
		}
		s.space()
	}
}

// key scans a member name and its colon, up to the value.
func (s *jsonScanner) key() bool {
	if s.peek() != '"' {
		return s.fail("a field name in double quotes")
	}
	if !s.str() {
		return false
	}
	s.space()
	if !s.take(':') {
		return s.fail("':'")
	}
	s.space()
	return true
}

func (s *jsonScanner) array(depth int) bool {
	if depth >= maxDepth {
		return s.fail("less nesting")
	}
	s.i++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return s.fail("',' or ']'")
		}
		s.space()
	}
}

func (s *jsonScanner) str() bool {
	s.i++
	for {
		// Nearly all bytes of nearly all bodies pass here.
		b, i := s.b, s.i
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			i++
		}
		s.i = i
		switch {
		case i == len(b):
			return s.fail("the closing '\"'")
		case b[i] == '"':
			s.i++
			return true
		case b[i] < ' ':
			return s.fail("an escaped control character")
		case !s.escape():
			return false
		}
	}
}

func (s *jsonScanner) escape() bool {
	s.i++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
		s.i++
		for range 4 {
			if c := s.peek(); !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return s.fail("a hexadecimal digit")
			}
			s.i++
		}
		return true
	}
	return s.fail("an escape sequence")
}

func (s *jsonScanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *jsonScanner) digits() bool {
	from := s.i
	for isDigit(s.peek()) {
		s.i++
	}
	if s.i == from {
		return s.fail("a digit")
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// decodeString returns the string that raw encodes; false when raw is another
// kind of value.
func decodeString(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
