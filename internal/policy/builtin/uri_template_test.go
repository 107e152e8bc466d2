package builtin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/exchange"
)

func TestTemplateParams(t *testing.T) {
	for in, want := range map[string][]string{
		"/a/{id}/b":                    {"id"},
		"/a/{id}?x={y}&z=1":            {"id", "y"},
		"/files/*":                     {"*"},
		"/files/{*path}":               {"path"},
		"*":                            {"*"},
		"/":                            nil,
		"/odd/{":                       nil,
		"/items({id})/x.{ext}?a={b}/*": {"id", "ext", "b"},
	} {
		if diff := cmp.Diff(want, templateParams(in)); diff != "" {
			t.Errorf("templateParams(%q) (-want +got):\n%s", in, diff)
		}
	}
}

func TestHasDotSegment(t *testing.T) {
	for path, want := range map[string]bool{
		"": false, "/": false, "/a/b": false, "/a.b/..c/...": false, "/.well-known": false,
		"/a/..": true, "/./a": true, "/%2E%2e/a": true, "/a%2f..": true, `/a\..\b`: true, "/a%5C.%5cb": true, "/.%2e": true,
	} {
		if got := exchange.HasDotSegment(path); got != want {
			t.Errorf("HasDotSegment(%q) = %v", path, got)
		}
	}
}

// FuzzURITemplate: whatever the template and the request say, the result is a
// clean request target below the backend's base path.
func FuzzURITemplate(f *testing.F) {
	f.Add("/a/{p}?b={q}", "v", "w")
	f.Add("/{q}{p}", "..", "%2e/")
	f.Add("/{*p}", "a/b", "")
	f.Fuzz(func(t *testing.T, template, p, q string) {
		if strings.ContainsAny(p+q, "\x00\r\n\t #") || strings.ContainsAny(p, "?") || strings.ContainsAny(q, "&") {
			return // no raw value of a request has these
		}
		tpl, why := parseURITemplate("/" + template)
		if why != "" || strings.Contains(template, "#") {
			return
		}
		x := &exchange.Exchange{Params: []exchange.Param{{Name: "p", Value: p}, {Name: "q", Value: q}}}
		path, missing := tpl.expandPath(x, "k={q}")
		query, missingInQuery := tpl.expandQuery(x, "k={q}")
		if missing+missingInQuery != "" {
			return
		}
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# \r\n") {
			t.Errorf("path %q", path)
		}
		if strings.ContainsAny(query, "# \r\n") || strings.Count(query, "&") != strings.Count(tpl.rawQuery, "&") {
			t.Errorf("query %q of %q", query, tpl.rawQuery)
		}
	})
}
