package policyxml

import (
	"strings"

	"sallyport/internal/diag"
)

// Kind of a node.
type Kind uint8

// Node kinds. Processing instructions are not kept, nor is what stands outside
// the root element.
const (
	Element Kind = iota
	Text
	Comment
)

// Node is an element, a piece of text or a comment. Blank text between child
// elements is not kept.
type Node struct {
	Kind     Kind
	Name     string // of an element, with its namespace prefix
	Attrs    []Attr
	Children []*Node
	Text     string   // of text (decoded) and comments
	Inner    string   // of an element: the source between its tags, as written
	Pos      diag.Pos // of '<'; of the first character of text that is not blank
	Expr     bool     // the text, trimmed, is exactly one expression
	CDATA    bool     // the text stood in a CDATA section

	origin origin
	inner  int // raw offset of Inner
}

// Attr is an attribute.
type Attr struct {
	Name       string
	Value      string // decoded; line breaks are kept inside expressions and blanks elsewhere (XML 1.0 §3.3.3)
	Pos        diag.Pos
	ValuePos   diag.Pos // just behind the opening quote
	Expression bool     // the value, trimmed, is exactly one expression

	origin origin
}

// origin leads from an offset into a decoded text back to the document.
type origin struct {
	*source
	from int // into source.text; for CDATA, which is not decoded, into source.raw
	raw  bool
}

func (o origin) rawOffset(off int) int {
	if !o.raw {
		return o.rawAt(min(o.from+max(0, off), len(o.text)))
	}
	at := o.from
	for ; off > 0 && at < len(o.source.raw); off-- {
		if strings.HasPrefix(o.source.raw[at:], "\r\n") {
			at++
		}
		at++
	}
	return at
}

func (o origin) at(off int) diag.Pos {
	if o.source == nil {
		return diag.Pos{}
	}
	return o.pos(o.rawOffset(off))
}

// At returns the position of the byte offset off of Value, for errors inside
// an expression.
func (a *Attr) At(off int) diag.Pos { return a.origin.at(off) }

// At returns the position of the byte offset off of Text; for an element, of
// what Content returns.
func (n *Node) At(off int) diag.Pos {
	if n.Kind != Element {
		return n.origin.at(off)
	}
	if n.origin.source == nil {
		return n.Pos
	}
	if n.hasElements() {
		return n.origin.pos(min(n.inner+max(0, off), len(n.origin.source.raw)))
	}
	for _, c := range n.Children {
		if c.Kind != Text {
			continue
		}
		if off < len(c.Text) {
			return c.At(off)
		}
		off -= len(c.Text)
	}
	return n.origin.pos(n.inner + len(n.Inner))
}

// Elements returns the child elements.
func (n *Node) Elements() []*Node {
	var es []*Node
	for _, c := range n.Children {
		if c.Kind == Element {
			es = append(es, c)
		}
	}
	return es
}

func (n *Node) hasElements() bool {
	for _, c := range n.Children {
		if c.Kind == Element {
			return true
		}
	}
	return false
}

// Child returns the first child element named name, nil when there is none.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Kind == Element && c.Name == name {
			return c
		}
	}
	return nil
}

// Attr returns the attribute named name, nil when there is none.
func (n *Node) Attr(name string) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}

// InnerText returns the text directly inside n, comments left out.
func (n *Node) InnerText() string {
	if n.Kind != Element {
		return n.Text
	}
	var parts []string
	for _, c := range n.Children {
		if c.Kind == Text {
			parts = append(parts, c.Text)
		}
	}
	return strings.Join(parts, "")
}

// Content returns what a text-valued element holds, and the position of its
// first character that is not blank: the decoded text, or the markup as written
// when there are child elements (a set-body may hold literal XML).
func (n *Node) Content() (string, diag.Pos) {
	s := n.InnerText()
	if n.hasElements() {
		s = n.Inner
	}
	return s, n.At(len(s) - len(strings.TrimLeft(s, blanks)))
}

// Expression reports whether the whole content of n is one expression.
func (n *Node) Expression() bool {
	found := n.Kind == Text && n.Expr
	for _, c := range n.Children {
		switch {
		case c.Kind == Element:
			return false
		case c.Kind == Text && !isBlank(c.Text):
			if found || !c.Expr {
				return false
			}
			found = true
		}
	}
	return found
}
