package syntax

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ident scans an identifier or keyword. Escapes \uXXXX and \UXXXXXXXX may
// stand for its characters; formatting characters are not part of its name.
func (s *Scanner) ident() (Token, bool) {
	start := s.pos
	var b strings.Builder
	for s.pos < len(s.src) {
		r, n := utf8.DecodeRuneInString(s.src[s.pos:])
		if r == '\\' && (s.at(1) == 'u' || s.at(1) == 'U') { //nolint:gocritic // a switch would need a label for the breaks
			before, errs := s.pos, len(s.errs)
			r = s.escape()
			if !isIdent(r, before == start) {
				s.pos, s.errs = before, s.errs[:errs]
				break
			}
		} else if isIdent(r, s.pos == start) {
			s.pos += n
		} else {
			break
		}
		if !unicode.Is(unicode.Cf, r) {
			b.WriteRune(r)
		}
	}
	if s.pos == start {
		return Token{}, false
	}
	return Token{Kind: Ident, Start: start, End: s.pos, Value: b.String()}, true
}

func isIdent(r rune, first bool) bool {
	if r < utf8.RuneSelf {
		return r == '_' || ('a' <= r && r <= 'z') || ('A' <= r && r <= 'Z') || (!first && '0' <= r && r <= '9')
	}
	if unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) {
		return true
	}
	return !first && unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Cf)
}

// number scans an integer or real literal.
func (s *Scanner) number() Token {
	start := s.pos
	if c := s.at(1) | 0x20; s.at(0) == '0' && (c == 'x' || c == 'b') {
		return s.based(c)
	}
	t := Token{Kind: Int, Start: start}
	var b strings.Builder
	s.digits(&b, isDigit)
	if s.at(0) == '.' && isDigit(s.at(1)) {
		t.Kind = Real
		b.WriteByte('.')
		s.pos++
		s.digits(&b, isDigit)
	}
	if n := s.exponent(); n > 0 {
		t.Kind = Real
		b.WriteString(s.src[s.pos : s.pos+n])
		s.pos += n
		s.digits(&b, isDigit)
	}
	t.Value = b.String()
	if c := s.at(0); c != 0 && strings.IndexByte("fFdDmM", c) >= 0 {
		t.Kind, t.Suffix = Real, strings.ToUpper(string(c))
		s.pos++
	}
	if t.Kind == Int {
		if t.Value = strings.TrimLeft(t.Value, "0"); t.Value == "" {
			t.Value = "0"
		}
		s.integer(&t)
	}
	t.End = s.pos
	return t
}

// based scans a hexadecimal or binary integer.
func (s *Scanner) based(base byte) Token {
	t := Token{Kind: Int, Start: s.pos}
	var b strings.Builder
	s.pos += 2
	for s.at(0) == '_' { // C# 7.2 allows a separator after the prefix
		s.pos++
	}
	if base == 'x' {
		s.digits(&b, func(c byte) bool { return hexDigit(c) >= 0 })
	} else {
		s.digits(&b, func(c byte) bool { return c == '0' || c == '1' })
	}
	if b.Len() == 0 {
		_ = s.fail(t.Start, "the number has no digits")
		b.WriteByte('0')
	}
	t.Value = "0" + string(base) + b.String()
	s.integer(&t)
	t.End = s.pos
	return t
}

// digits reads digits; single or repeated '_' may stand between them.
func (s *Scanner) digits(b *strings.Builder, ok func(byte) bool) {
	for ok(s.at(0)) || (s.at(0) == '_' && b.Len() > 0) {
		if c := s.at(0); c != '_' {
			b.WriteByte(c)
		} else if next := strings.TrimLeft(s.src[s.pos:], "_"); next == "" || !ok(next[0]) {
			_ = s.fail(s.pos, "'_' may only stand between digits")
		}
		s.pos++
	}
}

// exponent returns the length of "e", "e+" or "e-" when digits follow it.
func (s *Scanner) exponent() int {
	switch {
	case s.at(0)|0x20 != 'e':
		return 0
	case isDigit(s.at(1)):
		return 1
	case (s.at(1) == '+' || s.at(1) == '-') && isDigit(s.at(2)):
		return 2
	}
	return 0
}

func (s *Scanner) integer(t *Token) {
	var u, l bool
	for range 2 {
		switch c := s.at(0) | 0x20; {
		case c == 'u' && !u:
			u = true
		case c == 'l' && !l:
			l = true
		default:
			continue
		}
		s.pos++
	}
	if u {
		t.Suffix = "U"
	}
	if l {
		t.Suffix += "L"
	}
	if _, err := strconv.ParseUint(t.Value, 0, 64); err != nil {
		_ = s.fail(t.Start, "the number %s is too large for an integer", s.src[t.Start:s.pos])
	}
}
