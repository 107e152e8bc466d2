package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// buffers lends the copy buffers to httputil.
type buffers struct{ p *proxy }

func (b buffers) Get() []byte  { return *b.p.copies.Get().(*[]byte) }
func (b buffers) Put(d []byte) { b.p.copies.Put(&d) }

// reverse is httputil.ReverseProxy, tuned or as it comes.
func (p *proxy) reverse(tuned bool) http.Handler {
	u := &url.URL{Scheme: "http", Host: p.upstream}
	rp := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Header.Set("api-key", p.backendKey)
		},
	}
	if tuned {
		rp.FlushInterval = -1
		rp.BufferPool = buffers{p}
		rp.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 16384,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.allowed(w, r) {
			return
		}
		if p.duplex {
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		rp.ServeHTTP(w, r)
	})
}

func (p *proxy) allowed(w http.ResponseWriter, r *http.Request) bool {
	_, ok := p.keys[r.Header.Get("api-key")]
	if !ok {
		http.Error(w, "denied", http.StatusUnauthorized)
	}
	return ok
}
