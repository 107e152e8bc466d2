package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
)

// raw serves one connection with a loop of its own.
func (p *proxy) raw(c net.Conn) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReaderSize(c, 4096)
	for {
		head, err := readHead(r)
		if err != nil {
			return
		}
		if p.rawOne(c, r, head) != nil {
			return
		}
	}
}

var errDenied = errors.New("denied, or a body of unknown length")

// rawOne forwards one request and its answer.
func (p *proxy) rawOne(c net.Conn, r *bufio.Reader, head []byte) error {
	u, err := p.pool.get()
	if err != nil {
		return err
	}
	if err = p.rawSend(c, u, r, head); err == nil {
		err = p.rawReply(c, u)
	}
	if err != nil {
		_ = u.Close()
		if errors.Is(err, errDenied) {
			_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
		}
		return err
	}
	p.pool.put(u)
	return nil
}

// rawSend checks the key and sends the request; only sized bodies are taken.
func (p *proxy) rawSend(c net.Conn, u *upstreamConn, r *bufio.Reader, head []byte) error {
	b := u.buf[:0]
	defer func() { u.buf = b[:0] }()
	b = append(b, head[:bytes.IndexByte(head, '\n')+1]...)
	b = append(b, "Host: "...)
	b = append(b, p.upstream...)
	b = append(b, "\r\napi-key: "...)
	b = append(b, p.backendKey...)
	b = append(b, "\r\n"...)
	length, allowed, chunked := 0, false, false
	scan(head, func(k, v, line []byte) {
		switch {
		case is(k, "host"), is(k, "connection"):
			return
		case is(k, "api-key"):
			_, allowed = p.keys[string(v)]
			return
		case is(k, "content-length"):
			length, _ = strconv.Atoi(string(v))
		case is(k, "transfer-encoding"):
			chunked = true
		}
		b = append(b, line...)
	})
	if !allowed || chunked {
		return errDenied
	}
	b = append(b, "\r\n"...)
	_, _ = r.Discard(len(head)) // all of it is buffered
	n := min(length, r.Buffered())
	body, _ := r.Peek(n)
	b = append(b, body...)
	_, _ = r.Discard(n)
	if _, err := u.Write(b); err != nil {
		return err
	}
	return p.pump(u, c, length-n)
}

// rawReply relays the answer byte for byte.
func (p *proxy) rawReply(c net.Conn, u *upstreamConn) error {
	h, err := readHead(u.r)
	if err != nil {
		return err
	}
	length, chunked := -1, false
	scan(h, func(k, v, _ []byte) {
		switch {
		case is(k, "content-length"):
			length, _ = strconv.Atoi(string(v))
		case is(k, "transfer-encoding"):
			chunked = true
		}
	})
	if chunked {
		return relayChunked(c, u.r, len(h))
	}
	if length < 0 {
		return errors.New("an answer of unknown length")
	}
	total := len(h) + length
	n := min(total, u.r.Buffered())
	b, _ := u.r.Peek(n)
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, _ = u.r.Discard(n)
	return p.pump(c, u.Conn, total-n)
}

// pump copies n bytes.
func (p *proxy) pump(dst io.Writer, src io.Reader, n int) error {
	buf := p.copies.Get().(*[]byte)
	defer p.copies.Put(buf)
	for n > 0 {
		k, err := src.Read((*buf)[:min(n, len(*buf))])
		if k > 0 {
			if _, err := dst.Write((*buf)[:k]); err != nil {
				return err
			}
			n -= k
		}
		if err != nil {
			return err
		}
	}
	return nil
}
