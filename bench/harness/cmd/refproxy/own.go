package main

import (
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
)

// own answers on net/http's server and calls the backend with a client of its own.
func (p *proxy) own(w http.ResponseWriter, r *http.Request) {
	if !p.allowed(w, r) {
		return
	}
	u, err := p.pool.get()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	buf := p.copies.Get().(*[]byte)
	defer p.copies.Put(buf)
	err = p.ownSend(u, r, *buf)
	var a ownAnswer
	if err == nil {
		a, err = readOwnAnswer(u, w.Header())
	}
	if err != nil {
		_ = u.Close()
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(a.status)
	if err := a.relay(w, u, *buf); err != nil || a.length < 0 && !a.chunked {
		_ = u.Close()
		return
	}
	p.pool.put(u)
}

func hopByHop(k string) bool {
	switch k {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Api-Key", "Content-Length":
		return true
	}
	return false
}

// ownHead appends the head of the request to the backend.
func (p *proxy) ownHead(b []byte, r *http.Request) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.URL.RequestURI()...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, p.upstream...)
	b = append(b, "\r\nApi-Key: "...)
	b = append(b, p.backendKey...)
	b = append(b, "\r\n"...)
	for k, vs := range r.Header {
		if hopByHop(k) {
			continue
		}
		for _, v := range vs {
			b = append(b, k...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	if r.ContentLength < 0 {
		return append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, r.ContentLength, 10)
	return append(b, "\r\n\r\n"...)
}

// ownSend writes the request; a small body leaves in one write with the head.
func (p *proxy) ownSend(u *upstreamConn, r *http.Request, buf []byte) error {
	b := p.ownHead(u.buf[:0], r)
	defer func() { u.buf = b[:0] }()
	if n := int(r.ContentLength); n > 0 && n <= 8192 {
		at := len(b)
		b = slices.Grow(b, n)[:at+n]
		if _, err := io.ReadFull(r.Body, b[at:]); err != nil {
			return err
		}
		_, err := u.Write(b)
		return err
	}
	if _, err := u.Write(b); err != nil || r.ContentLength == 0 {
		return err
	}
	if r.ContentLength > 0 {
		_, err := io.CopyBuffer(onlyWriter{u.Conn}, r.Body, buf)
		return err
	}
	cw := httputil.NewChunkedWriter(u.Conn)
	if _, err := io.CopyBuffer(onlyWriter{cw}, r.Body, buf); err != nil {
		return err
	}
	if err := cw.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(u, "\r\n")
	return err
}

// onlyWriter hides ReadFrom, so that copying uses the buffer it is given.
type onlyWriter struct{ io.Writer }

// ownAnswer is the head of the backend's answer.
type ownAnswer struct {
	status, length int
	chunked, sse   bool
}

// readOwnAnswer reads the head and puts what a client may see into out.
func readOwnAnswer(u *upstreamConn, out http.Header) (ownAnswer, error) {
	head, err := readHead(u.r)
	if err != nil {
		return ownAnswer{}, err
	}
	a := ownAnswer{length: -1}
	a.status, _ = strconv.Atoi(string(head[9:12]))
	scan(head, func(k, v, _ []byte) {
		name, value := http.CanonicalHeaderKey(string(k)), string(v)
		switch name {
		case "Content-Length":
			a.length, _ = strconv.Atoi(value)
		case "Transfer-Encoding":
			a.chunked = true
			return
		case "Connection", "Keep-Alive":
			return
		case "Content-Type":
			a.sse = strings.HasPrefix(value, "text/event-stream")
		}
		out[name] = append(out[name], value)
	})
	_, err = u.r.Discard(len(head))
	return a, err
}

// relay copies the body; events are flushed as soon as nothing more is there.
func (a ownAnswer) relay(w http.ResponseWriter, u *upstreamConn, buf []byte) error {
	var body io.Reader = u.r
	switch {
	case a.chunked:
		body = httputil.NewChunkedReader(u.r)
	case a.length >= 0:
		body = io.LimitReader(u.r, int64(a.length))
	}
	if err := a.copy(w, body, u, buf); err != nil {
		return err
	}
	if a.chunked {
		_, err := u.r.Discard(2) // the blank line after the last chunk
		return err
	}
	return nil
}

func (a ownAnswer) copy(w http.ResponseWriter, body io.Reader, u *upstreamConn, buf []byte) error {
	if !a.sse {
		_, err := io.CopyBuffer(onlyWriter{w}, body, buf)
		return err
	}
	rc := http.NewResponseController(w)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if u.r.Buffered() == 0 {
				_ = rc.Flush() // a client that has gone shows at the next write
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
