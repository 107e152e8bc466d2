package policyxml

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/expr/syntax"
)

// run reads text up to the next markup.
func (r *reader) run() {
	from := r.at
	if len(r.open) == 0 {
		r.at = r.next(from)
		if s := r.raw[from:r.at]; !isBlank(s) {
			r.outside(from + len(s) - len(strings.TrimLeft(s, blanks)))
		}
		return
	}
	at, whole := r.begins(from)
	if r.format == XML {
		whole = false
	}
	e := from
	if whole {
		end, err := syntax.End(r.code, at)
		r.expressionError(err, r.rawAt)
		if end < 0 {
			r.skip(from)
			return
		}
		e = r.rawAt(end)
	}
	to, mixed := r.next(e), -1
	if r.format == RawXML {
		to, mixed = r.mixedRun(e)
	}
	if whole && !isBlank(r.raw[e:to]) {
		whole, mixed = false, r.rawAt(at)
	}
	if mixed >= 0 {
		r.mixed(mixed)
	} else if !r.unsure {
		r.checkLiteral(e, to)
	}
	r.addText(from, to, whole)
}

// addText adds the text node raw[from:to].
func (r *reader) addText(from, to int, whole bool) {
	lo := r.textAt(from)
	n := &Node{Kind: Text, Text: r.text[lo:r.textAt(to)], Expr: whole, origin: origin{source: r.source, from: lo}}
	start := from
	if s := r.raw[from:to]; !isBlank(s) {
		start += len(s) - len(strings.TrimLeft(s, blanks))
	}
	n.Pos = r.place(start)
	r.add(n, from)
	r.at = to
}

// skip leaves an expression whose end is unknown: to the end tag of the element
// it stands in.
func (r *reader) skip(from int) {
	r.unsure = true
	to := r.index(from, "</"+r.open[len(r.open)-1].Name)
	if to < 0 {
		to = len(r.raw)
	}
	r.addText(from, to, false)
}

// next returns the next '<', or the end.
func (r *reader) next(from int) int {
	if k := r.index(from, "<"); k >= 0 {
		return k
	}
	return len(r.raw)
}

// mixedRun finds the end of a text that may hold expressions in its midst, as
// in "Hello @(Body.As<string>())". A '<' inside such code begins no tag. It
// also returns where the first expression stands, -1 when there is none.
func (r *reader) mixedRun(from int) (to, first int) {
	to, first = r.next(from), -1
	for {
		at, end, ok := r.guess(r.textAt(from), r.textAt(to), len(r.code))
		if !ok {
			return to, first
		}
		if first < 0 {
			first = r.rawAt(at)
		}
		if from = r.rawAt(end); from > to {
			to = r.next(from)
		}
	}
}

// guess looks for a complete expression that begins in code[lo:hi] and ends
// before limit. In the midst of a text "@(" may also be plain text, so failing
// is no error; how often it may fail is bounded, because it costs.
func (r *reader) guess(lo, hi, limit int) (at, end int, ok bool) {
	for r.guesses < maxGuesses {
		k := strings.IndexByte(r.code[lo:hi], '@')
		if k < 0 {
			return 0, 0, false
		}
		at, lo = lo+k, lo+k+1
		if !syntax.Begins(r.code[at:limit]) {
			continue
		}
		if end, err := syntax.End(r.code[:limit], at); end >= 0 && err == nil {
			return at, end, true
		}
		r.guesses++
	}
	return 0, 0, false
}

func (r *reader) mixed(at int) {
	r.report(diag.PolicyMixedValue, at, "Literal text and an expression stand side by side; nothing here is evaluated.").
		WithHint(`make the whole value one expression, for example @("Bearer " + token)`)
}

// expressionError reports a lexical error of an expression, if any.
func (r *reader) expressionError(err error, place func(int) int) {
	var e *syntax.Error
	if !errors.As(err, &e) || r.stopped {
		return
	}
	f := r.report(diag.PolicyExpressionSyntax, place(e.Offset), "%s", e.Msg)
	if e.Open >= 0 {
		pos := r.pos(place(e.Open))
		f.Hint = fmt.Sprintf("the bracket that it closes opens at %d:%d", pos.Line, pos.Col)
	}
}

func offset(err error) int {
	var e *syntax.Error
	if errors.As(err, &e) {
		return e.Offset
	}
	return 0
}

// inspectAll judges the values of a well-formed document of format xml.
func (r *reader) inspectAll(n *Node) {
	if r.stopped {
		return
	}
	r.tag = n.Name
	for i := range n.Attrs {
		a := &n.Attrs[i]
		lo := a.origin.from
		a.Expression = r.inspect(r.code[lo:lo+len(a.Value)], a.origin)
	}
	for _, c := range n.Children {
		switch {
		case c.Kind == Element:
			r.inspectAll(c)
			r.tag = n.Name
		case c.Kind == Text && c.CDATA:
			c.Expr = r.inspect(mask(c.Text), c.origin)
		case c.Kind == Text:
			lo := c.origin.from
			c.Expr = r.inspect(r.code[lo:lo+len(c.Text)], c.origin)
		}
	}
}

// inspect judges a value whose extent is known: whether it is one expression.
func (r *reader) inspect(code string, o origin) bool {
	trimmed := strings.TrimRight(code, blanks)
	at := len(trimmed) - len(strings.TrimLeft(trimmed, blanks))
	if syntax.Begins(trimmed[at:]) {
		end, err := syntax.End(trimmed, at)
		r.expressionError(err, o.rawOffset)
		if end >= 0 && end < len(trimmed) {
			r.mixed(o.rawOffset(at))
		}
		return end == len(trimmed)
	}
	g := reader{source: &source{code: trimmed}, guesses: r.guesses}
	if k, _, ok := g.guess(at, len(trimmed), len(trimmed)); ok {
		r.mixed(o.rawOffset(k))
	}
	r.guesses = g.guesses
	return false
}
