package syntax

import (
	"strings"
	"unicode/utf8"
)

// begin scans the opening of an interpolated string, n bytes long.
func (s *Scanner) begin(n int, verbatim bool) Token {
	s.open = append(s.open, interp{start: s.pos, verbatim: verbatim})
	t := s.take(InterpStart, n)
	t.Verbatim = verbatim
	return t
}

// interpolated scans the literal parts of f: the text up to a hole, the start
// of a hole, or the end. It returns false when the string broke off.
func (s *Scanner) interpolated(f *interp) (Token, bool) {
	switch {
	case s.at(0) == '{' && s.at(1) != '{':
		f.hole, f.depth = true, 0
		return s.take(HoleStart, 1), true
	case s.at(0) == '"' && !(f.verbatim && s.at(1) == '"'):
		s.open = s.open[:len(s.open)-1]
		return s.take(InterpEnd, 1), true
	}
	start := s.pos
	var v text
	for s.pos < len(s.src) {
		c := s.at(0)
		if (c == '{' && s.at(1) != '{') || (c == '"' && !(f.verbatim && s.at(1) == '"')) {
			break
		}
		if !s.part(f, &v, false) {
			break
		}
	}
	t := Token{Kind: InterpText, Start: start, End: s.pos, Value: v.String(), Verbatim: f.verbatim}
	if r, n := utf8.DecodeRuneInString(s.src[s.pos:]); n == 0 || (isNewline(r) && !f.verbatim) {
		s.broken(f)
	}
	return t, t.End > t.Start
}

// broken gives up f, whose closing quote is missing.
func (s *Scanner) broken(f *interp) {
	if s.pos < len(s.src) {
		s.newline()
		return
	}
	s.lose(f.start, "interpolated string is not closed")
	s.open = s.open[:len(s.open)-1]
}

// part adds the next character of a literal part to v; false at a line end
// that f may not cross. In a format the caller looks after closing braces.
func (s *Scanner) part(f *interp, v *text, format bool) bool {
	r, n := utf8.DecodeRuneInString(s.src[s.pos:])
	switch {
	case isNewline(r) && !f.verbatim:
		return false
	case r == '\\' && !f.verbatim:
		v.add(s.escape())
		return true
	case r == '{' || r == '}' || r == '"':
		if s.at(1) == byte(r) {
			n = 2
		} else if r == '}' && !format {
			_ = s.fail(s.pos, "'}' in an interpolated string must be written twice")
		}
	}
	v.add(r)
	s.pos += n
	return true
}

// format scans the format clause of a hole: everything from the first colon
// outside brackets to the closing brace. This is why a conditional expression
// needs parentheses inside a hole.
func (s *Scanner) format(f *interp) Token {
	start := s.pos
	var v text
	for s.pos++; s.pos < len(s.src); {
		rest := s.src[s.pos:]
		quoted := f.verbatim && strings.HasPrefix(rest, `""`)
		if rest[0] == '"' && !quoted {
			_ = s.fail(start, "'}' expected; a conditional expression inside an interpolated string needs parentheses")
			f.hole = false
			break
		}
		if rest[0] == '}' && !strings.HasPrefix(rest, "}}") {
			break
		}
		if rest[0] == '{' && !strings.HasPrefix(rest, "{{") {
			_ = s.fail(s.pos, "'{' is not expected in a format")
		}
		if !s.part(f, &v, true) {
			break // skip reports the line end
		}
	}
	if v := v.String(); v == "" {
		_ = s.fail(start, "empty format")
	}
	return Token{Kind: HoleFormat, Start: start, End: s.pos, Value: v.String(), Verbatim: f.verbatim}
}
