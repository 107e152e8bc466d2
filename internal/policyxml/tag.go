package policyxml

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
)

// startTag reads a start tag from its name on.
func (r *reader) startTag() {
	start := r.at - 1
	n := &Node{Kind: Element, Pos: r.place(start), origin: origin{source: r.source}}
	n.Name = r.name()
	switch {
	case len(r.open) == 0 && r.root != nil:
		r.stop(diag.PolicyXML, start, "There are multiple root elements: <%s> after <%s>.", n.Name, r.root.Name).
			WithHint("a document has one root element, for example <policies> around the sections")
		return
	case len(r.open) == maxDepth:
		r.stop(diag.PolicyTooComplex, start, "Elements are nested more than %d deep.", maxDepth)
		return
	case !r.add(n, start):
		return
	case r.root == nil:
		r.root = n
	}
	r.tag = n.Name
	empty := r.attributes(n, start)
	r.tag = ""
	n.inner = r.at
	if !empty {
		r.open = append(r.open, n)
	}
}

// attributes reads up to the end of the start tag; true for "/>".
func (r *reader) attributes(n *Node, start int) (empty bool) {
	for !r.stopped {
		gap := r.space()
		switch c := r.peek(); {
		case c == 0:
			r.stop(diag.PolicyTag, start, "The tag <%s is not closed; '>' expected.", n.Name)
		case c == '>':
			r.at++
			return false
		case strings.HasPrefix(r.raw[r.at:], "/>"):
			r.at += 2
			return true
		case c == '<':
			r.report(diag.PolicyTag, r.at, "'<' is an unexpected token. '>' expected at the end of <%s.", n.Name)
			r.unsure = true
			return false
		case !isNameStart(r.peekRune()):
			r.report(diag.PolicyAttributeSyntax, r.at, "'%c' is an unexpected token. An attribute name, '/>' or '>' expected.", r.peekRune())
			return r.resync()
		case !gap:
			f := r.report(diag.PolicyAttributeSyntax, r.at, "'%c' is an unexpected token. Expecting white space.", r.peekRune())
			if len(n.Attrs) > 0 {
				f.WithHint("the value of '%s' ended just before; write a quote inside a value as &quot;", n.Attrs[len(n.Attrs)-1].Name)
			}
			return r.resync()
		}
		if len(n.Attrs) == maxAttrs {
			r.stop(diag.PolicyTooComplex, r.at, "The element '%s' has more than %d attributes.", n.Name, maxAttrs)
			return true
		}
		if !r.attribute(n) {
			return r.resync()
		}
	}
	return true
}

// resync looks for the likely end of a broken tag. The '>' of a generic type,
// a lambda or a comparison has code behind it; that of a tag, a line end or
// another tag.
func (r *reader) resync() (empty bool) {
	r.unsure = true
	for k := r.at; ; k++ {
		if k = r.index(k, ">"); k < 0 {
			r.at = len(r.raw)
			return true
		}
		rest := strings.TrimLeft(r.raw[k+1:], " \t")
		if rest == "" || strings.IndexByte("<\r\n", rest[0]) >= 0 {
			r.at = k + 1
			return k > 0 && r.raw[k-1] == '/'
		}
	}
}

// attribute reads name="value"; false when its end is unknown.
func (r *reader) attribute(n *Node) bool {
	start := r.at
	a := Attr{Pos: r.place(start)}
	a.Name = r.name()
	r.space()
	if r.peek() != '=' {
		r.report(diag.PolicyAttributeSyntax, start, "The attribute '%s' has no value; '=' expected.", a.Name)
		return false
	}
	r.at++
	r.space()
	q := r.peek()
	if q != '"' && q != '\'' {
		r.report(diag.PolicyAttributeSyntax, r.at, "The value of the attribute '%s' must stand in quotes.", a.Name)
		return false
	}
	r.at++
	a.ValuePos = r.place(r.at)
	if !r.value(&a, q) {
		return false
	}
	if n.Attr(a.Name) != nil {
		r.report(diag.PolicyAttributeTwice, start, "'%s' is a duplicate attribute name.", a.Name)
		return true
	}
	n.Attrs = append(n.Attrs, a)
	return true
}

func (r *reader) endTag() {
	start := r.at
	r.at += 2
	name := r.name()
	r.space()
	switch {
	case name == "":
		r.report(diag.PolicyTag, start, "'</' is not followed by a name.").WithHint("write &lt; for the character '<' itself")
		return
	case r.peek() == '>':
		r.at++
	default:
		r.report(diag.PolicyTag, r.at, "The end tag of '%s' is malformed; '>' expected.", name)
		r.unsure = true
	}
	k := len(r.open) - 1
	for k >= 0 && r.open[k].Name != name {
		k--
	}
	if k != len(r.open)-1 || k < 0 {
		k = r.mismatch(name, start, k)
	}
	for k >= 0 && len(r.open) > k {
		r.pop(start)
	}
}

// mismatch reports an end tag that does not close the innermost element, and
// returns the index of the element to close, -1 for none. k is the element of
// that name.
func (r *reader) mismatch(name string, start, k int) int {
	top := len(r.open) - 1
	if top < 0 {
		if !r.unsure {
			r.report(diag.PolicyTag, start, "The end tag </%s> closes no element.", name)
		}
		return -1
	}
	n := r.open[top]
	if !r.unsure {
		r.report(diag.PolicyTag, start, "The '%s' start tag on line %d position %d does not match the end tag of '%s'.", n.Name, n.Pos.Line, n.Pos.Col, name).
			WithHint("close <%s> first, or correct the name", n.Name)
	}
	if k < 0 && diag.Suggest(name, []string{n.Name}) != "" {
		return top // a slip of the keys: meant is the innermost element
	}
	return k
}

// pop closes the innermost element, whose content ends at raw offset end.
func (r *reader) pop(end int) {
	n := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	n.Inner = r.raw[n.inner:max(n.inner, end)]
	if n.hasElements() {
		n.Children = slices.DeleteFunc(n.Children, func(c *Node) bool { return c.Kind == Text && !c.CDATA && isBlank(c.Text) })
	}
}
