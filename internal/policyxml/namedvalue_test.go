package policyxml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamedValues(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"{{a}}":                        "a",
		"x{{a-b_c.9}}y{{B}}":           "a-b_c.9 B",
		"{{ a }} {{}} {{a} {a}} {{é}}": "",
		`$"{{{x}}}"`:                   "x",
		"{{{{a}}}}":                    "a",
		"{{a{{b}}":                     "b",
		"{{body.customer-id}}":         "body.customer-id",
		"{{a":                          "",
	} {
		var got []string
		for _, r := range NamedValues(text) {
			if text[r.Start:r.End] != "{{"+r.Name+"}}" {
				t.Errorf("%s: %d..%d is not %s", text, r.Start, r.End, r.Name)
			}
			got = append(got, r.Name)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", text, s, want)
		}
	}
}

func TestSubstitute(t *testing.T) {
	values := map[string]string{"a": "1", "b": "{{a}}", "empty": "", "x": `@("z")`}
	for _, c := range []struct {
		in, out string
		missing []Ref
	}{
		{"plain", "plain", nil},
		{"{{a}}{{a}}", "11", nil},
		{"<{{empty}}>", "<>", nil},
		{"{{empty}}", "", nil},
		{"{{b}}", "{{a}}", nil},
		{"{{x}}", `@("z")`, nil},
		{`@("{{a}}" + {{c}} + {{A}})`, `@("1" + {{c}} + {{A}})`, []Ref{{"c", 12, 17}, {"A", 20, 25}}},
	} {
		out, missing := Substitute(c.in, func(n string) (string, bool) { v, ok := values[n]; return v, ok })
		if out != c.out || !cmp.Equal(missing, c.missing) {
			t.Errorf("%s: %q, missing %v", c.in, out, missing)
		}
	}
}

func TestMaskKeepsLength(t *testing.T) {
	if got := mask("a{{2nd-try}}b{{ x }}"); got != "a___________b{{ x }}" {
		t.Error(got)
	}
}
