package std

import (
	"net/http"
	"time"

	"sallyport/internal/wire"
)

// pools are the connections of a transport, one net/http transport for each
// set of protocols. They have an age, since net/http knows none: when they are
// too old for a further request, fresh ones take their place.
type pools struct {
	born         time.Time
	h1, h2, both http.RoundTripper
	idle         []*http.Transport
}

func newPools(cfg *wire.TransportConfig) *pools {
	var p1, p2, p21 http.Protocols
	p1.SetHTTP1(true)
	p2.SetHTTP2(true)
	p2.SetUnencryptedHTTP2(true)
	p21.SetHTTP1(true)
	p21.SetHTTP2(true)
	h1 := newTransport(cfg, &p1, "http/1.1")
	h2 := newTransport(cfg, &p2, "h2")
	both := newTransport(cfg, &p21, "h2", "http/1.1")
	return &pools{born: time.Now(), h1: h1, h2: h2, both: both, idle: []*http.Transport{h1, h2, both}}
}

// pick returns the transport for out. Only HTTP/1.1 can switch protocols.
func (p *pools) pick(out *wire.Outgoing) http.RoundTripper {
	switch {
	case out.Upgrade != "":
		return p.h1
	case out.Version == wire.HTTP2:
		return p.h2
	case out.Version == wire.HTTP2or1 && out.Scheme == "https":
		return p.both
	}
	return p.h1
}

// closeIdle also makes net/http close the connections in use once their
// request is done, unless another request comes.
func (p *pools) closeIdle() {
	for _, h := range p.idle {
		h.CloseIdleConnections()
	}
}

// current returns the pools for a request that begins now.
func (t *Transport) current() *pools {
	p := t.pools.Load()
	if t.cfg.MaxAge <= 0 || time.Since(p.born) < t.cfg.MaxAge {
		return p
	}
	if next := newPools(&t.cfg); t.pools.CompareAndSwap(p, next) {
		p.closeIdle()
	}
	return t.pools.Load()
}
