package plan

import (
	"slices"
	"strings"

	"sallyport/internal/exchange"
)

// opNode is a node of the operation tree of one API. Literal children are in
// a map by lower-case text, patterns in a list ordered by precedence.
type opNode struct {
	literals map[string]*opNode
	patterns []opEdge
	known    map[string]*opNode // patterns by their text, while the tree grows
	prefixes *prefixIndex       // of patterns, once there are many
	ops      []*Operation       // end here
	wild     []*Operation       // "/*" from here
}

type opEdge struct {
	seg  segment
	node *opNode
}

func (n *opNode) add(t template, op *Operation) {
	for _, sg := range t.segments {
		n = n.child(sg)
	}
	if t.wildcard {
		n.wild = insertOp(n.wild, op)
	} else {
		n.ops = insertOp(n.ops, op)
	}
}

func (n *opNode) child(sg segment) *opNode {
	if sg.parts == nil {
		key := strings.ToLower(sg.literal)
		if c := n.literals[key]; c != nil {
			return c
		}
		if n.literals == nil {
			n.literals = map[string]*opNode{}
		}
		c := &opNode{}
		n.literals[key] = c
		return c
	}
	key := sg.key()
	if c := n.known[key]; c != nil {
		return c
	}
	if n.known == nil {
		n.known = map[string]*opNode{}
	}
	e := opEdge{sg, &opNode{}}
	n.known[key] = e.node
	i := len(n.patterns)
	for i > 0 && n.patterns[i-1].seg.rank() > e.seg.rank() {
		i--
	}
	n.patterns = slices.Insert(n.patterns, i, e)
	return e.node
}

// insertOp keeps operations ordered: more required query parameters first,
// then creation order (gateway precedence rules 2 and 3).
func insertOp(ops []*Operation, op *Operation) []*Operation {
	i := len(ops)
	for i > 0 && len(ops[i-1].query) < len(op.query) {
		i--
	}
	return slices.Insert(ops, i, op)
}

// matcher is one search. It lives on the caller's stack.
type matcher struct {
	method, query string
	params        []exchange.Param
}

// find searches below n for the raw remainder of a path. Literals are tried
// before patterns and patterns before wildcards; a branch whose methods or
// query parameters do not fit is left again.
func (m *matcher) find(n *opNode, rest string) *Operation {
	rest = strings.TrimPrefix(rest, "/")
	if rest == "" {
		if op := m.pick(n.ops); op != nil {
			return op
		}
		return m.wildcard(n, rest)
	}
	seg, tail, _ := strings.Cut(rest, "/")
	if c := n.literal(seg); c != nil {
		if op := m.find(c, tail); op != nil {
			return op
		}
	}
	if op := m.findPattern(n, seg, tail); op != nil {
		return op
	}
	return m.wildcard(n, rest)
}

// findPattern tries the patterns that seg may fit, in order of precedence.
func (m *matcher) findPattern(n *opNode, seg, tail string) *Operation {
	var few [maxCandidates]int32
	if at, ok := n.prefixes.candidates(seg, few[:0]); ok {
		for _, i := range at {
			if op := m.tryPattern(&n.patterns[i], seg, tail); op != nil {
				return op
			}
		}
		return nil
	}
	for i := range n.patterns {
		if op := m.tryPattern(&n.patterns[i], seg, tail); op != nil {
			return op
		}
	}
	return nil
}

func (m *matcher) tryPattern(e *opEdge, seg, tail string) *Operation {
	mark := len(m.params)
	var ok bool
	if m.params, ok = e.seg.match(seg, m.params); ok {
		if op := m.find(e.node, tail); op != nil {
			return op
		}
	}
	m.params = m.params[:mark]
	return nil
}

func (m *matcher) wildcard(n *opNode, rest string) *Operation {
	op := m.pick(n.wild)
	if op != nil {
		m.params = append(m.params, exchange.Param{Name: "*", Value: rest})
	}
	return op
}

func (n *opNode) literal(raw string) *opNode {
	if len(n.literals) == 0 {
		return nil
	}
	var buf [64]byte
	if key, ok := lowerASCII(buf[:0], raw); ok {
		return n.literals[string(key)] // no allocation: map look-up by converted bytes
	}
	return n.literals[strings.ToLower(unescape(raw))]
}

// lowerASCII lowers s into b; ok is false when s is long, escaped or not ASCII.
func lowerASCII(b []byte, s string) ([]byte, bool) {
	if len(s) > cap(b) {
		return nil, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' || c >= 0x80 {
			return nil, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b, true
}

func (m *matcher) pick(ops []*Operation) *Operation {
	mark := len(m.params)
	for _, op := range ops {
		if op.Model.Method == m.method && m.queryFits(op) {
			return op
		}
		m.params = m.params[:mark]
	}
	return nil
}

func (m *matcher) queryFits(op *Operation) bool {
	for i := range op.query {
		q := &op.query[i]
		raw, ok := rawQuery(m.query, q.name)
		if !ok {
			return false
		}
		if q.param == "" {
			if !strings.EqualFold(unescape(raw), q.value) {
				return false
			}
			continue
		}
		m.params = append(m.params, exchange.Param{Name: q.param, Value: raw})
	}
	return true
}

// rawQuery returns the still encoded value of a query parameter.
func rawQuery(query, name string) (string, bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		k, v, _ := strings.Cut(pair, "=")
		if strings.EqualFold(unescape(k), name) {
			return v, true
		}
	}
	return "", false
}
