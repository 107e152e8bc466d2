package builtin

import (
	"net/url"
	"slices"
	"strings"

	"sallyport/internal/exchange"
)

// uriTemplate is the compiled template of rewrite-uri.
type uriTemplate struct {
	path, query []uriPart
	rawQuery    string // as written, to look up the names it sets
}

// uriPart is a text, or a parameter to fill in.
type uriPart struct{ text, param string }

// parseURITemplate compiles a template; why says what is wrong with it.
func parseURITemplate(s string) (t uriTemplate, why string) {
	path, query, _ := strings.Cut(s, "?")
	if t.path, why = parseURIParts(path); why != "" {
		return t, why
	}
	if exchange.HasDotSegment(path) {
		return t, "it has dot segments"
	}
	t.rawQuery = query
	t.query, why = parseURIParts(query)
	return t, why
}

func parseURIParts(s string) (parts []uriPart, why string) {
	for s != "" {
		open := strings.IndexAny(s, "{}")
		switch {
		case open < 0:
			return append(parts, uriPart{text: escapeLiteral(s)}), ""
		case s[open] == '}':
			return nil, "a closing brace has no opening one"
		case open > 0:
			parts = append(parts, uriPart{text: escapeLiteral(s[:open])})
		}
		end := strings.IndexAny(s[open+1:], "{}")
		if end < 1 || s[open+1+end] != '}' {
			return nil, "a parameter has no name or no closing brace"
		}
		parts = append(parts, uriPart{param: paramName(s[open+1 : open+1+end])})
		s = s[open+end+2:]
	}
	return parts, ""
}

// paramName takes the star off {*rest}; {*} alone is the nameless wildcard.
func paramName(s string) string {
	if s == "*" {
		return s
	}
	return strings.TrimPrefix(s, "*")
}

// templateParams lists the parameters of an operation's URL template.
func templateParams(t string) []string {
	var names []string
	path, _, _ := strings.Cut(t, "?")
	if strings.HasSuffix(path, "/*") || path == "*" {
		names = append(names, "*")
	}
	for {
		_, rest, ok := strings.Cut(t, "{")
		if !ok {
			return names
		}
		name, tail, ok := strings.Cut(rest, "}")
		if ok {
			names = append(names, paramName(name))
		}
		t = tail
	}
}

// unknown lists the parameters of t that known lacks.
func (t uriTemplate) unknown(known []string) []string {
	var out []string
	for _, p := range slices.Concat(t.path, t.query) {
		if p.param != "" && !slices.Contains(known, p.param) && !slices.Contains(out, p.param) {
			out = append(out, p.param)
		}
	}
	return out
}

// expandPath fills the path in. declared is the query of the operation's URL
// template: values that come from there are encoded for a query, and a slash
// or question mark in one would change the shape of the URL.
func (t uriTemplate) expandPath(x *exchange.Exchange, declared string) (path, missing string) {
	return expand(x, t.path, func(name, value string) string {
		if fromQuery(declared, name) {
			return queryToPath(value)
		}
		return value
	})
}

func (t uriTemplate) expandQuery(x *exchange.Exchange, declared string) (query, missing string) {
	return expand(x, t.query, func(name, value string) string {
		if fromQuery(declared, name) {
			return value
		}
		return pathToQuery(value)
	})
}

// queryToPath fits a query value into a path, pathToQuery the other way round.
// A plus is a space in a query and a plus in a path.
func queryToPath(value string) string { return encode(value, `/\?#;`, "%20") }
func pathToQuery(value string) string { return encode(value, "&#;", "%2B") }

func encode(s, unsafe, plus string) string {
	if !strings.ContainsAny(s, unsafe+"+") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '+':
			b.WriteString(plus)
		case strings.IndexByte(unsafe, c) >= 0:
			percent(&b, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func percent(b *strings.Builder, c byte) {
	const hex = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

func fromQuery(declared, name string) bool { return strings.Contains(declared, "{"+name+"}") }

func expand(x *exchange.Exchange, parts []uriPart, fit func(name, value string) string) (s, missing string) {
	if len(parts) == 1 && parts[0].param == "" {
		return parts[0].text, ""
	}
	var b strings.Builder
	for _, p := range parts {
		if p.param == "" {
			b.WriteString(p.text)
			continue
		}
		value, ok := x.Param(p.param)
		if !ok {
			return "", p.param
		}
		b.WriteString(fit(p.param, value))
	}
	return b.String(), ""
}

// copyUnmatched adds those parameters of the request that neither the
// operation's URL template nor the new template names.
func (t uriTemplate) copyUnmatched(query, request, declared string) string {
	var b strings.Builder
	b.WriteString(query)
	for request != "" {
		var pair string
		pair, request, _ = strings.Cut(request, "&")
		name, _, _ := strings.Cut(pair, "=")
		if u, err := url.QueryUnescape(name); err == nil {
			name = u
		}
		if pair == "" || has(declared, name) || has(t.rawQuery, name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pair)
	}
	return b.String()
}

func has(query, name string) bool { _, ok := exchange.QueryGet(query, name); return ok }

// escapeLiteral encodes what may not stand in a request target; an author may
// write a template with spaces or umlauts.
func escapeLiteral(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`|", c) >= 0 {
			percent(&b, c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
