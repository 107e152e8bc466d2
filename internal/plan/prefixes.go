package plan

import "slices"

// prefixIndex finds the patterns of a node that a path segment may fit, by the
// text they begin with. An OData service has one pattern for every entity set
// ("accounts({id})", "contacts({id})", …): asking them in turn would make a
// match slower with every operation.
type prefixIndex struct {
	byText  map[string][]int32 // lower-case text, to positions in patterns
	lengths []int              // of these texts, ascending
	always  []int32            // patterns that begin with a parameter, or whose text folds in other ways than ASCII
}

// indexFrom is the number of patterns from which an index pays.
const indexFrom = 8

// maxCandidates is how many patterns a look-up collects at most; a segment that
// fits more of them is compared with all.
const maxCandidates = 16

// index prepares n and what is below it for look-ups; the tree is complete.
func (n *opNode) index() {
	n.known = nil
	for _, c := range n.literals {
		c.index()
	}
	for i := range n.patterns {
		n.patterns[i].node.index()
	}
	if len(n.patterns) < indexFrom {
		return
	}
	x := &prefixIndex{byText: make(map[string][]int32, len(n.patterns))}
	for i, e := range n.patterns {
		text := e.seg.parts[0].literal
		var buf [64]byte
		key, ok := lowerASCII(buf[:0], text)
		if text == "" || !ok {
			x.always = append(x.always, int32(i))
			continue
		}
		x.byText[string(key)] = append(x.byText[string(key)], int32(i))
		if j, found := slices.BinarySearch(x.lengths, len(key)); !found {
			x.lengths = slices.Insert(x.lengths, j, len(key))
		}
	}
	n.prefixes = x
}

// candidates appends the positions of the patterns that raw may fit, in their
// order. It reports false when all of them have to be tried.
func (x *prefixIndex) candidates(raw string, at []int32) ([]int32, bool) {
	if x == nil || len(x.always) > cap(at) {
		return nil, false
	}
	var buf [64]byte
	key, ok := lowerASCII(buf[:0], raw)
	if !ok {
		return nil, false
	}
	at = append(at, x.always...)
	for _, n := range x.lengths {
		if n > len(key) {
			break
		}
		found := x.byText[string(key[:n])]
		if len(at)+len(found) > cap(at) {
			return nil, false
		}
		at = append(at, found...)
	}
	slices.Sort(at)
	return at, true
}
