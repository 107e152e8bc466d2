// Package wiretest holds what tests of any room need to drive a wire.Handler
// without sockets: a request builder, a recording responder and a transport
// that calls a handler in the same process.
// It must not know any room above wire, and no product code imports it.
// Start at NewRequest and Serve; see Transport when the caller is a client.
package wiretest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"sallyport/internal/wire"
)

// NewRequest builds a request as it would arrive. target is an origin form
// ("/a?b=c") or a full URL, which then also sets scheme and host. Each header
// is one line, "Name: value". An empty body means none (Body nil, length 0).
// Remote is 127.0.0.1:40000; change the fields of the result for anything else.
func NewRequest(method, target, body string, headers ...string) *wire.Request {
	r := &wire.Request{
		Method: method, Scheme: "http", Host: "gateway.test", Target: target, Proto: "HTTP/1.1",
		Remote: netip.MustParseAddrPort("127.0.0.1:40000"),
		Local:  netip.MustParseAddrPort("127.0.0.1:8080"),
	}
	// An origin form may hold a URL in its query.
	if scheme, rest, ok := strings.Cut(target, "://"); ok && target[0] != '/' {
		r.Scheme, r.Host, r.Target = scheme, rest, "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			r.Host, r.Target = rest[:i], rest[i:]
			if r.Target[0] == '?' {
				r.Target = "/" + r.Target
			}
		}
		if scheme == "https" {
			r.TLSVersion = "1.3"
		}
	}
	for _, line := range headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			panic(fmt.Sprintf("BUG: wiretest header %q is not of the form \"Name: value\"", line))
		}
		r.Header.Add(name, strings.Trim(value, " \t"))
	}
	if body != "" {
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
	}
	return r
}

// Serve runs h on r to its end and returns what was answered. A handler that
// never wrote a head has answered an empty 500, as the engines do.
func Serve(h wire.Handler, r *wire.Request) *Recorder {
	return ServeContext(context.Background(), h, r)
}

// ServeContext is Serve with a context to cancel.
func ServeContext(ctx context.Context, h wire.Handler, r *wire.Request) *Recorder {
	rec := &Recorder{}
	h.ServeWire(ctx, r, rec)
	_ = rec.Finish()
	return rec
}
