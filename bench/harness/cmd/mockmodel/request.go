//go:build linux

package main

import (
	"bytes"
	"strconv"
	"strings"
)

// request is one parsed request; its slices belong to the read buffer.
type request struct {
	target, body []byte
	key          []byte // of api-key, else of a Bearer token
	chunked      bool
	length       int
	close        bool
	expect       bool
}

// maxHead bounds a request head.
const maxHead = 64 << 10

// parse reads one request at the start of d. used is what it took; 0 means that
// more bytes are needed, and wants100 that the client waits to be told to send
// the body. ok is false for bytes that are no request.
func parse(d []byte) (r request, used int, wants100, ok bool) {
	end := bytes.Index(d, []byte("\r\n\r\n"))
	if end < 0 {
		return r, 0, false, len(d) < maxHead
	}
	if !r.head(d[:end+2]) {
		return r, 0, false, false
	}
	body := d[end+4:]
	n := r.length
	if r.chunked {
		n, r.body = dechunk(body)
		if n < 0 {
			return r, 0, false, false
		}
		if n == 0 {
			return r, 0, r.expect && len(body) == 0, true
		}
	} else {
		if len(body) < n {
			return r, 0, r.expect && len(body) == 0, true
		}
		r.body = body[:n]
	}
	return r, end + 4 + n, false, true
}

// head reads the request line and the headers that matter here.
func (r *request) head(h []byte) bool {
	nl := bytes.IndexByte(h, '\r')
	line := h[:nl]
	sp := bytes.IndexByte(line, ' ')
	if sp < 0 {
		return false
	}
	r.target = line[sp+1:]
	if i := bytes.IndexByte(r.target, ' '); i > 0 {
		r.target = r.target[:i]
	}
	for h = h[nl+2:]; len(h) > 0; {
		e := bytes.IndexByte(h, '\r')
		if e < 0 {
			break
		}
		field := h[:e]
		h = h[min(e+2, len(h)):]
		if k := bytes.IndexByte(field, ':'); k > 0 {
			r.field(field[:k], bytes.TrimSpace(field[k+1:]))
		}
	}
	return r.length >= 0
}

// field looks at one header; the length of the name decides most of them.
func (r *request) field(name, value []byte) {
	switch len(name) {
	case 6:
		r.expect = r.expect || fold(name, "expect")
	case 7:
		if fold(name, "api-key") {
			r.key = value
		}
	case 10:
		if fold(name, "connection") {
			r.close = fold(value, "close")
		}
	case 13:
		if r.key == nil && fold(name, "authorization") {
			r.key = bytes.TrimPrefix(value, []byte("Bearer "))
		}
	case 14:
		if fold(name, "content-length") {
			n, err := strconv.Atoi(string(value))
			if err != nil {
				n = -1
			}
			r.length = n
		}
	case 17:
		if fold(name, "transfer-encoding") {
			r.chunked = bytes.Contains(value, []byte("chunked"))
		}
	}
}

// streams reports whether the body asks for a stream.
func (r *request) streams() bool {
	i := bytes.Index(r.body, []byte(`"stream"`))
	return i >= 0 && bytes.HasPrefix(bytes.TrimLeft(r.body[i+8:], ": \t\r\n"), []byte("true"))
}

func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, x := range b {
		if x >= 'A' && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x != lower[i] {
			return false
		}
	}
	return true
}

// dechunk decodes a whole chunked body without trailers. n is the bytes it
// took: 0 incomplete, -1 not chunked at all.
func dechunk(d []byte) (n int, body []byte) {
	start := len(d)
	for {
		i := bytes.IndexByte(d, '\n')
		if i < 0 {
			return 0, nil
		}
		s, _, _ := strings.Cut(strings.TrimSpace(string(d[:i])), ";")
		size, err := strconv.ParseUint(s, 16, 31)
		if err != nil {
			return -1, nil
		}
		d = d[i+1:]
		if len(d) < int(size)+2 {
			return 0, nil
		}
		if size == 0 {
			return start - len(d) + 2, body
		}
		body = append(body, d[:size]...)
		d = d[size+2:]
	}
}
