package policyxml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

// dump writes a tree on one line: elements as name[attrs](children), texts in
// quotes, comments in <>; an '@' stands before what is an expression.
func dump(n *Node) string {
	if n == nil {
		return "nothing"
	}
	mark := map[bool]string{true: "@"}
	switch n.Kind {
	case Text:
		return fmt.Sprintf("%s%q", mark[n.Expr], n.Text)
	case Comment:
		return "<" + n.Text + ">"
	}
	s := n.Name
	for i, a := range n.Attrs {
		s += fmt.Sprintf("%s%s=%s%q", []string{" ", "["}[b2i(i == 0)], a.Name, mark[a.Expression], a.Value)
	}
	if len(n.Attrs) > 0 {
		s += "]"
	}
	var kids []string
	for _, c := range n.Children {
		kids = append(kids, dump(c))
	}
	if kids != nil {
		s += "(" + strings.Join(kids, " ") + ")"
	}
	return s
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func findings(fs diag.List) string {
	var out []string
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%d:%d %s %s", f.Line, f.Col, f.Code, f.Message))
	}
	return strings.Join(out, "\n")
}

type readCase struct {
	text string
	tree string
	bad  string // findings, one a line
}

func check(t *testing.T, format Format, cases []readCase) {
	t.Helper()
	for _, c := range cases {
		n, fs := Read(Document{Text: c.text, Format: format})
		if diff := cmp.Diff(c.bad, findings(fs)); diff != "" {
			t.Errorf("%.200s\nfindings:\n%s", c.text, diff)
		}
		if got := dump(n); c.tree != "" && got != c.tree {
			t.Errorf("%.200s\n got %.200s\nwant %.200s", c.text, got, c.tree)
		}
	}
}

func TestWellFormed(t *testing.T) {
	cases := []readCase{
		{text: "\uFEFF<?xml version='1.0' encoding=\"utf-8\"?>\r\n<!-- top --><policies>\r\n\t<inbound>\r\n\t\t<base />\n</inbound></policies>\n<!-- end -->", tree: `policies(inbound(base))`},
		{text: `<a b='x "y"' c="it's" ><d/>text<e></e></a>`, tree: `a[b="x \"y\"" c="it's"](d "text" e)`},
		{text: `<a b="&lt;&#65;&#x42;&quot;&amp;amp;&apos;">&gt;&#10;</a>`, tree: `a[b="<AB\"&amp;'"](">\n")`},
		{text: "<a b=\"x\r\n\ty&#10;z\">p\r\nq\rr</a>", tree: `a[b="x  y\nz"]("p\nq\nr")`},
		{text: `<a><![CDATA[<b>&amp;]]></a>`, tree: `a("<b>&amp;")`},
		{text: "<a>\n<![CDATA[@(x < \"y\")]]>\n</a>", tree: `a("\n" @"@(x < \"y\")" "\n")`},
		{text: `<a><!-- @(" <b> don't {{x}} & --><c/></a>`, tree: `a(< @(" <b> don't {{x}} & > c)`},
		{text: `<soap:a xmlns:soap="urn:x" soap:b="1"><ü-1.x/></soap:a>`, tree: `soap:a[xmlns:soap="urn:x" soap:b="1"](ü-1.x)`},
		{text: "<a\n\tb = \"1\"\n\tc= '2'\n/>", tree: `a[b="1" c="2"]`},
		{text: `<a>  </a>`, tree: `a("  ")`},
		{text: `<a b="@(1)" c=" @{ return 1; } " d="x@y (z)">@("x")</a>`, tree: `a[b=@"@(1)" c=@" @{ return 1; } " d="x@y (z)"](@"@(\"x\")")`},
		{text: "<a b=\"@(x(\n&quot;)&quot;) // c\n)\">\n  @(x &lt; 1 &amp;&amp; y)\n</a>", tree: `a[b=@"@(x(\n\")\") // c\n)"](@"\n  @(x < 1 && y)\n")`},
		{text: `<a b='@("x" + "y")'/>`, tree: `a[b=@"@(\"x\" + \"y\")"]`},
		{text: `<a b="{{x}}" c="user@{{domain}}" d="@{{x}}" e="@({{2nd-try}} % {{n}} + 1)"/>`, tree: `a[b="{{x}}" c="user@{{domain}}" d="@{{x}}" e=@"@({{2nd-try}} % {{n}} + 1)"]`},
	}
	check(t, RawXML, cases)
	check(t, XML, cases)
}

