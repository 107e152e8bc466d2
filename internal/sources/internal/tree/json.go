package tree

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// maxDepth bounds nesting; ARM resources stay below ten.
const maxDepth = 100

// ParseJSON reads one JSON value. A syntax error becomes a finding about path
// and the result is nil; a name written twice is a warning, the last one counts.
func ParseJSON(data []byte, file, path string, out *diag.List) *Node {
	s := &jsonScanner{data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), file: file, path: path, out: out, line: 1, markCol: 1}
	n, err := s.document()
	if err != nil {
		out.Add(diag.SourceJSONSyntax, err.pos, path, "%s", err.msg)
		return nil
	}
	return n
}

type jsonError struct {
	pos diag.Pos
	msg string
}

// jsonScanner counts columns as it goes: asking for a position is cheap even
// when a large document is written on one line.
type jsonScanner struct {
	data             []byte
	off              int
	line             int
	markOff, markCol int
	depth            int
	file, path       string
	out              *diag.List
}

func (s *jsonScanner) pos() diag.Pos {
	if s.off > s.markOff {
		s.markCol += utf8.RuneCount(s.data[s.markOff:s.off])
		s.markOff = s.off
	}
	return diag.Pos{File: s.file, Line: s.line, Col: s.markCol}
}

func (s *jsonScanner) fail(format string, args ...any) *jsonError {
	return &jsonError{pos: s.pos(), msg: fmt.Sprintf(format, args...)}
}

func (s *jsonScanner) space() {
	for ; s.off < len(s.data); s.off++ {
		switch s.data[s.off] {
		case ' ', '\t', '\r':
		case '\n':
			s.line++
			s.markOff, s.markCol = s.off+1, 1
		default:
			return
		}
	}
}

func (s *jsonScanner) peek() byte {
	if s.off < len(s.data) {
		return s.data[s.off]
	}
	return 0
}

func (s *jsonScanner) document() (*Node, *jsonError) {
	s.space()
	if s.off == len(s.data) {
		return nil, s.fail("the file is empty, a JSON value is expected")
	}
	n, err := s.value()
	if err != nil {
		return nil, err
	}
	if s.space(); s.off < len(s.data) {
		return nil, s.fail("unexpected %s after the end of the JSON value", s.here())
	}
	return n, nil
}

func (s *jsonScanner) value() (*Node, *jsonError) {
	pos := s.pos()
	switch c := s.peek(); {
	case c == '{':
		return s.nested(s.object)
	case c == '[':
		return s.nested(s.list)
	case c == '"':
		text, err := s.str()
		return &Node{Kind: String, Text: text, Pos: pos}, err
	case c == '-' || c >= '0' && c <= '9':
		text, err := s.number()
		return &Node{Kind: Number, Text: text, Pos: pos}, err
	case s.word("true"), s.word("false"):
		return &Node{Kind: Bool, Text: string(s.data[s.markOff:s.off]), Pos: pos}, nil
	case s.word("null"):
		return &Node{Kind: Null, Pos: pos}, nil
	case c == '/':
		return nil, s.fail("JSON has no comments")
	default:
		return nil, s.fail("unexpected %s, a JSON value is expected", s.here())
	}
}

func (s *jsonScanner) nested(read func() (*Node, *jsonError)) (*Node, *jsonError) {
	if s.depth++; s.depth > maxDepth {
		return nil, s.fail("nested more than %d levels deep", maxDepth)
	}
	defer func() { s.depth-- }()
	return read()
}

func (s *jsonScanner) object() (*Node, *jsonError) {
	n := &Node{Kind: Object, Pos: s.pos()}
	seen := map[string]int{}
	s.off++
	for s.space(); s.peek() != '}'; s.space() {
		if len(n.Members) > 0 {
			if err := s.comma('}'); err != nil {
				return nil, err
			}
		}
		if err := s.memberInto(n, seen); err != nil {
			return nil, err
		}
	}
	s.off++
	return n, nil
}

