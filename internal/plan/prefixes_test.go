package plan

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
)

// forgetIndex takes the indices off a tree, so that every pattern is tried.
func forgetIndex(n *opNode) {
	n.prefixes = nil
	for _, c := range n.literals {
		forgetIndex(c)
	}
	for _, e := range n.patterns {
		forgetIndex(e.node)
	}
}

func countIndices(n *opNode) int {
	sum := 0
	if n.prefixes != nil {
		sum = 1
	}
	for _, c := range n.literals {
		sum += countIndices(c)
	}
	for _, e := range n.patterns {
		sum += countIndices(e.node)
	}
	return sum
}

// An index only makes a search shorter: whatever the patterns and the path, it
// finds what trying all patterns in turn finds.
func TestPrefixIndexFindsWhatASearchFinds(t *testing.T) {
	texts := []string{"a", "ab", "AB", "abc", "b(", "bc(", "x-", "ß", "K", "\u212a", "", "%41"}
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func() string { return texts[rnd.IntN(len(texts))] }
	indexed, found := 0, 0
	for range 300 {
		var tree opNode
		for i := range 4 + rnd.IntN(30) {
			text := fmt.Sprintf("/%s{p}%s", pick(), pick())
			if rnd.IntN(3) == 0 {
				text += "/" + pick() + "{q}"
			}
			tm, err := parseTemplate(text)
			if err != nil {
				t.Fatal(err)
			}
			tree.add(tm, &Operation{Model: &model.Operation{ID: fmt.Sprint(i), Method: "GET"}, template: tm})
		}
		tree.index()
		indexed += countIndices(&tree)
		var paths []string
		for range 60 {
			p := pick() + pick() + fmt.Sprint(rnd.IntN(20)) + pick()
			if rnd.IntN(2) == 0 {
				p += "/" + pick() + "7"
			}
			paths = append(paths, p)
		}
		search := func() (all []string) {
			for _, p := range paths {
				m := matcher{method: "GET", params: []exchange.Param{}}
				op := m.find(&tree, p)
				text := "nothing"
				if op != nil {
					text = fmt.Sprint(op.Model.ID, m.params)
					found++
				}
				all = append(all, text)
			}
			return all
		}
		with := search()
		forgetIndex(&tree)
		for i, without := range search() {
			if with[i] != without {
				t.Fatalf("%q: %s with the index, %s without", paths[i], with[i], without)
			}
		}
	}
	if indexed < 100 || found < 1000 {
		t.Errorf("%d indices, %d paths found: the test looks at nothing", indexed, found)
	}
}
