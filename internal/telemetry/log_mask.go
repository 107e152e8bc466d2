package telemetry

import (
	"net/url"
	"strings"
)

// MaskQuery replaces the values of query parameters that hold keys by "***":
// name, and the names keys usually have. Names compare without case and with
// percent-encoding undone, as the gateway reads them.
func MaskQuery(rawURL, name string) string {
	path, query, ok := strings.Cut(rawURL, "?")
	if !ok || !holdsKey(query, name) {
		return rawURL
	}
	var b strings.Builder
	for i, p := range strings.Split(query, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		k, v, _ := strings.Cut(p, "=")
		if v != "" && isKeyName(k, name) {
			b.WriteString(k + "=***")
			continue
		}
		b.WriteString(p)
	}
	return path + "?" + b.String()
}

func holdsKey(query, name string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if k, v, _ := strings.Cut(pair, "="); v != "" && isKeyName(k, name) {
			return true
		}
	}
	return false
}

func isKeyName(raw, name string) bool {
	k := raw
	if strings.IndexByte(raw, '%') >= 0 || strings.IndexByte(raw, '+') >= 0 {
		if u, err := url.QueryUnescape(raw); err == nil {
			k = u
		}
	}
	for _, n := range [...]string{name, "subscription-key", "api-key", "access_token", "sig"} {
		if n != "" && len(k) == len(n) && strings.EqualFold(k, n) {
			return true
		}
	}
	return false
}