func (s *jsonScanner) memberInto(n *Node, seen map[string]int) *jsonError {
	if s.peek() != '"' {
		return s.fail("unexpected %s, a property name in double quotes is expected", s.here())
	}
	m := Member{Pos: s.pos()}
	var err *jsonError
	if m.Name, err = s.str(); err != nil {
		return err
	}
	if s.space(); s.peek() != ':' {
		return s.fail("unexpected %s, ':' is expected after the property name", s.here())
	}
	s.off++
	s.space()
	if m.Value, err = s.value(); err != nil {
		return err
	}
	if i, ok := seen[m.Name]; ok {
		s.out.Add(diag.SourceDuplicate, m.Pos, s.path, "property '%s' is written twice", m.Name)
		n.Members[i] = m
		return nil
	}
	seen[m.Name] = len(n.Members)
	n.Members = append(n.Members, m)
	return nil
}

func (s *jsonScanner) list() (*Node, *jsonError) {
	n := &Node{Kind: List, Pos: s.pos()}
	s.off++
	for s.space(); s.peek() != ']'; s.space() {
		if len(n.Items) > 0 {
			if err := s.comma(']'); err != nil {
				return nil, err
			}
		}
		it, err := s.value()
		if err != nil {
			return nil, err
		}
		n.Items = append(n.Items, it)
	}
	s.off++
	return n, nil
}

func (s *jsonScanner) comma(end byte) *jsonError {
	if s.peek() != ',' {
		return s.fail("unexpected %s, ',' or '%c' is expected", s.here(), end)
	}
	at := s.pos()
	s.off++
	if s.space(); s.peek() == end {
		return &jsonError{at, "the comma after the last entry must go"}
	}
	return nil
}

func (s *jsonScanner) word(w string) bool {
	if !bytes.HasPrefix(s.data[s.off:], []byte(w)) {
		return false
	}
	s.markCol += utf8.RuneCount(s.data[s.markOff:s.off])
	s.markOff = s.off
	s.off += len(w)
	return true
}

func (s *jsonScanner) number() (string, *jsonError) {
	start := s.off
	if s.peek() == '-' {
		s.off++
	}
	switch c := s.peek(); {
	case c == '0':
		s.off++
	case c >= '1' && c <= '9':
		s.digits()
	default:
		return "", s.fail("a digit is expected after '-'")
	}
	if s.peek() == '.' {
		s.off++
		if !s.digits() {
			return "", s.fail("a digit is expected after the decimal point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.off++
		if c := s.peek(); c == '+' || c == '-' {
			s.off++
		}
		if !s.digits() {
			return "", s.fail("a digit is expected in the exponent")
		}
	}
	return string(s.data[start:s.off]), nil
}

func (s *jsonScanner) digits() bool {
	start := s.off
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.off++
	}
	return s.off > start
}

func (s *jsonScanner) str() (string, *jsonError) {
	open := s.pos()
	s.off++
	var b []byte
	for s.off < len(s.data) {
		switch c := s.data[s.off]; {
		case c == '"':
			s.off++
			return string(b), nil
		case c == '\\':
			var err *jsonError
			if b, err = s.escape(b); err != nil {
				return "", err
			}
		case c == '\n' || c == '\r':
			return "", &jsonError{open, "the text is not closed on its line"}
		case c < 0x20:
			return "", s.fail("control character %#02x must be written as an escape", c)
		case c < utf8.RuneSelf:
			b = append(b, c)
			s.off++
		default:
			r, size := utf8.DecodeRune(s.data[s.off:])
			if r == utf8.RuneError && size == 1 {
				return "", s.fail("the file is not UTF-8 here")
			}
			b = append(b, s.data[s.off:s.off+size]...)
			s.off += size
		}
	}
	return "", &jsonError{open, "the text is not closed"}
}

func (s *jsonScanner) escape(b []byte) ([]byte, *jsonError) {
	rest := s.data[s.off+1:]
	if len(rest) == 0 {
		return nil, s.fail("the escape is not complete")
	}
	plain := map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	if c, ok := plain[rest[0]]; ok {
		s.off += 2
		return append(b, c), nil
	}
	r, ok := hex4(rest)
	if !ok {
		return nil, s.fail("unknown escape; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
	}
	s.off += 6
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if s.peek() == '\\' {
			low, ok = hex4(s.data[s.off+1:])
		}
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			s.off += 6
		}
	}
	return utf8.AppendRune(b, r), nil
}

// hex4 reads uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[1:5]), 16, 16)
	return rune(v), err == nil
}

// here describes the next character for a message.
func (s *jsonScanner) here() string {
	if s.off >= len(s.data) {
		return "end of file"
	}
	r, _ := utf8.DecodeRune(s.data[s.off:])
	return fmt.Sprintf("%q", r)
}
