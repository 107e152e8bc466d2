//go:build linux

package h1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// Transport is a wire.Transport for HTTP/1.1 on connections of its own. What
// needs HTTP/2 or a proxy goes through wire/std. Make one and keep it: it holds
// the connection pools.
type Transport struct {
	cfg     wire.TransportConfig
	std     *std.Transport
	connect *std.Connector
	pool    buffers

	mu    sync.RWMutex
	hosts map[hostKey]*host
	sweep *time.Timer // runs while there are hosts
}

type hostKey struct {
	secure    bool
	authority string
}

// NewTransport returns a transport with empty pools.
func NewTransport(cfg wire.TransportConfig) *Transport {
	cfg.Fill()
	return &Transport{cfg: cfg, std: std.NewTransport(cfg), connect: std.NewConnector(cfg, "http/1.1"), hosts: make(map[hostKey]*host)}
}

// CloseIdle closes the connections that no request uses.
func (t *Transport) CloseIdle() {
	t.std.CloseIdle()
	for _, h := range t.all() {
		h.expire(time.Time{}, 0)
	}
}

func (t *Transport) all() []*host {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]*host, 0, len(t.hosts))
	for _, h := range t.hosts {
		all = append(all, h)
	}
	return all
}

// RoundTrip implements wire.Transport.
func (t *Transport) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	if out.Version != wire.HTTP1 || t.cfg.Proxy != nil {
		return t.std.RoundTrip(ctx, out)
	}
	if err := sendable(out); err != nil {
		return nil, err
	}
	key := hostKey{out.Scheme == "https", out.Authority}
	for attempt := 0; ; attempt++ {
		u, err := t.host(key).get(ctx)
		if err == errForgotten {
			attempt--
			continue
		}
		if err != nil {
			return nil, err
		}
		in, err := u.roundTrip(ctx, out)
		if err == nil {
			return in, nil
		}
		var dead *deadError
		if !errors.As(err, &dead) {
			return nil, err
		}
		switch {
		case ctx.Err() != nil:
			return nil, gaveUp(ctx, "send request")
		case dead.stale: // as if it had not been kept
			attempt--
		case attempt > 0 || !dead.again(out):
			return nil, dead.err
		}
	}
}

// sendable refuses what would end a line early or begin another request.
func sendable(out *wire.Outgoing) error {
	fail := func(format string, args ...any) error {
		return &wire.Error{Kind: wire.KindProtocol, Op: "send request", Err: fmt.Errorf(format, args...)}
	}
	switch {
	case !wire.ValidName(out.Method) || out.Method == "CONNECT": // its answer is framed by other rules
		return fail("method %q cannot be sent", out.Method)
	case !validTarget(out.Target) || out.Target == "" || out.Target[0] != '/' && out.Target != "*":
		return fail("the request target cannot be sent") // it may hold a key
	case out.Body != nil && len(out.Bytes) > 0:
		return fail("there are two bodies")
	case !wire.ValidValue(out.Upgrade):
		return fail("the protocol %q cannot be sent", out.Upgrade)
	case !wire.ValidValue(out.Host) || !wire.ValidValue(out.Authority):
		return fail("host %q cannot be sent", out.Host)
	}
	for i := range out.Header {
		f := &out.Header[i]
		if !wire.ValidName(f.Name) || !wire.ValidValue(f.Value) {
			return fail("header %q has a name or value that cannot be sent", f.Name)
		}
	}
	return nil
}

func (t *Transport) host(key hostKey) *host {
	t.mu.RLock()
	h := t.hosts[key]
	t.mu.RUnlock()
	if h != nil {
		return h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if h = t.hosts[key]; h == nil {
		h = &host{t: t, key: key, last: time.Now()}
		t.hosts[key] = h
		if t.sweep == nil {
			t.sweep = time.AfterFunc(t.pause(), t.sweepNow)
		}
	}
	return h
}

// dial makes a connection; everything that fails before the first byte of the
// request is KindConnect.
func (t *Transport) dial(ctx context.Context, key hostKey) (net.Conn, error) {
	c, err := t.connect.Connect(ctx, key.secure, withPort(key))
	if err != nil && ctx.Err() != nil {
		return nil, gaveUp(ctx, "dial")
	}
	return c, err
}

func withPort(key hostKey) string {
	if _, _, err := net.SplitHostPort(key.authority); err == nil {
		return key.authority
	}
	port := "80"
	if key.secure {
		port = "443"
	}
	host := key.authority
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	return net.JoinHostPort(host, port)
}

func (t *Transport) pause() time.Duration {
	return min(max(t.cfg.IdleTimeout/4, 10*time.Millisecond), 15*time.Second)
}

// sweepNow closes connections that have been idle for too long or are too old,
// and forgets hosts that nobody calls any more.
func (t *Transport) sweepNow() {
	now := time.Now()
	for _, h := range t.all() {
		h.expire(now, t.cfg.IdleTimeout)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, h := range t.hosts {
		if h.forget(now, t.cfg.IdleTimeout) {
			delete(t.hosts, key)
		}
	}
	if len(t.hosts) == 0 {
		t.sweep = nil
		return
	}
	t.sweep.Reset(t.pause())
}
