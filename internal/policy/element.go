package policy

import (
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
)

// Value is what a document gives for an attribute or text. It is a literal
// until the language room is bound; steps always go through Eval, so that
// expressions need no change in them.
type Value struct {
	literal string
	pos     diag.Pos
	set     bool
	secret  bool // holds a secret named value
}

// Literal makes a value of s, for tests and defaults.
func Literal(s string) Value { return Value{literal: s, set: true} }

// IsSet reports whether the document gave the value (or the spec a default).
func (v Value) IsSet() bool { return v.set }

// IsSecret reports whether the text came (in part) from a secret named value.
func (v Value) IsSecret() bool { return v.secret }

// Pos is where the value stands.
func (v Value) Pos() diag.Pos { return v.pos }

// Constant returns the text of a value that needs no request to be known.
func (v Value) Constant() (string, bool) { return v.literal, v.set }

// Eval returns the value for a request.
func (v Value) Eval(*exchange.Exchange) (string, error) { return v.literal, nil }

// Element is a checked policy element: everything the spec demands holds.
type Element struct {
	Name     string
	ID       string // the optional id attribute, for LastError.PolicyId
	Pos      diag.Pos
	attrs    map[string]Value
	Text     Value
	Children []*Element
}

// Value returns an attribute's value; unset when absent without default.
func (e *Element) Value(attr string) Value { return e.attrs[attr] }

// Str returns an attribute that is a constant text.
func (e *Element) Str(attr string) string { return e.attrs[attr].literal }

// Bool returns a checked boolean attribute.
func (e *Element) Bool(attr string) bool { b, _ := ParseBool(e.attrs[attr].literal); return b }

// Int returns a checked integer attribute.
func (e *Element) Int(attr string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(e.attrs[attr].literal), 10, 64)
	return n
}

// All returns the children named name.
func (e *Element) All(name string) []*Element {
	var es []*Element
	for _, c := range e.Children {
		if c.Name == name {
			es = append(es, c)
		}
	}
	return es
}

// Child returns the first child named name, nil when there is none.
func (e *Element) Child(name string) *Element {
	for _, c := range e.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Texts returns the texts of the children named name.
func (e *Element) Texts(name string) []Value {
	var vs []Value
	for _, c := range e.All(name) {
		vs = append(vs, c.Text)
	}
	return vs
}

// ParseBool reads true/false as APIM does: without case.
func ParseBool(s string) (bool, bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}
