package std

import (
	"errors"
	"net/http"
	"strings"

	"sallyport/internal/wire"
)

// strict2 looks at what net/http lets through on HTTP/2 and refuses on
// HTTP/1.1: a path with bytes that end a request line, a Host beside another
// authority, and a length that is none. Sent on over HTTP/1.1, each would be
// read in two ways.
func strict2(r *http.Request) bool {
	if !oneTarget(r.RequestURI) {
		return false
	}
	if hosts := r.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && !strings.EqualFold(hosts[0], r.Host) {
		return false
	}
	lengths := r.Header["Content-Length"]
	return len(lengths) == 0 || len(lengths) == 1 && isDecimal(lengths[0])
}

func isDecimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 18
}

var errTarget = errors.New("the request target cannot be sent")

// oneTarget finds the targets that a request line can hold. net/http sends
// others too: what stands behind a space would be the version.
func oneTarget(t string) bool {
	return wire.ValidValue(t) && !strings.ContainsAny(t, " \t") && (strings.HasPrefix(t, "/") || t == "*")
}
