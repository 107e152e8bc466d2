package std

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"sallyport/internal/wire"
)

func (t *Transport) request(ctx context.Context, out *wire.Outgoing, data []byte) (*http.Request, *outbound) {
	req := new(http.Request).WithContext(ctx) // filled afterwards, or it would be copied
	req.Method, req.URL, req.Host, req.Header = out.Method, t.urlOf(out), out.Host, headerMap(out.Header)
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	if out.Upgrade != "" {
		req.Header["Connection"], req.Header["Upgrade"] = []string{"Upgrade"}, []string{out.Upgrade}
	}
	if len(data) > 0 {
		req.ContentLength = int64(len(data))
		// net/http knows this reader and sends it in one packet with the head.
		req.Body = io.NopCloser(bytes.NewReader(data))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		return req, nil
	}
	if out.Body == nil || out.ContentLength == 0 {
		return req, nil
	}
	body := newOutbound(out.Body, out.ContentLength)
	req.ContentLength, req.Body = out.ContentLength, body
	return req, body
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
	case t.cfg.Proxy != nil && out.Scheme == "http" && out.Version != wire.HTTP2:
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
