package exchange

import (
	"strings"

	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// Shown is a header line as traces show it.
type Shown struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ShowHeader returns the value of a header as a trace may show it: credentials
// are masked, and of Authorization only the scheme is left.
func (x *Exchange) ShowHeader(name, value string) string {
	if value == "" {
		return ""
	}
	if wire.EqualName(name, "Authorization") || wire.EqualName(name, "Proxy-Authorization") {
		if scheme, rest, ok := strings.Cut(value, " "); ok && rest != "" {
			return scheme + " ****"
		}
		return "****"
	}
	if x.CarriesCredential(name) {
		return secret.Mask(value)
	}
	// A policy may have put a secret named value in, under whatever name.
	return x.Hider.Hide(value)
}

// ShowHeaders returns a header as a trace may show it.
func (x *Exchange) ShowHeaders(h wire.Header) []Shown {
	out := make([]Shown, 0, len(h))
	for _, f := range h {
		out = append(out, Shown{f.Name, x.ShowHeader(f.Name, f.Value)})
	}
	return out
}

// ShowTarget returns a request target or URL with the values of credentials
// masked.
func (x *Exchange) ShowTarget(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if ok {
		if shown := x.showQuery(query); shown != query {
			target = path + "?" + shown
		}
	}
	return x.Hider.Hide(target)
}

func (x *Exchange) showQuery(query string) string {
	if !x.queryCarriesCredential(query) {
		return query
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if k, v, ok := strings.Cut(pair, "="); ok && x.CarriesCredential(queryUnescape(k)) {
			pairs[i] = k + "=" + secret.Mask(v)
		}
	}
	return strings.Join(pairs, "&")
}

func (x *Exchange) queryCarriesCredential(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if k, _, ok := strings.Cut(pair, "="); ok && x.CarriesCredential(queryUnescape(k)) {
			return true
		}
	}
	return false
}

// ShowURL returns the URL that forward-request would call now.
func (x *Exchange) ShowURL() string {
	b := x.Target.Base
	target := x.ShowTarget(b.Target(x.Request.Path, x.Request.Query))
	if b.IsZero() {
		return target
	}
	return b.Scheme + "://" + b.Authority + target
}

// CarriesCredential tells headers and query parameters that carry credentials by
// their names, those of the API's subscription key and the backend's
// credentials included.
func (x *Exchange) CarriesCredential(name string) bool {
	if name == "api-version" { // nearly every call has it, and is logged twice
		return false
	}
	if a := x.API; a != nil && (wire.EqualName(name, a.KeyHeader) || wire.EqualName(name, a.KeyQuery)) {
		return true
	}
	if b := x.Target.Backend; b != nil {
		for _, cs := range [][]Credential{b.Header, b.Query} {
			for _, c := range cs {
				if wire.EqualName(name, c.Name) {
					return true
				}
			}
		}
	}
	n := strings.ToLower(name)
	switch n {
	case "code", "key", "sig", "cookie", "set-cookie", "assertion":
		return true
	}
	for _, part := range [...]string{"api-key", "apikey", "api_key", "subscription-key", "secret", "password", "authorization", "credential"} {
		if strings.Contains(n, part) {
			return true
		}
	}
	return strings.HasSuffix(n, "token") || strings.HasSuffix(n, "-key")
}
