package main

import (
	"bufio"
	"io"
)

// framing follows a chunked body only to find its end.
type framing struct {
	skip  int // bytes of the head, passed over
	state int
	left  int
	blank bool
}

// States of framing.
const (
	inSize = iota
	inExtension
	inData
	inTrailer
)

// advance looks at p and returns how much of it belongs to the body, and
// whether the body ends there.
func (f *framing) advance(p []byte) (n int, end bool) {
	n = min(f.skip, len(p))
	f.skip -= n
	for n < len(p) && !end {
		if f.state == inData {
			k := min(f.left, len(p)-n)
			n += k
			if f.left -= k; f.left == 0 {
				f.state = inSize
			}
			continue
		}
		x := p[n]
		n++
		switch {
		case x == '\n':
			end = f.lineEnd()
		case f.state == inTrailer && x != '\r':
			f.blank = false
		case f.state == inSize:
			f.digit(x)
		}
	}
	return n, end
}

func (f *framing) digit(x byte) {
	switch {
	case x >= '0' && x <= '9':
		f.left = f.left<<4 | int(x-'0')
	case x >= 'a' && x <= 'f':
		f.left = f.left<<4 | int(x-'a'+10)
	case x >= 'A' && x <= 'F':
		f.left = f.left<<4 | int(x-'A'+10)
	default:
		f.state = inExtension
	}
}

// lineEnd reports whether the line ended the body.
func (f *framing) lineEnd() bool {
	if f.state == inTrailer {
		end := f.blank
		f.blank = true
		return end
	}
	if f.left == 0 {
		f.state, f.blank = inTrailer, true
		return false
	}
	f.state = inData
	f.left += 2 // the line end after the data
	return false
}

// relayChunked forwards the head and a chunked body byte for byte.
func relayChunked(dst io.Writer, r *bufio.Reader, head int) error {
	f := framing{skip: head}
	for {
		if r.Buffered() == 0 {
			if _, err := r.Peek(1); err != nil {
				return err
			}
		}
		p, _ := r.Peek(r.Buffered())
		n, end := f.advance(p)
		if _, err := dst.Write(p[:n]); err != nil {
			return err
		}
		if _, err := r.Discard(n); err != nil || end {
			return err
		}
	}
}
