package std

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"sallyport/internal/wire"
)

// RoundTrip sends out and returns when the head of the answer is here.
// An error with Op "read request body" means that the sender's body broke, not
// the backend.
func (t *Transport) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	rt := t.h1
	switch {
	case out.Version == wire.HTTP2:
		rt = t.h2
	case out.Version == wire.HTTP2or1 && out.Scheme == "https":
		rt = t.both
	}
	req, body := t.request(ctx, out)
	res, err := rt.RoundTrip(req)
	if err != nil && ctx.Err() == nil && foundDead(err) && (out.Body == nil || out.Replay != nil) {
		// net/http itself repeats only what is idempotent here.
		if out.Replay != nil {
			again := *out
			again.Body = out.Replay()
			out = &again
		}
		req, body = t.request(ctx, out)
		res, err = rt.RoundTrip(req)
	}
	if err != nil {
		if bodyErr := body.failure(); bodyErr != nil && ctx.Err() == nil {
			return nil, bodyErr
		}
		return nil, classify(ctx, "round trip", err)
	}
	if out.Version == wire.HTTP2 && res.ProtoMajor != 2 {
		_ = res.Body.Close()
		return nil, &wire.Error{Kind: wire.KindProtocol, Op: "round trip",
			Err: fmt.Errorf("%s answers %s, not HTTP/2", out.Authority, res.Proto)}
	}
	return incoming(ctx, res), nil
}

// foundDead reports that a connection ended before the request was wholly on
// it, so that no server can have acted on it: net/http says so, with an error
// it does not export, or writing the request failed.
func foundDead(err error) bool {
	if err.Error() == "http: server closed idle connection" {
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "write" || op.Op == "readfrom") && (errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET))
}

func (t *Transport) request(ctx context.Context, out *wire.Outgoing) (*http.Request, *outbound) {
	req := new(http.Request).WithContext(ctx) // filled afterwards, or it would be copied
	req.Method, req.URL, req.Host, req.Header = out.Method, t.urlOf(out), out.Host, headerMap(out.Header)
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	var body *outbound
	if out.Body != nil && out.ContentLength != 0 {
		req.ContentLength = out.ContentLength
		if inMemory(out) {
			req.Body = io.NopCloser(out.Body)
		} else {
			body = newOutbound(out.Body, out.ContentLength)
			req.Body = body
		}
		if out.Replay != nil {
			n, replay := out.ContentLength, out.Replay
			req.GetBody = func() (io.ReadCloser, error) { return newOutbound(replay(), n), nil }
		}
	}
	return req, body
}

// inMemory finds the readers that net/http knows and sends in one packet with
// the head. They cannot fail, and here they cannot be longer than declared.
func inMemory(out *wire.Outgoing) bool {
	switch r := out.Body.(type) {
	case *bytes.Reader:
		return int64(r.Len()) == out.ContentLength
	case *strings.Reader:
		return int64(r.Len()) == out.ContentLength
	}
	return false
}

// urlOf makes net/http send the target byte for byte. It sends Opaque as it
// stands, unless it begins with two slashes; then it puts the scheme in front,
// which is what a plain request through a proxy needs, and what HTTP/2 takes
// off again. For HTTP/1.1 such a path goes through RawPath; there net/http
// escapes bytes that RFC 3986 does not allow in a path, and leaves all others.
func (t *Transport) urlOf(out *wire.Outgoing) *url.URL {
	u := &url.URL{Scheme: out.Scheme, Host: out.Authority}
	host := out.Host
	if host == "" {
		host = out.Authority
	}
	slashes := strings.HasPrefix(out.Target, "//")
	switch {
	case t.proxied && out.Scheme == "http" && out.Version != wire.HTTP2:
		u.Opaque = "//" + host + out.Target
	case slashes && out.Version == wire.HTTP2:
		u.Opaque = "//" + host + out.Target
	case slashes:
		path, query, found := strings.Cut(out.Target, "?")
		u.RawPath, u.RawQuery, u.ForceQuery = path, query, found
		if plain, err := url.PathUnescape(path); err == nil {
			u.Path = plain
		} else {
			u.Path = path
		}
	default:
		u.Opaque = out.Target
	}
	return u
}

// headerMap keeps the spelling of names, except of those net/http looks up.
func headerMap(h wire.Header) http.Header {
	m := make(http.Header, len(h)+1)
	values := make([]string, len(h))
	for i, f := range h {
		if wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Host") || wire.EqualName(f.Name, "Content-Length") {
			continue
		}
		name := f.Name
		switch len(name) {
		case len("Expect"), len("User-Agent"), len("Idempotency-Key"), len("X-Idempotency-Key"):
			switch special := textproto.CanonicalMIMEHeaderKey(name); special {
			case "Expect", "User-Agent", "Idempotency-Key", "X-Idempotency-Key":
				name = special
			}
		}
		if old, ok := m[name]; ok {
			m[name] = append(old, f.Value)
			continue
		}
		values[i] = f.Value
		m[name] = values[i : i+1 : i+1]
	}
	if _, ok := m["User-Agent"]; !ok {
		m["User-Agent"] = nil // or net/http would add its own
	}
	return m
}

// answer holds everything of one reply in one allocation.
type answer struct {
	wire.Incoming
	res *http.Response
	ctx context.Context
}

func incoming(ctx context.Context, res *http.Response) *wire.Incoming {
	a := &answer{res: res, ctx: ctx}
	header, _ := headerOf(res.Header)
	_, reason, _ := strings.Cut(res.Status, " ")
	a.Incoming = wire.Incoming{
		Status: res.StatusCode, Reason: reason, Proto: res.Proto,
		Header: dropHopByHop(header), Body: a, ContentLength: res.ContentLength,
		Trailer: a.trailer,
	}
	for name := range res.Trailer {
		a.TrailerNames = append(a.TrailerNames, name)
	}
	slices.Sort(a.TrailerNames)
	return &a.Incoming
}

func dropHopByHop(h wire.Header) wire.Header {
	h = dropNamedByConnection(h)
	return slices.DeleteFunc(h, func(f wire.Field) bool { return wire.HopByHop(f.Name) })
}

// Read reads the body of the answer.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.res.Body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, classify(a.ctx, "read body", err)
}

// Close ends the call; what is left of the body is not read.
func (a *answer) Close() error { return a.res.Body.Close() }

func (a *answer) trailer() wire.Header {
	if len(a.res.Trailer) == 0 {
		return nil
	}
	h, _ := headerOf(a.res.Trailer)
	return h
}

var errShortBody = errors.New("the body is shorter than declared")
