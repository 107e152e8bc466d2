package syntax

import "strings"

// End returns the offset just past the policy expression that begins with "@("
// or "@{" at src[start:]. Brackets inside strings, characters and comments do
// not count; what follows the expression is not looked at.
//
// When the expression has an error but its end is certain (an unknown escape
// sequence, say), both are returned. Otherwise end is -1, and err is a *Error.
//
// The expression usually stands in a document with tags. "</name", "/>" and
// "<!--" outside strings are taken as proof that a bracket is missing, so that
// the error is found near its cause and not at the end of the document.
func End(src string, start int) (end int, err error) {
	if !Begins(src[start:]) {
		return -1, &Error{Offset: start, Msg: "an expression begins with '@(' or '@{'", Open: -1}
	}
	e := ender{Scanner: NewScanner(src, start+1)}
	end, fault := e.run()
	if fault != nil {
		return -1, fault
	}
	if errs := e.Errors(); len(errs) > 0 {
		return end, errs[0]
	}
	return end, nil
}

// Begins reports whether text begins as an expression does.
func Begins(text string) bool { return strings.HasPrefix(text, "@(") || strings.HasPrefix(text, "@{") }

type ender struct {
	*Scanner
	brackets []bracket
	last     int // end of the last token
}

type bracket struct {
	closer string
	at     int
}

func (e *ender) run() (int, *Error) {
	for {
		t := e.Next()
		if e.lost != nil {
			return -1, e.lost
		}
		rest := e.src[t.Start:]
		switch {
		case t.Kind == EOF, t.Is("<") && isEndTag(rest), t.Is("/") && strings.HasPrefix(rest, "/>"):
			return -1, e.missing(e.last)
		case t.Is("<") && strings.HasPrefix(rest, "<!--"):
			return -1, &Error{Offset: t.Start, Msg: "an XML comment cannot stand inside an expression; use // or /* */", Open: -1}
		case t.Is("("):
			e.push(")", t)
		case t.Is("["):
			e.push("]", t)
		case t.Is("{"), t.Kind == HoleStart:
			e.push("}", t)
		case t.Is(")"), t.Is("]"), t.Is("}"), t.Kind == HoleEnd:
			top := len(e.brackets) - 1
			if e.brackets[top].closer != t.Value {
				err := e.missing(t.Start)
				err.Msg = "'" + e.brackets[top].closer + "' expected, not '" + t.Value + "'"
				return -1, err
			}
			if e.brackets = e.brackets[:top]; top == 0 {
				return t.End, nil
			}
		}
		e.last = t.End
	}
}

func (e *ender) push(closer string, t Token) {
	e.brackets = append(e.brackets, bracket{closer, t.Start})
}

func (e *ender) missing(at int) *Error {
	b := e.brackets[len(e.brackets)-1]
	return &Error{Offset: at, Msg: "'" + b.closer + "' expected", Open: b.at}
}

// isEndTag tells "</name" from a comparison with a comment behind it.
func isEndTag(s string) bool {
	return len(s) > 2 && s[1] == '/' && isIdent(rune(s[2]), true)
}
