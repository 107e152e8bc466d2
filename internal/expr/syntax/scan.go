package syntax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors bounds what a scanner remembers of hopeless input.
const maxErrors = 10

// Scanner splits C# into tokens. White space and comments are skipped. It
// never stops on an error: it records it and goes on with the next token.
type Scanner struct {
	src  string
	pos  int
	open []interp // interpolated strings around pos, innermost last
	errs []*Error
	lost *Error // the first error after which token limits are a guess
}

// interp is an interpolated string that has begun and not ended.
type interp struct {
	start    int
	verbatim bool
	hole     bool // pos is in the code between { and }
	depth    int  // brackets open in that code
}

// NewScanner returns a scanner that begins at byte offset start of src.
func NewScanner(src string, start int) *Scanner { return &Scanner{src: src, pos: start} }

// Errors returns the lexical errors so far (the first ten).
func (s *Scanner) Errors() []*Error { return s.errs }

func (s *Scanner) fail(at int, format string, args ...any) *Error {
	e := &Error{Offset: at, Msg: fmt.Sprintf(format, args...), Open: -1}
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, e)
	}
	return e
}

// lose is fail for errors after which the extent of tokens is uncertain.
func (s *Scanner) lose(at int, format string, args ...any) {
	if e := s.fail(at, format, args...); s.lost == nil {
		s.lost = e
	}
}

func (s *Scanner) inner() *interp {
	if len(s.open) == 0 {
		return nil
	}
	return &s.open[len(s.open)-1]
}

// at returns the byte n places after pos, 0 beyond the end.
func (s *Scanner) at(n int) byte {
	if s.pos+n >= len(s.src) {
		return 0
	}
	return s.src[s.pos+n]
}

// Next returns the next token; at the end of the text, EOF again and again.
func (s *Scanner) Next() Token {
	if f := s.inner(); f != nil && !f.hole {
		if t, ok := s.interpolated(f); ok {
			return t
		}
	}
	s.skip()
	if s.pos >= len(s.src) {
		for len(s.open) > 0 {
			s.lose(s.inner().start, "interpolated string is not closed")
			s.open = s.open[:len(s.open)-1]
		}
		return Token{Kind: EOF, Start: len(s.src), End: len(s.src)}
	}
	c := s.at(0)
	switch {
	case c == '"':
		return s.str()
	case c == '\'':
		return s.char()
	case isDigit(c) || (c == '.' && isDigit(s.at(1))):
		return s.number()
	case c == '@' || c == '$':
		return s.prefixed()
	}
	if t, ok := s.ident(); ok {
		return t
	}
	return s.punct()
}

// prefixed scans what begins with '@' or '$'.
func (s *Scanner) prefixed() Token {
	rest := s.src[s.pos:]
	switch {
	case strings.HasPrefix(rest, `@"`):
		return s.verbatim()
	case strings.HasPrefix(rest, `$"`):
		return s.begin(2, false)
	case strings.HasPrefix(rest, `$@"`):
		return s.begin(3, true)
	case strings.HasPrefix(rest, `@$"`):
		_ = s.fail(s.pos, `@$"…" needs C# 8; write $@"…"`)
		return s.begin(3, true)
	}
	if rest[0] == '@' {
		s.pos++
		if t, ok := s.ident(); ok {
			t.Start, t.Verbatim = t.Start-1, true
			return t
		}
		s.pos--
	}
	switch {
	case strings.HasPrefix(rest, "@(") || strings.HasPrefix(rest, "@{"):
		_ = s.fail(s.pos, "an expression cannot contain another one; write the code without '@'")
	default:
		_ = s.fail(s.pos, "'%c' is not expected here", rest[0])
	}
	return s.take(Invalid, 1)
}

// take makes a token of the next n bytes.
func (s *Scanner) take(k Kind, n int) Token {
	t := Token{Kind: k, Start: s.pos, End: s.pos + n, Value: s.src[s.pos : s.pos+n]}
	s.pos += n
	return t
}

// operators of more than one character, longest first. Null-conditional "?."
// is two tokens, as in the C# grammar: "a?.5:1" is a conditional expression.
var operators = []string{"<<=", "??", "::", "++", "--", "&&", "||", "->", "=>", "==", "!=", "<=", ">=",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<"}

func (s *Scanner) punct() Token {
	rest := s.src[s.pos:]
	f := s.inner()
	switch c := rest[0]; c {
	case '(', '[', '{':
		if f != nil {
			f.depth++
		}
		return s.take(Punct, 1)
	case ')', ']', '}':
		if f != nil && f.depth == 0 && c == '}' {
			f.hole = false
			return s.take(HoleEnd, 1)
		}
		if f != nil && f.depth > 0 {
			f.depth--
		}
		return s.take(Punct, 1)
	case ':':
		if f != nil && f.depth == 0 {
			return s.format(f)
		}
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			return s.take(Punct, len(op))
		}
	}
	if strings.IndexByte(".,:;+-*/%&|^!~=<>?", rest[0]) >= 0 {
		return s.take(Punct, 1)
	}
	return s.invalid()
}

func (s *Scanner) invalid() Token {
	r, n := utf8.DecodeRuneInString(s.src[s.pos:])
	switch {
	case r == utf8.RuneError && n == 1:
		_ = s.fail(s.pos, "invalid UTF-8")
	case strings.ContainsRune("“”„‟«»", r):
		_ = s.fail(s.pos, `typographic quote %c; write "`, r)
	case strings.ContainsRune("‘’‚‛", r):
		_ = s.fail(s.pos, "typographic quote %c; write '", r)
	case r == '#':
		_ = s.fail(s.pos, "'#' is not expected here; expressions have no preprocessor directives")
	case unicode.IsPrint(r):
		_ = s.fail(s.pos, "'%c' is not expected here", r)
	default:
		_ = s.fail(s.pos, "invisible character U+%04X", r)
	}
	return s.take(Invalid, n)
}

// skip passes white space and comments.
func (s *Scanner) skip() {
	for s.pos < len(s.src) {
		r, n := utf8.DecodeRuneInString(s.src[s.pos:])
		switch {
		case isNewline(r):
			s.newline()
			s.pos += n
		case isSpace(r):
			s.pos += n
		case r == '/' && s.at(1) == '/':
			for s.pos < len(s.src) {
				if r, n = utf8.DecodeRuneInString(s.src[s.pos:]); isNewline(r) {
					break
				}
				s.pos += n
			}
		case r == '/' && s.at(1) == '*':
			k := strings.Index(s.src[s.pos+2:], "*/")
			if k < 0 {
				s.lose(s.pos, "comment is not closed; '*/' expected")
				s.pos = len(s.src)
				return
			}
			s.pos += k + 4
		default:
			return
		}
	}
}

// newline ends the interpolated strings that may not span lines: before C# 11
// not even their holes may.
func (s *Scanner) newline() {
	for f := s.inner(); f != nil && !f.verbatim; f = s.inner() {
		s.lose(f.start, `interpolated string is not closed on its line; strings over several lines are written $@"…"`)
		s.open = s.open[:len(s.open)-1]
	}
}

func isNewline(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

func isSpace(r rune) bool {
	return r == ' ' || r == '\t' || r == '\v' || r == '\f' || (r >= 0x80 && unicode.Is(unicode.Zs, r))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
