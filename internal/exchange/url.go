package exchange

import (
	"fmt"
	"net/url"
	"strings"
)

// BaseURL is the base of a backend URL: "https://host:443/openai".
type BaseURL struct {
	Scheme    string // http or https
	Authority string // host[:port]
	Path      string // raw, "" or beginning with "/" and without a trailing slash
}

// ParseBaseURL reads an absolute http(s) URL without query and fragment.
// ws and wss name the same hosts for WebSocket APIs and are read as http(s).
func ParseBaseURL(s string) (BaseURL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return BaseURL{}, fmt.Errorf("not a URL: %w", err)
	}
	scheme := strings.ToLower(u.Scheme)
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	if (scheme != "http" && scheme != "https") || u.Host == "" {
		return BaseURL{}, fmt.Errorf("not an absolute http or https URL")
	}
	if u.User != nil {
		return BaseURL{}, fmt.Errorf("user information in a backend URL is not sent; use credentials of the backend")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return BaseURL{}, fmt.Errorf("a base URL has no query or fragment")
	}
	return BaseURL{Scheme: scheme, Authority: u.Host, Path: strings.TrimRight(u.EscapedPath(), "/")}, nil
}

// IsZero reports whether there is no base URL.
func (b BaseURL) IsZero() bool { return b.Authority == "" }

// String is the URL's text.
func (b BaseURL) String() string {
	if b.IsZero() {
		return ""
	}
	return b.Scheme + "://" + b.Authority + b.Path
}

// Target joins the base path, the request's path and its query to a request
// target, with exactly one slash at the joint.
func (b BaseURL) Target(path, query string) string {
	if path == "" && b.Path == "" {
		path = "/"
	} else if path != "" && path[0] != '/' {
		path = "/" + path
	}
	if query == "" {
		return b.Path + path
	}
	return b.Path + path + "?" + query
}

// QueryGet returns the decoded first value of a query parameter. Names
// compare without case, as APIM's subscription-key look-up does.
func QueryGet(query, name string) (string, bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		k, v, _ := strings.Cut(pair, "=")
		if !queryNameIs(k, name) {
			continue
		}
		return queryUnescape(v), true
	}
	return "", false
}

func queryNameIs(raw, name string) bool {
	if strings.IndexByte(raw, '%') < 0 && strings.IndexByte(raw, '+') < 0 {
		return strings.EqualFold(raw, name)
	}
	return strings.EqualFold(queryUnescape(raw), name)
}

func queryUnescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	u, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return u
}

// QueryDel removes a parameter; everything else stays byte for byte.
func QueryDel(query, name string) string {
	if _, ok := QueryGet(query, name); !ok {
		return query
	}
	var b strings.Builder
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		k, _, _ := strings.Cut(pair, "=")
		if queryNameIs(k, name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pair)
	}
	return b.String()
}

// QueryAdd appends name=value, encoded.
func QueryAdd(query, name, value string) string {
	pair := url.QueryEscape(name) + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	if query == "" {
		return pair
	}
	return query + "&" + pair
}

// HasDotSegment reports whether a path has a segment "." or "..", also in the
// encoded spellings and with the other slashes that some backends decode.
// Such a path could climb out of the base path of a backend.
func HasDotSegment(path string) bool {
	if strings.ContainsAny(path, `%\`) {
		path = strings.NewReplacer("%2e", ".", "%2f", "/", "%5c", "/", "%3b", ";", `\`, "/").Replace(strings.ToLower(path))
	}
	if !strings.Contains(path, "/.") && !strings.HasPrefix(path, ".") {
		return false
	}
	for path != "" {
		var seg string
		seg, path, _ = strings.Cut(path, "/")
		seg, _, _ = strings.Cut(seg, ";") // servers of Java leave parameters of a segment out
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}
