//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tally counts what the actors saw.
type tally struct {
	mu  sync.Mutex
	all map[string]*score
}

type score struct {
	fine  int
	wrong map[string]int // by what was seen
}

func newTally() *tally { return &tally{all: map[string]*score{}} }

// count adds one outcome of an actor; an error is what should not have been.
func (t *tally) count(actor string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[actor]
	if s == nil {
		s = &score{wrong: map[string]int{}}
		t.all[actor] = s
	}
	if err == nil {
		s.fine++
		return
	}
	text := err.Error()
	if len(s.wrong) >= 10 && s.wrong[text] == 0 {
		text = "others"
	}
	s.wrong[text]++
}

// judge prints the tally and returns what went wrong. An actor that never got
// through is wrong too: then nothing was tested.
func (t *tally) judge(out io.Writer) (trouble []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprint(out, "\n| load | as expected | not as expected |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(t.all)) {
		s := t.all[name]
		var kinds []string
		for _, k := range slices.Sorted(maps.Keys(s.wrong)) {
			kinds = append(kinds, fmt.Sprintf("%d × %s", s.wrong[k], k))
			trouble = append(trouble, fmt.Sprintf("%s: %d × %s", name, s.wrong[k], k))
		}
		if s.fine == 0 {
			trouble = append(trouble, name+": never as expected")
		}
		fmt.Fprintf(out, "| %s | %d | %s |\n", name, s.fine, strings.Join(kinds, "; "))
	}
	fmt.Fprintln(out)
	return trouble
}
