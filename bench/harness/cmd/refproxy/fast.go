package main

import (
	"bufio"
	"bytes"
	"io"
	"net"

	"github.com/valyala/fasthttp"
)

// fast is fasthttp on both sides.
func (p *proxy) fast(l net.Listener) error {
	c := &fasthttp.HostClient{Addr: p.upstream, MaxConns: 16384, StreamResponseBody: true, DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true, NoDefaultUserAgentHeader: true}
	s := &fasthttp.Server{
		MaxRequestBodySize: 64 << 20, NoDefaultServerHeader: true, Concurrency: 100000,
		Handler: func(ctx *fasthttp.RequestCtx) { p.fastOne(ctx, c) },
	}
	return s.Serve(l)
}

func (p *proxy) fastOne(ctx *fasthttp.RequestCtx, c *fasthttp.HostClient) {
	if _, ok := p.keys[string(ctx.Request.Header.Peek("api-key"))]; !ok {
		ctx.Error("denied", fasthttp.StatusUnauthorized)
		return
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	ctx.Request.CopyTo(req)
	req.SetHost(p.upstream)
	req.Header.Set("api-key", p.backendKey)
	req.Header.Del("Connection")
	if err := c.Do(req, resp); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadGateway)
		return
	}
	fasthttp.ReleaseRequest(req)
	resp.Header.CopyTo(&ctx.Response.Header)
	if bytes.HasPrefix(resp.Header.ContentType(), []byte("text/event-stream")) {
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			defer fasthttp.ReleaseResponse(resp)
			p.fastStream(w, resp.BodyStream())
		})
		return
	}
	ctx.Response.SetBody(resp.Body())
	fasthttp.ReleaseResponse(resp)
}

// fastStream flushes every piece.
func (p *proxy) fastStream(w *bufio.Writer, body io.Reader) {
	buf := p.copies.Get().(*[]byte)
	defer p.copies.Put(buf)
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			if _, err := w.Write((*buf)[:n]); err != nil {
				return
			}
			if w.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
