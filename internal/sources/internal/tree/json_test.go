package tree

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

func TestParseJSONErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{``, "f:1:1 the file is empty, a JSON value is expected"},
		{" \n ", "f:2:2 the file is empty, a JSON value is expected"},
		{`{"a": 1,}`, "f:1:8 the comma after the last entry must go"},
		{"[1,\n 2\n 3]", "f:3:2 unexpected '3', ',' or ']' is expected"},
		{`{"é": tru}`, "f:1:7 unexpected 't', a JSON value is expected"},
		{"// hello\n{}", "f:1:1 JSON has no comments"},
		{`{a: 1}`, "f:1:2 unexpected 'a', a property name in double quotes is expected"},
		{`{"a" 1}`, "f:1:6 unexpected '1', ':' is expected after the property name"},
		{"{\"a\": \"x\n\"}", "f:1:7 the text is not closed on its line"},
		{`"abc`, "f:1:1 the text is not closed"},
		{`{"a": 01}`, "f:1:8 unexpected '1', ',' or '}' is expected"},
		{`-`, "f:1:2 a digit is expected after '-'"},
		{`1.`, "f:1:3 a digit is expected after the decimal point"},
		{`"\x"`, `f:1:2 unknown escape; JSON knows \" \\ \/ \b \f \n \r \t \uXXXX`},
		{"\"a\xff\"", "f:1:3 the file is not UTF-8 here"},
		{"{} {}", "f:1:4 unexpected '{' after the end of the JSON value"},
		{strings.Repeat("[", 200), "f:1:101 nested more than 100 levels deep"},
		{`{"a": 1`, "f:1:8 unexpected end of file, ',' or '}' is expected"},
	}
	for _, tt := range tests {
		var out diag.List
		n := ParseJSON([]byte(tt.in), "f", "", &out)
		if n != nil || len(out) != 1 {
			t.Errorf("%q: got node %v and findings %v", tt.in, n, out)
			continue
		}
		if got := out[0].Pos.String() + " " + out[0].Message; got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestParseJSONPositionsAndEncoding(t *testing.T) {
	var out diag.List
	n := ParseJSON([]byte("\xef\xbb\xbf{\n  \"ä\": [true, null, -1.5e3],\n  \"b\": \"\\ud83d\\ude00\\u00e9\\/\"\n}\n"), "f", "", &out)
	if len(out) > 0 {
		t.Fatal(out)
	}
	if got, want := string(n.JSON()), `{"ä":[true,null,-1.5e3],"b":"😀é/"}`; got != want {
		t.Errorf("JSON: got %s, want %s", got, want)
	}
	got := []string{n.Members[0].Pos.String(), n.Get("ä").Items[2].Pos.String(), n.Get("b").Pos.String()}
	if diff := cmp.Diff([]string{"f:2:3", "f:2:21", "f:3:8"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseJSONDuplicate(t *testing.T) {
	var out diag.List
	n := ParseJSON([]byte(`{"a":1,"a":2}`), "f", "", &out)
	if string(n.JSON()) != `{"a":2}` || len(out) != 1 || out[0].Code != diag.SourceDuplicate || out[0].Col != 8 {
		t.Errorf("got %s and %v", n.JSON(), out)
	}
}

// FuzzParseJSON holds the reader against the standard library: both accept the
// same documents and agree on their meaning.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u00e9\ud83d\ude00",null,true]}`, `{"a":1,"a":2}`, `[[[[]]]]`, `"\ud800"`, `{"":{}}`, "\t1 ", "{,}", `-0.0E+1`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out diag.List
		n := ParseJSON(data, "f", "", &out)
		if n == nil {
			if !out.HasErrors() || out[0].Line < 1 || out[0].Col < 1 {
				t.Fatalf("refused without a position: %v", out)
			}
		}
		plain := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		valid := json.Valid(plain) && utf8.Valid(plain)
		if n != nil && !valid {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
		if n == nil && valid && !strings.Contains(out[0].Message, "nested") {
			t.Fatalf("refused JSON: %q: %v", data, out)
		}
		if n == nil {
			return
		}
		var want, got any
		if json.Unmarshal(plain, &want) != nil {
			return // numbers out of range
		}
		if err := json.Unmarshal(n.JSON(), &got); err != nil {
			t.Fatalf("encoding is not JSON: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