func TestRawXML(t *testing.T) {
	check(t, RawXML, []readCase{
		// Raw quotes, tags and ampersands inside expressions.
		{text: `<a b="@(x["y"] == "z" && p < q)" c='@('"')'/>`, tree: `a[b=@"@(x[\"y\"] == \"z\" && p < q)" c=@"@('\"')"]`},
		{text: `<a b="@(Body.As<JObject>(true)["x"])">@{ return As<T>().Where(y => y != "</a>") && z; }</a>`, tree: `a[b=@"@(Body.As<JObject>(true)[\"x\"])"](@"@{ return As<T>().Where(y => y != \"</a>\") && z; }")`},
		{text: `<a>@($"{{Cookie}}={x["}"]}; &amp; &nbsp; &x=1")</a>`, tree: `a(@"@($\"{{Cookie}}={x[\"}\"]}; & &nbsp; &x=1\")")`},
		{text: "<a>\n<!-- note -->\n@(1)\n</a>", tree: `a("\n" < note > @"\n@(1)\n")`},
		{text: "<a b=\"@{\r\n // don't \"\r\n return @\"x\r\ny\";\r\n}\"/>", tree: `a[b=@"@{\n // don't \"\n return @\"x\ny\";\n}"]`},
		{text: `<a b="@(&quot;a" + "b&quot;)"/>`, tree: `a[b=@"@(\"a\" + \"b\")"]`},

		// The whole-value rule.
		{`<a b="Bearer @(x)">Hello @("x")</a>`, `a[b="Bearer @(x)"]("Hello @(\"x\")")`,
			"1:14 SP1204 Literal text and an expression stand side by side; nothing here is evaluated.\n" +
				"1:26 SP1204 Literal text and an expression stand side by side; nothing here is evaluated."},
		{`<a b="Bearer @(x["y"])" c="@("x") world" d="@(1) @(2)"/>`, `a[b="Bearer @(x[\"y\"])" c="@(\"x\") world" d="@(1) @(2)"]`,
			"1:14 SP1204 Literal text and an expression stand side by side; nothing here is evaluated.\n" +
				"1:28 SP1204 Literal text and an expression stand side by side; nothing here is evaluated.\n" +
				"1:45 SP1204 Literal text and an expression stand side by side; nothing here is evaluated."},
		{`<a>Hi @(As<T>()) and @(p < q)!</a>`, `a("Hi @(As<T>()) and @(p < q)!")`,
			"1:7 SP1204 Literal text and an expression stand side by side; nothing here is evaluated."},
		{`<a>@(x) world</a>`, `a("@(x) world")`, "1:4 SP1204 Literal text and an expression stand side by side; nothing here is evaluated."},
		{text: `<a b="me@(home" c="x)">mail me@(home</a>`, tree: `a[b="me@(home" c="x)"]("mail me@(home")`},

		// Errors inside an expression; reading goes on behind it.
		{`<a><b c="@("x\d")"/><d/></a>`, `a(b[c=@"@(\"x\\d\")"] d)`, `1:14 SP1203 unknown escape sequence '\d'; write '\\d', or a verbatim string @"…"`},
		{"<a>\n<b c=\"@(f(x)\"/>\n<d/></a>", `a(b[c="@(f(x)"] d)`, "2:13 SP1203 string is not closed on its line; strings over several lines are written @\"…\""},
		{"<a>\n<b c='@(f(x' />\n<d/></a>", `a(b[c="@(f(x"] d)`, "2:12 SP1203 character is not closed; strings are written with \""},
		{"<a><b>@{ return f(x; }</b><d/></a>", `a(b("@{ return f(x; }") d)`, "1:22 SP1203 ')' expected, not '}'"},
		{"<a><b>@{ return x; </b><d/></a>", `a(b("@{ return x; ") d)`, "1:19 SP1203 '}' expected"},
		{"<a><b>@(x <!-- no --> )</b><d/></a>", `a(b("@(x <!-- no --> )") d)`, "1:11 SP1203 an XML comment cannot stand inside an expression; use // or /* */"},
		{`<a><b c="@(1)) + ""/><d/></a>`, `a(b[c="@(1)) + \""] d)`, "1:14 SP1203 Nothing may follow the expression; \" expected."},
	})
}

