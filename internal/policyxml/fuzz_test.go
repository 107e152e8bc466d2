package policyxml

import (
	"testing"

	"sallyport/internal/diag"
)

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"<policies>\r\n<inbound><base/></inbound></policies>",
		`<a b="@(x["y"])" c='@{ return "</a>"; }'>@(As<T>() && "&quot;")</a>`,
		`<a b="Bearer @(x["y"])">Hi @(p < q) {{n}}</a>`,
		`<a><value>@("latlong=""")</value><b c="@("latlong=""" + x)"/></a>`,
		`<a b="@("x) /><c d="&amp;&x;"/></a>`,
		`<when condition="@(context.Variables.ContainsKey("{{x}}") && (1 <= {{n-1}}))"/>`,
		`<a><!-- @(" -- --><![CDATA[@(1)]]>@($"{{x}}={a["b"]}")</b></a>`,
		"<a b='x\n<c>' d=\"\u00e9&#10;\"/>", "<!DOCTYPE a>", "\uFEFF<?xml?><a", "<a>&#x110000;</a>", "<a>@{ <!-- --> }</a>",
		`<set-body template="liquid">{% assign x = 1 %}{{body.x}} {{ context['a'] }}</set-body>`,
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		format := RawXML
		if strict {
			format = XML
		}
		root, fs := Read(Document{Text: text, Format: format})
		if root == nil && !fs.HasErrors() {
			t.Fatal("neither tree nor error")
		}
		last, col := Position(text, len(text))
		inside := func(p diag.Pos) {
			if p.Line < 1 || p.Col < 1 || p.Line > last || (p.Line == last && p.Col > col) {
				t.Fatalf("position %v outside of %d:%d", p, last, col)
			}
		}
		for _, f := range fs {
			inside(f.Pos)
			if f.Message == "" {
				t.Fatalf("empty message: %v", f)
			}
		}
		if root != nil {
			walk(t, root, inside, fs.HasErrors())
		}
	})
}

// walk visits what a caller may ask of a tree.
func walk(t *testing.T, n *Node, inside func(diag.Pos), broken bool) {
	inside(n.Pos)
	inside(n.At(0))
	_, pos := n.Content()
	inside(pos)
	for i := range n.Attrs {
		a := &n.Attrs[i]
		inside(a.Pos)
		inside(a.ValuePos)
		inside(a.At(len(a.Value)))
		if !broken && a.Expression != IsExpression(a.Value) {
			t.Fatalf("%q: expression %v", a.Value, a.Expression)
		}
	}
	if !broken && n.Kind == Text && n.Expr != IsExpression(n.Text) {
		t.Fatalf("%q: expression %v", n.Text, n.Expr)
	}
	for _, c := range n.Children {
		walk(t, c, inside, broken)
	}
}
