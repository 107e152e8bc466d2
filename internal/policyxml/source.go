package policyxml

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
)

const bom = "\uFEFF"

// source is a document in three forms of the same characters.
//
// Where an expression ends is a question about C#, so it must be asked of
// decoded text: an encoded &quot; opens a string like a raw '"'. References are
// recognised without context, hence the whole document is decoded once and
// every place of one form has its place in the others.
type source struct {
	file  string
	raw   string // as written, without byte order mark
	text  string // references decoded, line ends made LF (XML 1.0 §2.11)
	code  string // text with every {{named value}} blanked: its characters are not C#
	jumps []jump
	bad   []badRef
	lines []int // raw offsets of line starts
}

// jump says that text from dec on and raw from raw on run side by side.
type jump struct{ dec, raw int }

// badRef is a '&' that begins no known reference. Inside an expression of a
// rawxml document it is an ordinary character.
type badRef struct {
	raw int
	why string
}

func newSource(doc Document) *source {
	s := &source{file: doc.File, raw: strings.TrimPrefix(doc.Text, bom), lines: []int{0}}
	s.decode()
	s.code = mask(s.text)
	for i := range len(s.raw) {
		if isLineEnd(s.raw, i) {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

func (s *source) decode() {
	if !strings.ContainsAny(s.raw, "&\r") {
		s.text = s.raw
		return
	}
	var b strings.Builder
	b.Grow(len(s.raw))
	for i := 0; i < len(s.raw); {
		k := strings.IndexAny(s.raw[i:], "&\r")
		if k < 0 {
			b.WriteString(s.raw[i:])
			break
		}
		b.WriteString(s.raw[i : i+k])
		i += k
		switch {
		case s.raw[i] == '&':
			r, n, why := reference(s.raw[i:])
			if n == 0 {
				s.bad = append(s.bad, badRef{i, why})
				r, n = '&', 1
			}
			b.WriteRune(r)
			i += n
		case strings.HasPrefix(s.raw[i:], "\r\n"):
			i++ // the LF stands for both
		default:
			b.WriteByte('\n')
			i++
		}
		s.jumps = append(s.jumps, jump{b.Len(), i})
	}
	s.text = b.String()
}

// rawAt returns the place in raw of a place in text.
func (s *source) rawAt(dec int) int {
	k := sort.Search(len(s.jumps), func(k int) bool { return s.jumps[k].dec > dec })
	raw := dec
	if k > 0 {
		raw = s.jumps[k-1].raw + dec - s.jumps[k-1].dec
	}
	return min(raw, len(s.raw))
}

// textAt returns the place in text of a place in raw.
func (s *source) textAt(raw int) int {
	k := sort.Search(len(s.jumps), func(k int) bool { return s.jumps[k].raw > raw })
	dec := raw
	if k > 0 {
		dec = s.jumps[k-1].dec + raw - s.jumps[k-1].raw
	}
	if k < len(s.jumps) { // no place of its own inside a reference
		dec = min(dec, s.jumps[k].dec)
	}
	return min(dec, len(s.text))
}

// badIn returns the bad references in raw[from:to].
func (s *source) badIn(from, to int) []badRef {
	i := sort.Search(len(s.bad), func(k int) bool { return s.bad[k].raw >= from })
	j := sort.Search(len(s.bad), func(k int) bool { return s.bad[k].raw >= to })
	return s.bad[i:max(i, j)]
}

// line returns the index of the line that holds a raw offset.
func (s *source) line(raw int) int {
	k, found := slices.BinarySearch(s.lines, raw)
	if !found {
		k--
	}
	return k
}

func (s *source) pos(raw int) diag.Pos {
	k := s.line(raw)
	return diag.Pos{File: s.file, Line: k + 1, Col: utf8.RuneCountInString(s.raw[s.lines[k]:raw]) + 1}
}

// ruler measures positions for a reader that mostly moves forward: it counts
// the characters of a long line once, not once a position.
type ruler struct{ line, col, raw int }

func (m *ruler) pos(s *source, raw int) diag.Pos {
	if k := s.line(raw); k != m.line || raw < m.raw || m.col == 0 {
		m.line, m.col, m.raw = k, 1, s.lines[k]
	}
	m.col += utf8.RuneCountInString(s.raw[m.raw:raw])
	m.raw = raw
	return diag.Pos{File: s.file, Line: m.line + 1, Col: m.col}
}

// Position returns line and column, both from 1 and the column in characters,
// of a byte offset into text. Lines end with LF, CR LF or CR.
func Position(text string, offset int) (line, col int) {
	offset = max(0, min(offset, len(text)))
	line, start := 1, 0
	for i := range offset {
		if isLineEnd(text, i) {
			line, start = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(text[start:offset]) + 1
}

// isLineEnd reports whether byte i is the last of a line end.
func isLineEnd(text string, i int) bool {
	return text[i] == '\n' || (text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n'))
}