func TestNotWellFormed(t *testing.T) {
	check(t, RawXML, []readCase{
		{text: "", tree: "nothing", bad: "1:1 SP1201 Root element is missing."},
		{text: "  <!-- only --> ", tree: "nothing", bad: "1:1 SP1201 Root element is missing."},
		{text: "text", tree: "nothing", bad: "1:1 SP1201 Data at the root level is invalid: text outside the root element."},
		{text: "<a/>\n x", bad: "2:2 SP1201 Data at the root level is invalid: text outside the root element."},
		{text: "<a/><![CDATA[x]]>", bad: "1:5 SP1201 Data at the root level is invalid: text outside the root element."},
		{text: "<inbound/>\n<backend/>", bad: "2:1 SP1201 There are multiple root elements: <backend> after <inbound>."},
		{text: "<a><b></a>", tree: "a(b)", bad: "1:7 SP1205 The 'b' start tag on line 1 position 4 does not match the end tag of 'a'."},
		{text: "<a><inbound><b/></inbond><c/></a>", tree: "a(inbound(b) c)", bad: "1:17 SP1205 The 'inbound' start tag on line 1 position 4 does not match the end tag of 'inbond'."},
		{text: "<a></a></b>", bad: "1:8 SP1205 The end tag </b> closes no element."},
		{text: "<a>\n<b>\n", tree: `a(b("\n"))`, bad: "2:1 SP1205 The element 'b' is not closed."},
		{text: "<a", bad: "1:1 SP1205 The tag <a is not closed; '>' expected."},
		{text: "<a></a", bad: "1:7 SP1205 The end tag of 'a' is malformed; '>' expected."},
		{text: "<a></></a>", bad: "1:4 SP1205 '</' is not followed by a name."},
		{text: "<a\n<b/></a>", tree: "a(b)", bad: "2:1 SP1205 '<' is an unexpected token. '>' expected at the end of <a."},
		{text: "<a>1 < 2</a>", tree: `a("1 " " 2")`, bad: "1:6 SP1201 '<' begins no tag here."},
		{text: "<a><b c/><d/></a>", tree: "a(b d)", bad: "1:7 SP1206 The attribute 'c' has no value; '=' expected."},
		{text: "<a><b c=1 /><d/></a>", tree: "a(b d)", bad: "1:9 SP1206 The value of the attribute 'c' must stand in quotes."},
		{text: `<a b="x"c="y"/>`, bad: "1:9 SP1206 'c' is an unexpected token. Expecting white space."},
		{text: `<a b="x" ="y"/>`, bad: "1:10 SP1206 '=' is an unexpected token. An attribute name, '/>' or '>' expected."},
		{text: "<a>\n<b c=\"x />\n<d/></a>", tree: "a(b d)", bad: "2:6 SP1206 The value of the attribute 'c' is not closed; \" expected."},
		{text: `<a b="1" b="2"/>`, tree: `a[b="1"]`, bad: "1:10 SP1207 'b' is a duplicate attribute name."},
		{text: `<a b="p & q">x &nbsp; y &#0; &x=1</a>`, tree: `a[b="p & q"]("x &nbsp; y &#0; &x=1")`,
			bad: "1:9 SP1202 An error occurred while parsing EntityName.\n1:16 SP1202 Reference to undeclared entity 'nbsp'.\n" +
				"1:25 SP1202 '&#0;' is no character that XML allows.\n1:30 SP1202 An error occurred while parsing EntityName."},
		{text: `<a b="x<y"/>`, tree: `a[b="x<y"]`, bad: "1:8 SP1206 '<' is not allowed in the literal value of the attribute 'b'."},
		{text: "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", tree: "nothing", bad: "1:1 SP1209 A document type declaration is not allowed."},
		{text: "<a><!-- x </a>", bad: "1:4 SP1201 The comment is not closed; '-->' expected."},
		{text: "<a><![CDATA[ x </a>", bad: "1:4 SP1201 The CDATA section is not closed; ']]>' expected."},
		{text: "<?xml <a/>", bad: "1:1 SP1201 The processing instruction is not closed; '?>' expected."},
		{text: "<a><!-- i--; --></a>", tree: "a(< i--; >)", bad: "1:10 SP1211 An XML comment cannot contain '--'; Azure may refuse the document."},
		{text: "<a>\x01</a>", tree: "nothing", bad: "1:4 SP1208 The character U+0001 is not allowed in XML."},
		{text: "<a>\né\xff</a>", tree: "nothing", bad: "2:2 SP1208 Byte 0xFF is not UTF-8 text."},
		{text: "\xff\xfe<\x00a\x00", tree: "nothing", bad: "1:1 SP1208 The document is UTF-16."},
		{text: "<a>\n<b c=\"x />\n<d e=\"y\"/></a>", tree: `a(b d[e="y"])`, bad: "2:6 SP1206 The value of the attribute 'c' is not closed; \" expected."},
		// Several at once.
		{text: "<a>\n<b c=1/>\n<d e='&x'/>\n<f>@(\"x)</f>\n</a>", tree: `a(b d[e="&x"] f("@(\"x)"))`,
			bad: "2:6 SP1206 The value of the attribute 'c' must stand in quotes.\n3:7 SP1202 An error occurred while parsing EntityName.\n" +
				"4:6 SP1203 string is not closed on its line; strings over several lines are written @\"…\""},
	})
}

