package plan

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"sallyport/internal/exchange"
)

// template is a compiled URL template of an operation.
type template struct {
	segments []segment
	wildcard bool // ends in "/*"
	query    []queryParam
}

// segment is a literal, or a pattern of literals and parameters: "{id}",
// "{name}.json", "items({id})".
type segment struct {
	literal string // decoded; used when parts is nil
	parts   []part
}

type part struct {
	literal string
	param   string // "" for a literal
}

// queryParam is a parameter that the template demands: bound to a name, or
// with a fixed value ("?action=start").
type queryParam struct{ name, param, value string }

// parseTemplate reads an urlTemplate (Azure documentation: OperationContract).
func parseTemplate(s string) (template, error) {
	var t template
	path, query, _ := strings.Cut(s, "?")
	path = strings.Trim(path, "/")
	if path != "" {
		segs := strings.Split(path, "/")
		for i, seg := range segs {
			if seg == "*" {
				if i != len(segs)-1 {
					return t, fmt.Errorf("a wildcard may only be the last segment")
				}
				t.wildcard = true
				break
			}
			sg, err := parseSegment(seg)
			if err != nil {
				return t, err
			}
			t.segments = append(t.segments, sg)
		}
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		q := queryParam{name: unescape(name)}
		if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
			q.param = strings.Trim(value, "{}")
		} else {
			q.value = unescape(value)
		}
		t.query = append(t.query, q)
	}
	return t, nil
}

func parseSegment(s string) (segment, error) {
	if !strings.ContainsAny(s, "{}") {
		return segment{literal: unescape(s)}, nil
	}
	var sg segment
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			sg.parts = append(sg.parts, part{literal: unescape(s)})
			break
		}
		if open > 0 {
			sg.parts = append(sg.parts, part{literal: unescape(s[:open])})
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 2 {
			return sg, fmt.Errorf("parameter without name or closing brace in %q", s)
		}
		if n := len(sg.parts); n > 0 && sg.parts[n-1].param != "" {
			return sg, fmt.Errorf("two parameters without text between them in %q", s)
		}
		sg.parts = append(sg.parts, part{param: strings.TrimPrefix(s[open+1:open+end], "*")})
		s = s[open+end+1:]
	}
	return sg, nil
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// rank orders segments: literal before pattern with text before bare parameter.
func (s segment) rank() int {
	switch {
	case s.parts == nil:
		return 0
	case len(s.parts) > 1:
		return 1
	default:
		return 2
	}
}

// key is the same text for equal patterns and for no others.
func (s segment) key() string {
	var b strings.Builder
	for _, p := range s.parts {
		if p.param != "" {
			b.WriteString("{" + p.param + "}")
			continue
		}
		b.WriteString(strconv.Quote(p.literal))
	}
	return b.String()
}

// match reports whether a raw (still encoded) path segment fits, appending
// the values of its parameters in raw form.
func (s segment) match(raw string, params []exchange.Param) ([]exchange.Param, bool) {
	if s.parts == nil {
		return params, equalLiteral(s.literal, raw)
	}
	if len(s.parts) == 1 {
		return append(params, exchange.Param{Name: s.parts[0].param, Value: raw}), raw != ""
	}
	for i, p := range s.parts {
		if p.param == "" {
			if len(raw) < len(p.literal) || !strings.EqualFold(raw[:len(p.literal)], p.literal) {
				return params, false
			}
			raw = raw[len(p.literal):]
			continue
		}
		end := len(raw)
		if i+1 < len(s.parts) {
			next := s.parts[i+1].literal
			if i+2 == len(s.parts) { // the last literal binds to the end
				end = len(raw) - len(next)
			} else {
				end = indexFold(raw, next)
			}
		}
		if end < 1 || end > len(raw) {
			return params, false
		}
		params = append(params, exchange.Param{Name: p.param, Value: raw[:end]})
		raw = raw[end:]
	}
	return params, raw == ""
}

func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// equalLiteral compares a decoded literal with a raw segment, without case.
func equalLiteral(literal, raw string) bool {
	if strings.IndexByte(raw, '%') >= 0 {
		raw = unescape(raw)
	}
	return strings.EqualFold(literal, raw)
}
