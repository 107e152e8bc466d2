package ranges

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// cursor walks a JSON document that is known to be valid and remembers where
// it is, which encoding/json does not tell for single values: a finding about
// one prefix of three thousand is of no use without its line.
type cursor struct {
	data []byte
	off  int
}

// newCursor validates the whole document first, so that the walk has no errors
// of its own. On a syntax error the cursor stands at the place.
func newCursor(data []byte) (cursor, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // files saved by Windows tools
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return cursor{data, int(max(syntax.Offset-1, 0))}, err
	}
	return cursor{data, 0}, err
}

// kind is the first byte of the next value: one of { [ " t f n - or a digit.
func (c *cursor) kind() byte {
	c.space()
	return c.data[c.off]
}

func (c *cursor) space() {
	for c.off < len(c.data) {
		switch c.data[c.off] {
		case ' ', '\t', '\r', '\n', ',', ':':
			c.off++
		default:
			return
		}
	}
}

// object calls field for every member, which must consume the value. It
// consumes any value, and reports whether that was an object.
func (c *cursor) object(field func(key string)) bool {
	if c.kind() != '{' {
		c.skip()
		return false
	}
	for c.off++; c.kind() != '}'; {
		key, _ := c.text()
		field(key)
	}
	c.off++
	return true
}

// array is object for lists.
func (c *cursor) array(element func()) bool {
	if c.kind() != '[' {
		c.skip()
		return false
	}
	for c.off++; c.kind() != ']'; {
		element()
	}
	c.off++
	return true
}

// text consumes any value, and returns the content of a string.
func (c *cursor) text() (string, bool) {
	isString := c.kind() == '"'
	start := c.off
	c.skip()
	if !isString {
		return "", false
	}
	var s string
	if err := json.Unmarshal(c.data[start:c.off], &s); err != nil {
		return "", false
	}
	return s, true
}

// integer consumes any value, and returns a whole number.
func (c *cursor) integer() (int64, bool) {
	c.space()
	start := c.off
	c.skip()
	var n int64
	err := json.Unmarshal(c.data[start:c.off], &n)
	return n, err == nil
}

// skip consumes the next value without recursion: depth is the sender's choice.
func (c *cursor) skip() {
	depth := 0
	for {
		switch c.kind() {
		case '{', '[':
			depth++
			c.off++
		case '}', ']':
			depth--
			c.off++
		case '"':
			c.skipString()
		default:
			c.skipWord()
		}
		if depth == 0 {
			return
		}
	}
}

func (c *cursor) skipString() {
	for c.off++; c.data[c.off] != '"'; c.off++ {
		if c.data[c.off] == '\\' {
			c.off++
		}
	}
	c.off++
}

func (c *cursor) skipWord() {
	for c.off < len(c.data) && !bytes.ContainsRune([]byte(" \t\r\n,:]}"), rune(c.data[c.off])) {
		c.off++
	}
}

// lines turns offsets into positions. Positions are asked for in the order of
// the document, so it counts on from the last answer: the published feed is one
// line of 100 KB, and counting columns from its start would be quadratic.
type lines struct {
	data           []byte
	file           string
	off, line, col int // the last answer
}

func newLines(data []byte, file string) *lines {
	return &lines{data: bytes.TrimPrefix(data, []byte("\ufeff")), file: file, line: 1, col: 1}
}

func (l *lines) pos(off int) diag.Pos {
	off = min(off, len(l.data))
	if off < l.off {
		l.off, l.line, l.col = 0, 1, 1
	}
	for {
		i := bytes.IndexByte(l.data[l.off:off], '\n')
		if i < 0 {
			break
		}
		l.off += i + 1
		l.line++
		l.col = 1
	}
	l.col += utf8.RuneCount(l.data[l.off:off])
	l.off = off
	return diag.Pos{File: l.file, Line: l.line, Col: l.col}
}
