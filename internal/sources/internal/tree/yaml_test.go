package tree

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

func TestParseYAML(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `{}`},
		{"# nothing\n", `{}`},
		{"a: yes\nb: true\nc: ~\nd: 0x10\ne: .5\nf: 1_000\ng: 2024-10-21\nh: '1'\n", `{"a":"yes","b":true,"c":null,"d":16,"e":0.5,"f":1000,"g":"2024-10-21","h":"1"}`},
		{"base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n", `{"base":{"x":1,"y":2},"use":{"y":3,"x":1}}`},
		{"a: &x [1]\nb: *x\n", `{"a":[1],"b":[1]}`},
		{"t: |\n  one\n  two\n", `{"t":"one\ntwo\n"}`},
	}
	for _, tt := range tests {
		var out diag.List
		n := ParseYAML([]byte(tt.in), "f", "", &out)
		if len(out) > 0 {
			t.Errorf("%q: %v", tt.in, out)
			continue
		}
		if got := string(n.JSON()); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestParseYAMLErrors(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	tests := []struct{ in, want string }{
		{"a: [1, 2\nb: c", "f:2:2 did not find expected ',' or ']'"},
		{"a:\n\t- b", "f:2:1 found character that cannot start any token"},
		{"a: 1\na: 2", "f:2:1 key 'a' is written twice"},
		{"a: {{secrets/x/y}}", "f:1:5 a key must be a text; a value that starts with '{{' needs quotes"},
		{"x: &a {p: *a}", "f:1:11 alias '*a' contains itself"},
		{"--- 1\n--- 2\n", "f:2:5 the file holds more than one YAML document"},
		{"a: !thing x", "f:1:4 YAML tag '!thing' is not supported here"},
		{"a: .inf", "f:1:4 the number has no JSON form"},
		{"a: \xff", "f:1:1 the file is not UTF-8"},
		{bomb, "values once its aliases are followed"},
	}
	for _, tt := range tests {
		var out diag.List
		n := ParseYAML([]byte(tt.in), "f", "", &out)
		if n != nil || len(out) == 0 {
			t.Errorf("%.30q: got node %v and findings %v", tt.in, n, out)
			continue
		}
		if got := out[0].Pos.String() + " " + out[0].Message; !strings.HasSuffix(got, tt.want) {
			t.Errorf("%.30q:\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func FuzzParseYAML(f *testing.F) {
	for _, s := range []string{"a: &x {b: *x}", "a: [1, {b: c}]\n", "<<: {a: 1}\n", "? [a]\n: b", "a: !!binary x", "- - - -", "%YAML 1.2\n---\n{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out diag.List
		n := ParseYAML(data, "f", "", &out)
		if n == nil && !out.HasErrors() {
			t.Fatal("refused without a finding")
		}
		if n != nil && !json.Valid(n.JSON()) {
			t.Fatalf("no JSON form: %s", n.JSON())
		}
	})
}

func TestMergeKeepsPositions(t *testing.T) {
	var out diag.List
	base := ParseJSON([]byte(`{"a":{"x":1,"y":[1,2]},"b":true}`), "base", "", &out)
	over := ParseYAML([]byte("a:\n  y: [3]\n  z: new\n"), "over", "", &out)
	before := string(base.JSON())
	m := Merge(base, over)
	if got, want := string(m.JSON()), `{"a":{"x":1,"y":[3],"z":"new"},"b":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := m.Get("a").Get("y").Pos.String(); got != "over:2:6" {
		t.Errorf("position of the override: %s", got)
	}
	if got := string(base.JSON()); got != before {
		t.Errorf("Merge changed its argument: %s", got)
	}
	if diff := cmp.Diff([]string{"b"}, m.Without("a").Names()); diff != "" {
		t.Error(diff)
	}
}

func TestReader(t *testing.T) {
	var out diag.List
	n := ParseJSON([]byte(`{"s":5,"b":"yes","i":1.5,"l":{},"ls":["a",1],"o":"Activ","sub":{"x":[]},"serviceURL":"","nul":null}`), "f", "", &out)
	r := Read(n, "apis/x", &out)
	r.String("s")
	r.Bool("b", false)
	r.Int("i", 0)
	r.List("l")
	r.Strings("ls")
	r.OneOf("o", "", "active", "suspended")
	r.Sub("sub").String("x")
	r.Need("nul")
	r.Known("s", "b", "i", "l", "ls", "o", "sub", "nul", "serviceUrl")
	var got []string
	for _, f := range out {
		got = append(got, f.String())
	}
	want := []string{
		`f:1:6: error SP1105: property 's' must be a text, not a number (put the value in quotes)`,
		`f:1:12: error SP1105: property 'b' must be true or false, not a text`,
		`f:1:22: error SP1105: property 'i' must be a whole number`,
		`f:1:30: error SP1105: property 'l' must be a list, not an object`,
		`f:1:43: error SP1105: property 'ls[1]' must be a text, not a number`,
		`f:1:50: error SP1107: property 'o' must be one of active, suspended, not 'Activ' (did you mean 'active'?)`,
		`f:1:69: error SP1105: property 'sub.x' must be a text, not a list`,
		`f:1:95: error SP1106: property 'nul' is required`,
		`f:1:73: warning SP1109: property 'serviceURL' is not known (did you mean 'serviceUrl'?)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Filled text may stand for any scalar, and is never shown.
func TestReaderFilled(t *testing.T) {
	var out diag.List
	n := &Node{Kind: Object, Members: []Member{
		{Name: "b", Value: &Node{Kind: String, Text: "true", Filled: true}},
		{Name: "i", Value: &Node{Kind: String, Text: "7", Filled: true}},
		{Name: "o", Value: &Node{Kind: String, Text: "hunter2", Filled: true}},
	}}
	r := Read(n, "", &out)
	if !r.Bool("b", false) || r.Int("i", 0) != 7 || len(out) != 0 {
		t.Errorf("got %v %v %v", r.Bool("b", false), r.Int("i", 0), out)
	}
	r.OneOf("o", "", "x")
	r.Int("o", 0)
	r.Bool("o", false)
	for _, f := range out {
		if strings.Contains(f.String(), "hunter2") {
			t.Errorf("value shown: %s", f)
		}
	}
	if len(out) != 3 {
		t.Errorf("findings: %v", out)
	}
}
