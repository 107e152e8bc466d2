package policyxml

import (
	"fmt"
	"testing"
)

// The shapes that public policy documents are known for, in our own words.
func TestRealWorldShapes(t *testing.T) {
	for name, c := range map[string]struct {
		text        string
		expressions int
	}{
		"references beside raw quotes": {`<a><set-variable name="x" value="@(d[&quot;k&quot;] == null &amp;&amp; n &lt; 3 ? &quot;a&amp;b&quot; : "c")" />` +
			`<set-body>@("p&amp;q" + d["k"])</set-body></a>`, 2},
		"box drawing and code in comments": {"<a><!-- ┌─┐ @(x == \"1\" && y < 2) <b attr=\"@(\" -->\n<base/></a>", 0},
		"retry condition":                  {`<retry condition="@(context.Response != null && (context.Response.StatusCode == 429 || context.Response.StatusReason.Contains("pool")))" count="3" interval="0"/>`, 1},
		"streaming check":                  {`<when condition="@(context.Request.Body.As<JObject>(true)["stream"] != null && context.Request.Body.As<JObject>(true)["stream"].Type != JTokenType.Null)"/>`, 1},
		"HTML in a verbatim string": {"<set-body template=\"none\">@{\n  return $@\"<html lang=\"\"en\"\"><body class='x'>{(ok ? \"yes\" : \"no\")} {{\"\n" +
			"       + \"</set-body>\" + '\"' + ')';\n}</set-body>", 1},
		"named value in a numeric attribute": {`<send-request timeout="{{t}}" mode="copy" id="@(Math.Min(5, {{n}}))"/>`, 1},
		"named value as operand":             {`<set-variable name="i" value="@(new Random().Next(1, 100) % {{Instance-Count}} &lt;= 1)"/>`, 1},
		"named value where C# has an escape": {`<value>@($"{{Cookie.Prefix}}={x["y"]}; Path=/")</value>`, 1},
		"blank lines before the block":       {"<log-to-eventhub logger-id=\"l\">\n\n\t@{\n\t\treturn new JObject(new JProperty(\"a\", 'b')).ToString();\n\t}\n</log-to-eventhub>", 1},
		"local function, try and foreach": {"<set-body>@{\n  string f(string s) { return s?.Trim() ?? \"}\"; }\n  try { foreach (var h in r.Headers) { f(h.Key); } }\n" +
			"  catch (Exception e) { /* it's fine ) */ }\n  return f(\"(\"); // don't\n}</set-body>", 1},
		"lambda and regular expression": {`<when condition="@(l.Any(p => Regex.IsMatch(p, @"^\((\d+)""\)$") && p.Length > 3))"/>`, 1},
		"liquid":                        {`<set-body template="liquid">{%- assign x = context.Variables['a'] -%}{"a": "{{body.a}}", "b": {{ x }}}</set-body>`, 0},
		"empty and single-quoted":       {`<set-status code='200' reason=""/>`, 0},
		"header name as expression":     {"<set-header name=\"@(\"X-\" + i)\" exists-action=\"delete\" />", 1},
		"attribute over several lines":  {"<when condition=\"@{\n  // the caller's choice\n  if (a > b) { return true; }\n  return x == \"y\";\n}\">\n<base /></when>", 1},
	} {
		n, fs := Read(Document{Text: c.text})
		if len(fs) > 0 {
			t.Errorf("%s: %v", name, fs)
			continue
		}
		if got := count(n); got != c.expressions {
			t.Errorf("%s: %d expressions, want %d\n%s", name, got, c.expressions, dump(n))
		}
	}
}

func count(n *Node) int {
	k := 0
	if n.Kind == Element && n.Expression() {
		k++
	}
	for _, a := range n.Attrs {
		k += b2i(a.Expression)
	}
	for _, c := range n.Elements() {
		k += count(c)
	}
	return k
}

func BenchmarkRead(b *testing.B) {
	text := "<policies><inbound>"
	for i := range 200 {
		text += fmt.Sprintf("\n\t<set-header name=\"X-%d\" exists-action=\"override\">\n\t\t<value>@(context.Variables[\"v\"] + \"&amp;\")</value>\n\t</set-header>", i)
	}
	text += "</inbound></policies>"
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, fs := Read(Document{Text: text}); fs != nil {
			b.Fatal(fs)
		}
	}
}
