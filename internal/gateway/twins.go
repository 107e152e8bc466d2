package gateway

import (
	"slices"
	"strings"

	"sallyport/internal/wire"
)

// dropTwins takes off headers of the client that differ only by underscores
// from one that the gateway sends. CGI, WSGI and their like turn both into the
// same variable, and the client's X_User would stand for the X-User that a
// policy has set.
func dropTwins(h, client wire.Header) wire.Header {
	return slices.DeleteFunc(h, func(f headerField) bool {
		if strings.IndexByte(f.Name, '_') < 0 || !client.Has(f.Name) {
			return false
		}
		if framing(f.Name) {
			return true
		}
		return slices.ContainsFunc(h, func(g headerField) bool { return strings.IndexByte(g.Name, '_') < 0 && isTwin(g.Name, f.Name) })
	})
}

// framing reports names that a server might take for the ones the engine
// writes itself.
func framing(name string) bool {
	return isTwin(name, "Content-Length") || isTwin(name, "Transfer-Encoding") || isTwin(name, "Host")
}

// isTwin compares names without case, an underscore being a dash.
func isTwin(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

func fold(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}
