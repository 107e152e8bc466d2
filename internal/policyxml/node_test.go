package policyxml

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

func read(t *testing.T, f Format, text string) *Node {
	t.Helper()
	n, fs := Read(Document{Text: text, File: "p.xml", Format: f})
	if fs.HasErrors() {
		t.Fatalf("%s: %v", text, fs)
	}
	return n
}

func at(line, col int) diag.Pos { return diag.Pos{File: "p.xml", Line: line, Col: col} }

func TestPositions(t *testing.T) {
	n := read(t, RawXML, "\uFEFF<a>\r\n  <é b = 'x'\r  cc=\"y\"/>\n\ttext <!-- c --><![CDATA[d]]></a>")
	e := n.Child("é")
	got := []diag.Pos{n.Pos, e.Pos, e.Attr("b").Pos, e.Attr("b").ValuePos, e.Attr("cc").Pos, e.Attr("cc").ValuePos}
	for _, c := range n.Children[1:] {
		got = append(got, c.Pos)
	}
	want := []diag.Pos{at(1, 1), at(2, 3), at(2, 6), at(2, 11), at(3, 3), at(3, 7), at(4, 2), at(4, 7), at(4, 26)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAtLeadsBackThroughReferences(t *testing.T) {
	text := "<a b=\"@(&quot;é&quot; + x)\">\r\n  @(1 &lt;\r\n  y)</a>"
	for _, f := range []Format{RawXML, XML} {
		n := read(t, f, text)
		b := n.Attr("b")
		if got := b.At(len(`@("é" + `)); got != at(1, 25) {
			t.Errorf("x is at %v", got)
		}
		if got := n.At(len("\n  @(1 <\n  ")); got != at(3, 3) {
			t.Errorf("y is at %v", got)
		}
		if got := n.At(1000); got != at(3, 5) {
			t.Errorf("beyond the end: %v", got)
		}
	}
	n := read(t, RawXML, "<a>\n<![CDATA[p\r\n&lt;]]></a>")
	if got := n.At(len("\np\n&")); got != at(3, 2) {
		t.Errorf("inside CDATA: %v", got)
	}
	n = read(t, RawXML, "<a>\n <b/>x</a>")
	if got := n.At(2); got != at(2, 2) {
		t.Errorf("inside markup: %v", got)
	}
	if got := (&Node{Pos: at(7, 8)}).At(3); got != at(7, 8) {
		t.Errorf("hand-made node: %v", got)
	}
}

func TestLookups(t *testing.T) {
	n := read(t, RawXML, `<a p="1" q="2">x<b/><!-- y --><c i="1"/><c i="2"/>z</a>`)
	if got := len(n.Elements()); got != 3 {
		t.Errorf("%d elements", got)
	}
	if n.Child("c").Attr("i").Value != "1" || n.Child("d") != nil || n.Attr("q").Value != "2" || n.Attr("r") != nil {
		t.Error("wrong child or attribute")
	}
	if got := n.InnerText(); got != "xz" {
		t.Errorf("InnerText %q", got)
	}
	if got := n.Children[0].InnerText(); got != "x" {
		t.Errorf("InnerText of text %q", got)
	}
}

func TestContent(t *testing.T) {
	for _, c := range []struct {
		text, want string
		pos        diag.Pos
	}{
		{"<a></a>", "", at(1, 4)},
		{"<a/>", "", at(1, 5)},
		{"<a>\n  {\"x\": &lt;&amp;}\n</a>", "\n  {\"x\": <&}\n", at(2, 3)},
		{"<a>p<!-- c -->q</a>", "pq", at(1, 4)},
		{"<a><![CDATA[<p/>]]></a>", "<p/>", at(1, 13)},
		{"<a>\n<soap:e>x &amp; y</soap:e><!-- c -->\n</a>", "\n<soap:e>x &amp; y</soap:e><!-- c -->\n", at(2, 1)},
	} {
		got, pos := read(t, RawXML, c.text).Content()
		if got != c.want || pos != c.pos {
			t.Errorf("%s: %q at %v, want %q at %v", c.text, got, pos, c.want, c.pos)
		}
	}
}

func TestExpressionIsTheWholeContent(t *testing.T) {
	for text, want := range map[string]bool{
		"<a>@(1)</a>":                        true,
		"<a>\n @{ return 1; }\n</a>":         true,
		"<a>@(1) @(2)</a>":                   false,
		"<a>x @(1)</a>":                      false,
		"<a>@(1)<b/></a>":                    false,
		"<a><!-- x -->@(1)<!-- y --></a>":    true,
		"<a>@(1)<!-- x -->@(2)</a>":          false,
		"<a>@(1)<!-- x -->y</a>":             false,
		"<a> <![CDATA[ @(1 < \"\") ]]> </a>": true,
		"<a><![CDATA[@(1) x]]></a>":          false,
		"<a/>":                               false,
		"<a>@{{x}}</a>":                      false,
	} {
		for _, f := range []Format{RawXML, XML} {
			if got := read(t, f, text).Expression(); got != want {
				t.Errorf("%s: %v", text, got)
			}
		}
	}
	if n := read(t, RawXML, "<a>@(1)</a>"); !n.Children[0].Expression() {
		t.Error("the text node itself is an expression too")
	}
}

func TestIsExpression(t *testing.T) {
	for text, want := range map[string]bool{
		"@(1)": true, " \n@{ return 1; }\t": true, "@({{x}})": true, `@("\d")`: true,
		"": false, "x": false, "@": false, "@(1": false, "@(1) x": false, "x @(1)": false, "@(1)@(2)": false, "@{{x}}": false,
	} {
		if got := IsExpression(text); got != want {
			t.Errorf("IsExpression(%q) = %v", text, got)
		}
	}
}

func TestPosition(t *testing.T) {
	text := "a\né\r\nx\ry"
	var got [][2]int
	for _, off := range []int{-1, 0, 1, 2, 4, 6, 7, 8, 100} {
		line, col := Position(text, off)
		got = append(got, [2]int{line, col})
	}
	want := [][2]int{{1, 1}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 1}, {3, 2}, {4, 1}, {4, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
