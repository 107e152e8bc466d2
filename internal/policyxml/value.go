package policyxml

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/expr/syntax"
)

// value reads an attribute's value up to and including its closing quote q;
// false when the quote cannot be told.
func (r *reader) value(a *Attr, q byte) bool {
	from := r.at
	end, form := r.extent(a.Name, q)
	if end < 0 {
		return false
	}
	lo, hi := r.textAt(from), r.textAt(end)
	a.origin = origin{source: r.source, from: lo}
	a.Value, a.Expression = r.text[lo:hi], form == expression
	r.at = end + 1
	if form != literal {
		return true
	}
	r.checkLiteral(from, end)
	if k := strings.IndexByte(r.raw[from:end], '<'); k >= 0 {
		r.report(diag.PolicyAttributeSyntax, from+k, "'<' is not allowed in the literal value of the attribute '%s'.", a.Name).WithHint("write &lt;")
	}
	if !syntax.Begins(strings.TrimLeft(r.code[lo:hi], blanks)) {
		a.Value = r.oneLine(lo, hi)
	}
	return true
}

// form of a value.
type form uint8

const (
	literal    form = iota
	expression      // exactly one
	other           // literal text and code mixed, or broken; reported already
)

// extent finds the closing quote q of the value at the current place. It
// returns -1 after an error that hides where the value ends.
func (r *reader) extent(attr string, q byte) (int, form) {
	from := r.at
	plain := r.index(from, string(q))
	if at, ok := r.begins(from); ok && r.format == RawXML {
		return r.expressionExtent(from, at, plain, q)
	}
	if plain < 0 || r.runsOn(from, plain) {
		r.report(diag.PolicyAttributeSyntax, from-1, "The value of the attribute '%s' is not closed; %c expected.", attr, q)
		return -1, other
	}
	if r.format == XML {
		return plain, literal
	}
	if end := r.mixedExtent(from, plain, q); end >= 0 {
		return end, other
	}
	return plain, literal
}

// mixedExtent is extent for a value that holds an expression in its midst:
// the quotes of "Bearer @(x["y"])" are only understood as code.
func (r *reader) mixedExtent(from, plain int, q byte) int {
	limit := len(r.code)
	if r.endsValue(plain) {
		limit = r.textAt(plain)
	}
	at, e, ok := r.guess(r.textAt(from), r.textAt(plain), limit)
	if !ok {
		return -1
	}
	end := r.behind(r.rawAt(e), plain, q)
	if end >= 0 {
		r.mixed(r.rawAt(at))
	}
	return end
}

// expressionExtent is extent for a value that begins with an expression.
func (r *reader) expressionExtent(from, at, plain int, q byte) (int, form) {
	end, err := syntax.End(r.code, at)
	if end < 0 {
		fallback := r.quoteBefore(from, q)
		if fallback >= 0 && r.rawAt(offset(err)) > fallback {
			// The scanner ran into what follows; the value alone says it better.
			if _, err2 := syntax.End(r.code[:r.textAt(fallback)], at); err2 != nil {
				err = err2
			}
		}
		r.expressionError(err, r.rawAt)
		r.unsure = true
		return fallback, other
	}
	r.expressionError(err, r.rawAt)
	e := r.rawAt(end)
	after := len(r.raw) - len(strings.TrimLeft(r.raw[e:], blanks))
	if after < len(r.raw) && r.raw[after] == q {
		return after, expression
	}
	if end := r.behind(e, plain, q); end >= 0 {
		r.mixed(r.rawAt(at))
		return end, other
	}
	r.report(diag.PolicyExpressionSyntax, e, "Nothing may follow the expression; %c expected.", q).
		WithHint("a bracket or quote before this place may be missing or superfluous")
	r.unsure = true
	return r.quoteBefore(from, q), other
}

// begins reports whether the text at raw offset from begins with an expression,
// and where in code.
func (r *reader) begins(from int) (int, bool) {
	lo := r.textAt(from)
	at := len(r.code) - len(strings.TrimLeft(r.code[lo:], blanks))
	return at, syntax.Begins(r.code[at:])
}

// behind returns the quote that ends a value which goes on after an expression
// that ended at raw offset e; -1 when it is not clear.
func (r *reader) behind(e, plain int, q byte) int {
	k := plain
	if k < e {
		k = r.index(e, string(q))
	}
	if k >= 0 && r.endsValue(k) && !strings.ContainsAny(r.raw[e:k], "<\n") {
		return k
	}
	return -1
}

// quoteBefore returns the first quote from on that has the end of an attribute
// behind it, -1 when there is none.
func (r *reader) quoteBefore(from int, q byte) int {
	for k := r.index(from, string(q)); k >= 0; k = r.index(k+1, string(q)) {
		if r.endsValue(k) {
			return k
		}
	}
	return -1
}

// runsOn reports whether a quote is rather the opening one of a later tag.
func (r *reader) runsOn(from, quote int) bool {
	return !r.endsValue(quote) && strings.Contains(r.raw[from:quote], "\n") && strings.Contains(r.raw[from:quote], "<")
}

func (r *reader) endsValue(quote int) bool {
	return quote+1 == len(r.raw) || strings.IndexByte(" \t\r\n/>", r.raw[quote+1]) >= 0
}

// checkLiteral reports bad references in a part of raw that is not code.
func (r *reader) checkLiteral(from, to int) {
	for _, b := range r.badIn(from, to) {
		r.report(diag.PolicyEntity, b.raw, "%s", b.why).WithHint("write &amp; for the character '&' itself")
	}
}

// oneLine makes line breaks and tabs blanks, as XML demands of attributes
// unless they are written as references.
func (r *reader) oneLine(lo, hi int) string {
	if !strings.ContainsAny(r.text[lo:hi], "\n\t") {
		return r.text[lo:hi]
	}
	b := []byte(r.text[lo:hi])
	for i, c := range b {
		if (c == '\n' || c == '\t') && r.raw[r.rawAt(lo+i)] != '&' {
			b[i] = ' '
		}
	}
	return string(b)
}
