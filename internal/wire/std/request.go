package std

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"

	"sallyport/internal/wire"
)

// admit fills q from r. A status other than 0 refuses the request.
func (s *Server) admit(q *wire.Request, r *http.Request) int {
	if r.Method == http.MethodConnect {
		return http.StatusMethodNotAllowed // a gateway opens no tunnels
	}
	if len(r.RequestURI) > s.cfg.MaxTarget {
		return http.StatusRequestURITooLong
	}
	target, ok := originForm(r.RequestURI)
	if !ok || !validHost(r.Host) {
		return http.StatusBadRequest
	}
	header, size := headerOf(r.Header)
	if size > s.cfg.MaxHeaderBytes {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	*q = wire.Request{
		Method: r.Method, Scheme: "http", Host: r.Host, Target: target, Proto: r.Proto,
		Header: dropNamedByConnection(header), ContentLength: r.ContentLength,
	}
	if info, ok := r.Context().Value(connInfoKey{}).(*connInfo); ok {
		q.Remote, q.Local = info.remote, info.local
	}
	if r.TLS != nil {
		q.Scheme, q.TLSVersion = "https", tlsVersion(r.TLS.Version)
	}
	return 0
}

// originForm returns the path and query of a request target, byte for byte.
// The absolute form that clients send to proxies must be accepted by every
// server (RFC 9112 §3.2.2); its authority has already replaced Host.
func originForm(uri string) (string, bool) {
	if !strings.HasPrefix(uri, "/") {
		_, rest, found := strings.Cut(uri, "://")
		if !found {
			return "", false
		}
		i := strings.IndexAny(rest, "/?")
		switch {
		case i < 0:
			return "/", true
		case rest[i] == '?':
			uri = "/" + rest[i:]
		default:
			uri = rest[i:]
		}
	}
	// A fragment is never sent; a '#' would be read differently by each server
	// on the way.
	return uri, strings.IndexByte(uri, '#') < 0
}

// validHost accepts host or host:port with the characters RFC 3986 gives a
// registered name, except the comma, which would make two hosts of one.
func validHost(host string) bool {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		addr, port, found := strings.Cut(rest, "]")
		if !found || addr == "" {
			return false
		}
		for i := range len(addr) {
			if !isHex(addr[i]) && addr[i] != ':' && addr[i] != '.' {
				return false
			}
		}
		return port == "" || port[0] == ':' && digits(port[1:])
	}
	name, port, found := strings.Cut(host, ":")
	if name == "" || found && !digits(port) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !isAlnum(c) && strings.IndexByte("-._~%!$&'()*+;=", c) < 0 {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// headerOf makes an ordered header of a map. net/http loses the order of the
// lines, so it is by name; the lines of one name keep theirs.
func headerOf(m http.Header) (h wire.Header, size int) {
	n := 0
	for _, vs := range m {
		n += len(vs)
	}
	h = make(wire.Header, 0, n+4) // room for what a gateway usually adds
	for name, vs := range m {
		for _, v := range vs {
			h = append(h, wire.Field{Name: name, Value: v})
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	slices.SortStableFunc(h, func(a, b wire.Field) int { return strings.Compare(a.Name, b.Name) })
	return h, size
}

// dropNamedByConnection removes the lines that a Connection header declares to
// be for one hop only (RFC 9110 §7.6.1). It happens on arrival: done later, a
// client could name a header that a policy has set. The headers a proxy in
// front has vouched for are kept, since a client could take them away otherwise.
func dropNamedByConnection(h wire.Header) wire.Header {
	for _, line := range h.Values("Connection") {
		for token := range strings.SplitSeq(line, ",") {
			name := strings.Trim(token, " \t")
			if name == "" || wire.HopByHop(name) || wire.EqualName(name, "Forwarded") ||
				len(name) > 12 && wire.EqualName(name[:12], "X-Forwarded-") {
				continue
			}
			h.Del(name)
		}
	}
	return h
}

func tlsVersion(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS12:
		return "1.2"
	default:
		return "1.3"
	}
}