func TestStrictXML(t *testing.T) {
	check(t, XML, []readCase{
		{text: `<a b="@(x["y"])"/>`, bad: "1:12 SP1206 'y' is an unexpected token. Expecting white space."},
		{text: `<a>@(p && q)</a>`, bad: "1:8 SP1202 An error occurred while parsing EntityName.\n1:9 SP1202 An error occurred while parsing EntityName."},
		{text: `<a b="@(As<T>())"/>`, bad: "1:11 SP1206 '<' is not allowed in the literal value of the attribute 'b'."},
		{text: `<a>@(As<T>())</a>`, bad: "1:14 SP1205 The 'T' start tag on line 1 position 8 does not match the end tag of 'a'."},
		{text: `<a><!-- i-- --></a>`, bad: "1:10 SP1201 An XML comment cannot contain '--'."},
		// Only a well-formed document has its expressions looked at.
		{text: `<a b="@(">&</a>`, bad: "1:11 SP1202 An error occurred while parsing EntityName."},
		{`<a b="@(f(&quot;x)"><c>@{ return 1</c></a>`, `a[b="@(f(\"x)"](c("@{ return 1"))`,
			"1:11 SP1203 string is not closed\n1:35 SP1203 '}' expected"},
		{`<a b="x @(1)" c="@(1) y"><![CDATA[z @(2)]]></a>`, `a[b="x @(1)" c="@(1) y"]("z @(2)")`,
			"1:9 SP1204 Literal text and an expression stand side by side; nothing here is evaluated.\n" +
				"1:18 SP1204 Literal text and an expression stand side by side; nothing here is evaluated.\n" +
				"1:37 SP1204 Literal text and an expression stand side by side; nothing here is evaluated."},
	})
}

func TestLimits(t *testing.T) {
	check(t, RawXML, []readCase{
		{text: strings.Repeat("x", MaxBytes+1), tree: "nothing", bad: "1:1 SP1200 Policy size exceeds allowed limit of 256 KB"},
		{text: strings.Repeat("<a>", 101), bad: "1:301 SP1210 Elements are nested more than 100 deep."},
		{text: "<a>" + strings.Repeat("<b/>", 50_000), bad: "1:200000 SP1210 The document has more than 50000 elements, texts and comments."},
	})
	var attrs strings.Builder
	for i := range 201 {
		fmt.Fprintf(&attrs, " a%d=''", i)
	}
	check(t, RawXML, []readCase{{text: "<a" + attrs.String() + "/>", bad: "1:1494 SP1210 The element 'a' has more than 200 attributes."}})
	if _, fs := Read(Document{Text: "<a>" + strings.Repeat("& ", 60) + "</a>"}); len(fs) != 51 || fs[50].Code != diag.PolicyReadStopped {
		t.Errorf("%d findings, last %v", len(fs), fs[len(fs)-1])
	}
	n, fs := Read(Document{Text: "<a>" + strings.Repeat("<b>x @(1)</b>", 60) + "</a>"})
	if len(fs) != 50 || fs.HasErrors() || len(n.Children) != 60 {
		t.Errorf("%d findings, %d elements: warnings must not stop reading", len(fs), len(n.Children))
	}
}

func TestHints(t *testing.T) {
	for text, want := range map[string]string{
		"<a>&</a>":           "write &amp; for the character '&' itself",
		"<a>\n @(f(1)</a>":   "the bracket that it closes opens at 2:3",
		`<a b="x"y"/>`:       "the value of 'b' ended just before; write a quote inside a value as &quot;",
		"<a><b></a>":         "close <b> first, or correct the name",
		`<a b="@(1)) + ""/>`: "a bracket or quote before this place may be missing or superfluous",
	} {
		_, fs := Read(Document{Text: text})
		if len(fs) == 0 || fs[0].Hint != want {
			t.Errorf("%s: %v, want hint %q", text, fs, want)
		}
	}
}

func TestFindingsNameFileAndElement(t *testing.T) {
	_, fs := Read(Document{Text: "<a>\n<b c='&'/></a>", File: "p.xml"})
	want := diag.Finding{Code: diag.PolicyEntity, Pos: diag.Pos{File: "p.xml", Line: 2, Col: 7}, Path: "b",
		Message: "An error occurred while parsing EntityName.", Hint: "write &amp; for the character '&' itself"}
	if diff := cmp.Diff(diag.List{want}, fs); diff != "" {
		t.Error(diff)
	}
}
