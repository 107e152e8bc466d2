//go:build linux

package main

import (
	"bytes"
	"strconv"
)

// answer reads one HTTP/1.1 response, however its bytes are split.
type answer struct {
	state  int
	acc    []byte // head or size line that is not complete
	left   int    // of the body or the chunk
	got    int    // content bytes so far
	status int
	closes bool
}

// States of an answer.
const (
	inHead = iota
	inBody
	inSize
	inChunk
	inChunkEnd
	inTrailer
	inRest // until the connection closes
)

// answerState is what take says about the answer after some bytes.
type answerState int

const (
	answerMore answerState = iota
	answerDone
	answerBad
)

func (a *answer) reset() { *a = answer{acc: a.acc[:0]} }

// untilClose reports whether the end of the connection ends the answer.
func (a *answer) untilClose() bool { return a.state == inRest }

// take consumes the start of d. It returns content found, if any, what is left
// of d, and whether the answer has ended.
func (a *answer) take(d []byte) (content, rest []byte, state answerState) {
	switch a.state {
	case inHead:
		return a.takeHead(d)
	case inBody:
		content, rest = a.cut(d)
		a.got += len(content)
		if a.left == 0 {
			return content, rest, answerDone
		}
	case inChunk:
		content, rest = a.cut(d)
		a.got += len(content)
		if a.left == 0 {
			a.state, a.left = inChunkEnd, 2
		}
	case inChunkEnd:
		_, rest = a.cut(d)
		if a.left == 0 {
			a.state = inSize
		}
		return nil, rest, answerMore
	case inSize, inTrailer:
		return a.takeLine(d)
	case inRest:
		a.got += len(d)
		return d, nil, answerMore
	}
	return content, rest, answerMore
}

// cut takes at most what is left of the piece.
func (a *answer) cut(d []byte) (piece, rest []byte) {
	n := min(a.left, len(d))
	a.left -= n
	return d[:n], d[n:]
}

func (a *answer) takeHead(d []byte) (content, rest []byte, state answerState) {
	head := d
	old := len(a.acc)
	if old > 0 {
		a.acc = append(a.acc, d...)
		head = a.acc
	}
	i := bytes.Index(head, []byte("\r\n\r\n"))
	if i < 0 {
		if old == 0 {
			a.acc = append(a.acc, d...)
		}
		return nil, nil, answerMore
	}
	rest = d[i+4-old:]
	ok := a.head(head[:i+2])
	a.acc = a.acc[:0]
	switch {
	case !ok:
		return nil, nil, answerBad
	case a.state == inBody && a.left == 0:
		return nil, rest, answerDone
	}
	return nil, rest, answerMore
}

// head reads the status line and the headers that frame the body.
func (a *answer) head(h []byte) bool {
	if len(h) < 12 || !bytes.HasPrefix(h, []byte("HTTP/1.")) {
		return false
	}
	a.status, _ = strconv.Atoi(string(h[9:12]))
	a.closes = h[7] == '0'
	length, chunked := -1, false
	for line := range bytes.Lines(h[bytes.IndexByte(h, '\n')+1:]) {
		k := bytes.IndexByte(line, ':')
		if k < 0 {
			continue
		}
		name, v := line[:k], bytes.TrimSpace(line[k+1:])
		switch k {
		case 10:
			if bytes.EqualFold(name, []byte("connection")) {
				a.closes = bytes.EqualFold(v, []byte("close"))
			}
		case 14:
			if bytes.EqualFold(name, []byte("content-length")) {
				length, _ = strconv.Atoi(string(v))
			}
		case 17:
			if bytes.EqualFold(name, []byte("transfer-encoding")) {
				chunked = bytes.Contains(v, []byte("chunked"))
			}
		}
	}
	switch {
	case a.status == 100:
		a.state = inHead
	case chunked:
		a.state = inSize
	case length >= 0:
		a.state, a.left = inBody, length
	default:
		a.state, a.closes = inRest, true
	}
	return true
}

// takeLine reads a chunk size, or a line of the trailer.
func (a *answer) takeLine(d []byte) (content, rest []byte, state answerState) {
	i := bytes.IndexByte(d, '\n')
	if i < 0 {
		a.acc = append(a.acc, d...)
		return nil, nil, answerMore
	}
	line := d[:i]
	if len(a.acc) > 0 {
		a.acc = append(a.acc, line...)
		line = a.acc
	}
	line = bytes.TrimRight(line, "\r")
	rest = d[i+1:]
	a.acc = a.acc[:0]
	if a.state == inTrailer {
		if len(line) == 0 {
			return nil, rest, answerDone
		}
		return nil, rest, answerMore
	}
	size, ok := hex(line)
	switch {
	case !ok:
		return nil, nil, answerBad
	case size == 0:
		a.state = inTrailer
	default:
		a.left, a.state = size, inChunk
	}
	return nil, rest, answerMore
}

// hex reads a chunk size; extensions behind ';' do not count.
func hex(line []byte) (n int, ok bool) {
	for _, x := range line {
		switch {
		case x >= '0' && x <= '9':
			n = n<<4 | int(x-'0')
		case x >= 'a' && x <= 'f':
			n = n<<4 | int(x-'a'+10)
		case x >= 'A' && x <= 'F':
			n = n<<4 | int(x-'A'+10)
		default:
			return n, ok && (x == ';' || x == ' ')
		}
		ok = true
	}
	return n, ok
}
