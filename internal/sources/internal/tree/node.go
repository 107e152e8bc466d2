// Package tree is a JSON-like value that remembers where each part was written,
// so that values merged from several files still give exact positions.
// It knows nothing of APIM, Databricks or the layout of their files.
// Start at Node; ParseJSON and ParseYAML make one, Reader takes typed values out.
package tree

import (
	"encoding/json"
	"slices"

	"sallyport/internal/diag"
)

// Kind of a Node.
type Kind uint8

// Kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Object
)

// String returns the word for k in messages.
func (k Kind) String() string {
	return [...]string{"null", "true or false", "a number", "a text", "a list", "an object"}[k]
}

// Node is a value with its position. It is not changed once it is shared.
type Node struct {
	Kind    Kind
	Text    string // characters of a String, literal of a Number, "true" or "false"
	Items   []*Node
	Members []Member
	Pos     diag.Pos
	// Filled marks text that came in part from outside the file ({#token#},
	// ${var.x}): it may stand for a number or a boolean, and is never shown.
	Filled bool
}

// Member of an Object.
type Member struct {
	Name  string
	Pos   diag.Pos
	Value *Node
}

// Get returns the member called name, or nil. A nil node has no members.
func (n *Node) Get(name string) *Node {
	if m := n.member(name); m != nil {
		return m.Value
	}
	return nil
}

func (n *Node) member(name string) *Member {
	if n == nil {
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Name == name {
			return &n.Members[i]
		}
	}
	return nil
}

// Names returns the member names in order.
func (n *Node) Names() []string {
	if n == nil {
		return nil
	}
	names := make([]string, len(n.Members))
	for i, m := range n.Members {
		names[i] = m.Name
	}
	return names
}

// IsNull reports whether n is absent or null.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Null }

// set replaces or appends a member.
func (n *Node) set(m Member) {
	if old := n.member(m.Name); old != nil {
		*old = m
		return
	}
	n.Members = append(n.Members, m)
}

// Merge lays over on top of base: objects merge member by member, everything
// else is replaced whole. Neither argument is changed.
func Merge(base, over *Node) *Node {
	if base == nil || over == nil || base.Kind != Object || over.Kind != Object {
		if over == nil {
			return base
		}
		return over
	}
	out := &Node{Kind: Object, Pos: base.Pos, Members: slices.Clone(base.Members)}
	for _, m := range over.Members {
		m.Value = Merge(out.Get(m.Name), m.Value)
		out.set(m)
	}
	return out
}

// Without returns n less the named members.
func (n *Node) Without(names ...string) *Node {
	if n == nil || n.Kind != Object {
		return n
	}
	out := *n
	out.Members = slices.DeleteFunc(slices.Clone(n.Members), func(m Member) bool { return slices.Contains(names, m.Name) })
	return &out
}

// JSON encodes n, members in the order they were written.
func (n *Node) JSON() json.RawMessage { return n.appendJSON(nil) }

func (n *Node) appendJSON(b []byte) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	switch n.Kind {
	case Bool, Number:
		return append(b, n.Text...)
	case String:
		return appendString(b, n.Text)
	case List:
		b = append(b, '[')
		for i, it := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = it.appendJSON(b)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, m := range n.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.Name), ':')
			b = m.Value.appendJSON(b)
		}
		return append(b, '}')
	default:
		return append(b, "null"...)
	}
}

func appendString(b []byte, s string) []byte {
	enc, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string has no JSON form: " + err.Error())
	}
	return append(b, enc...)
}
