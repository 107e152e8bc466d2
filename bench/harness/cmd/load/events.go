//go:build linux

package main

import "bytes"

// events follows the SSE events of one stream: tokens must come in order, each
// once, and [DONE] must come last.
type events struct {
	line     []byte // a line that is not complete
	next     int    // token that must come
	sawFirst bool
	sawDone  bool
	bad      bool
}

func (e *events) reset() { *e = events{line: e.line[:0]} }

// take looks at a piece of the stream and calls token for every one in it with
// the time the model sent it.
func (e *events) take(d []byte, token func(at int64, first bool)) {
	for len(d) > 0 {
		i := bytes.IndexByte(d, '\n')
		if i < 0 {
			e.line = append(e.line, d...)
			return
		}
		l := d[:i]
		d = d[i+1:]
		if len(e.line) > 0 {
			e.line = append(e.line, l...)
			l = e.line
		}
		if l, ok := bytes.CutPrefix(l, []byte("data:")); ok {
			e.data(l, token)
		}
		e.line = e.line[:0]
	}
}

func (e *events) data(l []byte, token func(at int64, first bool)) {
	_, mark, isToken := bytes.Cut(l, []byte("tok#"))
	switch {
	case isToken:
		index, at, ok := stamp(mark)
		if !ok || index != e.next || e.sawDone {
			e.bad = true
		}
		e.next = index + 1
		token(at, !e.sawFirst)
		e.sawFirst = true
	case bytes.Contains(l, []byte("[DONE]")):
		e.bad = e.bad || e.sawDone
		e.sawDone = true
	}
}

// stamp reads "<index>@<nanoseconds>".
func stamp(b []byte) (index int, at int64, ok bool) {
	for _, x := range b {
		switch {
		case x >= '0' && x <= '9' && !ok:
			index = index*10 + int(x-'0')
		case x >= '0' && x <= '9':
			at = at*10 + int64(x-'0')
		case x == '@' && !ok:
			ok = true
		default:
			return index, at, ok
		}
	}
	return index, at, ok
}

// Verdicts on a stream whose answer has ended.
type verdict int

const (
	whole verdict = iota
	cut
	corrupt
)

// verdict judges the stream; tokens is how many it must have carried, 0 when
// that is not known.
func (e *events) verdict(tokens int) verdict {
	all := tokens == 0 || e.next == tokens
	switch {
	case e.bad || e.sawDone && !all:
		return corrupt
	case !e.sawDone || !all:
		return cut
	}
	return whole
}
