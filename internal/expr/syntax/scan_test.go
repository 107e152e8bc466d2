package syntax

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show prints tokens compactly: kind initial, value, suffix.
func show(src string) string {
	s := NewScanner(src, 0)
	var out []string
	for {
		t := s.Next()
		switch t.Kind {
		case EOF:
			for _, e := range s.Errors() {
				out = append(out, fmt.Sprintf("!%d %s", e.Offset, e.Msg))
			}
			return strings.Join(out, " ")
		case Punct, HoleStart, HoleEnd, InterpStart, InterpEnd:
			out = append(out, t.Value)
		case Ident:
			v := t.Value
			if t.Verbatim {
				v = "@" + v
			}
			out = append(out, v)
		case Int, Real:
			out = append(out, [...]string{Int: "int", Real: "real"}[t.Kind]+":"+t.Value+t.Suffix)
		case Char:
			out = append(out, fmt.Sprintf("char:%04X", t.Unit))
		case String, InterpText, HoleFormat:
			out = append(out, [...]string{String: "str", InterpText: "text", HoleFormat: "format"}[t.Kind]+fmt.Sprintf(":%q", t.Value))
		case Invalid:
			out = append(out, "invalid:"+t.Value)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		// White space, comments, names.
		{"a // b\n c /* d\n*/ e", "a c e"},
		{"a\u00a0b\u2028c\u0085d", "a b c d"},
		{"_x1 été 变量 Ⅷ", "_x1 été 变量 Ⅷ"},
		{`@class @if`, "@class @if"},
		{`caf\u00e9 \U0001D49Cx`, "café 𝒜x"},
		{"a\u200db", "ab"},
		{`\u0031a`, `invalid:\ u0031a !0 '\' is not expected here`},

		// Numbers.
		{"0 7 007 1_000_000 18446744073709551615", "int:0 int:7 int:7 int:1000000 int:18446744073709551615"},
		{"18446744073709551616", "int:18446744073709551616 !0 the number 18446744073709551616 is too large for an integer"},
		{"1u 1L 1ul 1Lu 1UL", "int:1U int:1L int:1UL int:1UL int:1UL"},
		{"0xFf 0X_1f 0b1010 0B1_0uL", "int:0xFf int:0x1f int:0b1010 int:0b10UL"},
		{"0x 0b2", "int:0x0 int:0b0 int:2 !0 the number has no digits !3 the number has no digits"},
		{"1.5 .5 1e3 1E-3 1.5e+3f 2d 3M 1_0.2_5", "real:1.5 real:.5 real:1e3 real:1E-3 real:1.5e+3F real:2D real:3M real:10.25"},
		{"1.ToString() 1..2 1e 1_ x", "int:1 . ToString ( ) int:1 . real:.2 int:1 e int:1 x !22 '_' may only stand between digits"},
		{"a?.5:1 a?.b", "a ? real:.5 : int:1 a ? . b"},

		// Strings and characters.
		{`"" "a\"b" "\'\"\\\0\a\b\f\n\r\t\v"`, `str:"" str:"a\"b" str:"'\"\\\x00\a\b\f\n\r\t\v"`},
		{`"\x41g \x1F600 \u0041 \U0001F600 \uD83D\uDE00"`, `str:"Ag ὠ0 A 😀 😀"`},
		{`"\uD83D" "\uDE00x" "\uD83Dx"`, `str:"�" str:"�x" str:"�x"`},
		{`"\d" "\xg" "\u12" "\U00110000"`, `str:"d" str:"�g" str:"�" str:"�" !1 unknown escape sequence '\d'; write '\\d', or a verbatim string @"…" !6 the escape sequence needs hexadecimal digits !12 the escape sequence needs 4 hexadecimal digits !19 U+110000 is not a character; the last is U+10FFFF`},
		{"@\"a\n\\\"\"b\"", `str:"a\n\\\"b"`},
		{`@""""`, `str:"\""`},
		{`'a' '\'' '"' '\u0041' '\uD83D' ' '`, "char:0061 char:0027 char:0022 char:0041 char:D83D char:0020"},
		{`'' 'ab' '😀'`, `char:0000 char:0061 char:D83D !0 empty character literal !3 more than one character between single quotes; strings are written with " !8 more than one character between single quotes; strings are written with "`},
		{"\"a\nb", `str:"a" b !0 string is not closed on its line; strings over several lines are written @"…"`},
		{"'a\nb", `char:0000 b !0 character is not closed; strings are written with "`},
		{`"a\`, `str:"a\\" !0 string is not closed`},
		{`@"a`, `str:"a" !0 string is not closed; inside @"…" a quote is written twice`},
		{`a /* b`, `a !2 comment is not closed; '*/' expected`},

		// Operators.
		{"a<<=b<<c??d::e=>f->g>>h>=i", "a <<= b << c ?? d :: e => f -> g > > h >= i"},
		{"++--&&||==!=<=+=-=*=/=%=&=|=^=~!", "++ -- && || == != <= += -= *= /= %= &= |= ^= ~ !"},
		{"List<List<int>>", "List < List < int > >"},

		// Interpolated strings.
		{`$"" $"a" $@"b"`, `$" " $" text:"a" " $@" text:"b" "`},
		{`$"{{x}} {a}{b}!"`, `$" text:"{x} " { a } { b } text:"!" "`},
		{`$"x={d["y"]}z"`, `$" text:"x=" { d [ str:"y" ] } text:"z" "`},
		{`$"{a,-5:N2}{b:}}}"`, `$" { a , - int:5 format:"N2" } { b format:"}" } "`},
		{`$"{(a ? b : c)}{new[]{1}.Length}{x.Select(y => { return y; })}"`, `$" { ( a ? b : c ) } { new [ ] { int:1 } . Length } { x . Select ( y => { return y ; } ) } "`},
		{`$"{$"{a}"}"`, `$" { $" { a } " } "`},
		{`$"\u007b\n{a}"`, `$" text:"{\n" { a } "`},
		{"$@\"a\\\n\"\"{b // c\n}\"", `$@" text:"a\\\n\"" { b } "`},
		{`$@"{a:""x""}"`, `$@" { a format:"\"x\"" } "`},
		{`@$"{a}"`, `@$" { a } " !0 @$"…" needs C# 8; write $@"…"`},
		{`$"a}b"`, `$" text:"a}b" " !3 '}' in an interpolated string must be written twice`},
		{"$\"a\nb", `$" text:"a" b !0 interpolated string is not closed on its line; strings over several lines are written $@"…"`},
		{"$\"{a\n}", `$" { a } !0 interpolated string is not closed on its line; strings over several lines are written $@"…"`},
		{`$"{a`, `$" { a !0 interpolated string is not closed`},
		{`$@"a`, `$@" text:"a" !0 interpolated string is not closed`},
		{`$"{a ? "b" : "c"}"`, `$" { a ? str:"b" format:" " " c str:"}" !11 '}' expected; a conditional expression inside an interpolated string needs parentheses`},
		{`$"{a:{}"`, `$" { a format:"{" } " !5 '{' is not expected in a format`},
		{`$"{a:}"`, `$" { a format:"" } " !4 empty format`},

		// What begins no token.
		{"“a” ‘", "invalid:“ a invalid:” invalid:‘ !0 typographic quote “; write \" !4 typographic quote ”; write \" !8 typographic quote ‘; write '"},
		{"#if \u200b \xff @1 $x", "invalid:# if invalid:\u200b invalid:\xff invalid:@ int:1 invalid:$ x !0 '#' is not expected here; expressions have no preprocessor directives !4 invisible character U+200B !8 invalid UTF-8 !10 '@' is not expected here !13 '$' is not expected here"},
		{"a @(b)", "a invalid:@ ( b ) !2 an expression cannot contain another one; write the code without '@'"},
	} {
		if diff := cmp.Diff(c.want, show(c.src)); diff != "" {
			t.Errorf("%s\n%s", c.src, diff)
		}
	}
}

func TestTokenPlaces(t *testing.T) {
	src := `a + $"é{@b:N}" == 1.5m`
	s := NewScanner(src, 0)
	var got []string
	for tok := s.Next(); tok.Kind != EOF; tok = s.Next() {
		got = append(got, src[tok.Start:tok.End])
	}
	want := []string{"a", "+", `$"`, "é", "{", "@b", ":N", "}", `"`, "==", "1.5m"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKindHasAName(t *testing.T) {
	for k := EOF; k <= InterpEnd; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	s := NewScanner(strings.Repeat("#", 1000), 0)
	for s.Next().Kind != EOF {
	}
	if n := len(s.Errors()); n != maxErrors {
		t.Errorf("%d errors kept, want %d", n, maxErrors)
	}
}
