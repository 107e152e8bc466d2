package syntax

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text collects the value of a string. C# strings are UTF-16, so a character
// outside the basic plane may be written as two escapes; they are joined here.
type text struct {
	b    strings.Builder
	high rune // surrogate that waits for its second half
}

func (t *text) add(r rune) {
	if t.high != 0 {
		full := utf16.DecodeRune(t.high, r)
		t.high = 0
		t.b.WriteRune(full) // U+FFFD when r is no second half
		if full != utf8.RuneError {
			return
		}
	}
	if 0xD800 <= r && r < 0xDC00 {
		t.high = r
		return
	}
	t.b.WriteRune(r) // a lone second half is written as U+FFFD
}

func (t *text) String() string {
	if t.high != 0 {
		t.high = 0
		t.b.WriteRune(utf8.RuneError)
	}
	return t.b.String()
}

// str scans a regular string. It may not span lines.
func (s *Scanner) str() Token {
	start := s.pos
	var v text
	for s.pos++; s.pos < len(s.src); {
		r, n := utf8.DecodeRuneInString(s.src[s.pos:])
		switch {
		case r == '"':
			s.pos++
			return Token{Kind: String, Start: start, End: s.pos, Value: v.String()}
		case r == '\\':
			v.add(s.escape())
			continue
		case isNewline(r):
			s.lose(start, `string is not closed on its line; strings over several lines are written @"…"`)
			return Token{Kind: String, Start: start, End: s.pos, Value: v.String()}
		}
		v.add(r)
		s.pos += n
	}
	s.lose(start, "string is not closed")
	return Token{Kind: String, Start: start, End: s.pos, Value: v.String()}
}

// verbatim scans @"…", in which only "" has a meaning of its own.
func (s *Scanner) verbatim() Token {
	start := s.pos
	var b strings.Builder
	s.pos += 2
	for {
		k := strings.IndexByte(s.src[s.pos:], '"')
		if k < 0 {
			s.lose(start, `string is not closed; inside @"…" a quote is written twice`)
			b.WriteString(s.src[s.pos:])
			s.pos = len(s.src)
			break
		}
		b.WriteString(s.src[s.pos : s.pos+k])
		s.pos += k + 1
		if s.at(0) != '"' {
			break
		}
		b.WriteByte('"')
		s.pos++
	}
	return Token{Kind: String, Start: start, End: s.pos, Value: b.String(), Verbatim: true}
}

// char scans a character literal: one UTF-16 code unit.
func (s *Scanner) char() Token {
	start := s.pos
	t := Token{Kind: Char, Start: start}
	var units []uint16
	for s.pos++; ; {
		r, n := utf8.DecodeRuneInString(s.src[s.pos:])
		switch {
		case n == 0 || isNewline(r):
			s.lose(start, `character is not closed; strings are written with "`)
			t.End = s.pos
			return t
		case r == '\'':
			s.pos++
			t.End = s.pos
			s.unit(&t, units)
			return t
		case r == '\\':
			r = s.escape()
		default:
			s.pos += n
		}
		if len(units) > 2 {
			continue
		}
		if r > 0xFFFF {
			hi, lo := utf16.EncodeRune(r)
			units = append(units, uint16(hi), uint16(lo))
		} else {
			units = append(units, uint16(r))
		}
	}
}

func (s *Scanner) unit(t *Token, units []uint16) {
	switch len(units) {
	case 0:
		_ = s.fail(t.Start, "empty character literal")
		return
	case 1:
	default:
		_ = s.fail(t.Start, `more than one character between single quotes; strings are written with "`)
	}
	t.Unit = units[0]
	t.Value = string(utf16.Decode(units[:1]))
}

const simpleEscapes = `'"\0abfnrtv`
const simpleValues = "'\"\\\x00\a\b\f\n\r\t\v"

// escape reads an escape sequence at pos. The result may be a surrogate.
func (s *Scanner) escape() rune {
	start := s.pos
	r, n := utf8.DecodeRuneInString(s.src[s.pos+1:])
	if n == 0 || isNewline(r) {
		s.pos++ // the caller finds out that the literal is not closed
		return '\\'
	}
	s.pos += 1 + n
	switch r {
	case 'x':
		return s.hex(start, 1, 4)
	case 'u':
		return s.hex(start, 4, 4)
	case 'U':
		return s.hex(start, 8, 8)
	}
	if k := strings.IndexRune(simpleEscapes, r); k >= 0 {
		return rune(simpleValues[k])
	}
	_ = s.fail(start, `unknown escape sequence '\%c'; write '\\%c', or a verbatim string @"…"`, r, r)
	return r
}

func (s *Scanner) hex(start, least, most int) rune {
	var v uint32
	n := 0
	for ; n < most; n++ {
		d := hexDigit(s.at(n))
		if d < 0 {
			break
		}
		v = v<<4 | uint32(d)
	}
	s.pos += n
	switch {
	case n < least && least == most:
		_ = s.fail(start, "the escape sequence needs %d hexadecimal digits", least)
	case n < least:
		_ = s.fail(start, "the escape sequence needs hexadecimal digits")
	case v > utf8.MaxRune:
		_ = s.fail(start, "U+%X is not a character; the last is U+10FFFF", v)
	default:
		return rune(v)
	}
	return utf8.RuneError
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
