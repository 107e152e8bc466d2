package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync"
)

// upstreamConn is a kept connection to the backend.
type upstreamConn struct {
	net.Conn
	r   *bufio.Reader
	buf []byte // head being built
}

// upstreamPool keeps idle connections, the last one used first.
type upstreamPool struct {
	addr string
	mu   sync.Mutex
	idle []*upstreamConn
}

func (p *upstreamPool) get() (*upstreamConn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return nil, err
	}
	return &upstreamConn{Conn: c, r: bufio.NewReaderSize(c, 4096), buf: make([]byte, 0, 2048)}, nil
}

func (p *upstreamPool) put(c *upstreamConn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

// readHead returns the bytes up to and with the blank line, still unread.
func readHead(r *bufio.Reader) ([]byte, error) {
	for need := 1; need <= r.Size(); {
		if _, err := r.Peek(need); err != nil {
			return nil, err
		}
		b, _ := r.Peek(r.Buffered())
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return b[:i+4], nil
		}
		need = len(b) + 1
	}
	return nil, errors.New("head too large")
}

// scan walks the header lines of head, after its first line.
func scan(head []byte, f func(name, value, line []byte)) {
	h := head[bytes.IndexByte(head, '\n')+1:]
	for len(h) > 2 {
		e := bytes.IndexByte(h, '\n')
		if k := bytes.IndexByte(h[:e], ':'); k > 0 {
			f(h[:k], bytes.TrimSpace(h[k+1:e]), h[:e+1])
		}
		h = h[e+1:]
	}
}

func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, x := range b {
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x != lower[i] {
			return false
		}
	}
	return true
}
