package std

import (
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
	// net/http has put the authority of an absolute form into Host.
	target, _, ok := wire.OriginForm(r.RequestURI)
	if !ok || !wire.ValidHost(r.Host) || r.ProtoMajor == 2 && !strict2(r) {
		return http.StatusBadRequest
	}
	header, size := headerOf(r.Header)
	lines := len(header)
	if r.ProtoMajor == 1 {
		lines++ // Host, which net/http keeps elsewhere
	}
	if size > s.cfg.MaxHeaderBytes || lines > s.cfg.MaxHeaders {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	*q = wire.Request{
		Method: r.Method, Scheme: "http", Host: r.Host, Target: target, Proto: r.Proto,
		Header: wire.DropNamedByConnection(header), ContentLength: r.ContentLength,
	}
	if info, ok := r.Context().Value(connInfoKey{}).(*connInfo); ok {
		q.Remote, q.Local = info.remote, info.local
	}
	if r.TLS != nil {
		q.Scheme, q.TLSVersion = "https", wire.TLSVersion(r.TLS.Version)
	}
	return 0
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
