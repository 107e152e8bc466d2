package syntax

import (
	"errors"
	"strings"
	"testing"
)

func TestEnd(t *testing.T) {
	for _, src := range []string{
		`@(1)`,
		`@("a)" + @"b)"")" + $"c){d[")"]}" + $@"e){f(")")}")`,
		`@(x == ')' || x == '\'' || x == '(')`,
		"@(a // )\n)",
		`@(a /* ) */)`,
		`@{ return x.Where(y => { return y != "}"; }).First(); }`,
		`@{ if (a < b) { return (b > c); } return d < e && f > g; }`,
		`@(context.Request.Body.As<JObject>(true)["a"]?.ToString() ?? "")`,
		`@(new Regex(@"^\((\d+)\)$").IsMatch("(1)"))`,
		`@(string.Concat("a", $"{(x ? "1" : "2")}"))`,
		`@(a </* c */ b)`,
		`@(1_0)`,
		"@{\r\n\tvar a = 1;\r\n\treturn a;\r\n}",
	} {
		for _, tail := range []string{"", ` " / >`, `)}"'`} {
			end, err := End("xy"+src+tail, 2)
			if err != nil || end != 2+len(src) {
				t.Errorf("End(%s) = %d, %v; want %d", src+tail, end, err, 2+len(src))
			}
		}
	}
}

func TestEndErrors(t *testing.T) {
	for _, c := range []struct {
		src      string
		end      int // -1: unknown
		off, bra int
		msg      string
	}{
		{`x`, -1, 0, -1, "an expression begins with '@(' or '@{'"},
		{`@(a`, -1, 3, 1, "')' expected"},
		{`@(a(b) `, -1, 6, 1, "')' expected"},
		{`@{ return f(x; }`, -1, 15, 11, "')' expected, not '}'"},
		{`@(a]`, -1, 3, 1, "')' expected, not ']'"},
		{`@($"{(}")`, -1, 6, 5, "')' expected, not '}'"},
		{`@("a)`, -1, 2, -1, "string is not closed"},
		{"@(\"a)\n\")", -1, 2, -1, `string is not closed on its line; strings over several lines are written @"…"`},
		{`@('a)`, -1, 2, -1, `character is not closed; strings are written with "`},
		{`@(a /* )`, -1, 4, -1, "comment is not closed; '*/' expected"},
		{`@($"{a)`, -1, 6, 4, "'}' expected, not ')'"},
		{`@{ return a; </set-body>}`, -1, 12, 1, "'}' expected"},
		{`@(a(1) /> <b c="x)"`, -1, 6, 1, "')' expected"},
		{`@{ <!-- no --> return a; }`, -1, 3, -1, "an XML comment cannot stand inside an expression; use // or /* */"},
		{`@("\d")`, 7, 3, -1, `unknown escape sequence '\d'; write '\\d', or a verbatim string @"…"`},
		{`@(a # b)`, 8, 4, -1, "'#' is not expected here; expressions have no preprocessor directives"},
		{strings.Repeat("@(", 1) + strings.Repeat("#", 20) + `"`, -1, 22, -1, "string is not closed"},
	} {
		end, err := End(c.src, 0)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("End(%s): error %v", c.src, err)
			continue
		}
		if end != c.end || e.Offset != c.off || e.Open != c.bra || e.Error() != c.msg {
			t.Errorf("End(%s) = %d, {%d %d %s}\nwant %d, {%d %d %s}", c.src, end, e.Offset, e.Open, e.Msg, c.end, c.off, c.bra, c.msg)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`@($"{a[$@"{b:x""}"]}")`, `@{ var x = 'a'; return @"b""" + 0x1F_Ful; }`, "@($\"{a\n}\")", `@("\x1 \u12 \U00110000")`,
		`@(1.5e-3f + .5 + 1..2 /* */ // x`, "@(“a” \\u0041 @if #)", `@(</a>)`, `@($"{a:{`, "@('\xff')", `@("latlong=""")`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		s := NewScanner(src, 0)
		last := 0
		for n := 0; ; n++ {
			tok := s.Next()
			if tok.Kind == EOF {
				break
			}
			if tok.Start < last || tok.End <= tok.Start || tok.End > len(src) {
				t.Fatalf("token %d..%d after %d in %d bytes", tok.Start, tok.End, last, len(src))
			}
			if last = tok.End; n > len(src) {
				t.Fatal("more tokens than bytes")
			}
		}
		for _, e := range s.Errors() {
			if e.Offset < 0 || e.Offset > len(src) || e.Msg == "" {
				t.Fatalf("error at %d of %d: %q", e.Offset, len(src), e.Msg)
			}
		}
		end, err := End(src, 0)
		var e *Error
		switch {
		case err != nil && (!errors.As(err, &e) || e.Offset > len(src) || e.Offset < 0):
			t.Fatalf("bad error %v", err)
		case err == nil && (end < 3 || end > len(src)):
			t.Fatalf("end %d of %d", end, len(src))
		}
		if err == nil {
			if again, err := End(src[:end], 0); err != nil || again != end {
				t.Fatalf("cut at %d: %d, %v", end, again, err)
			}
		}
	})
}
