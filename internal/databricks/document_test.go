package databricks

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"overwrite", `{"model":"x","a":1}`, `{"model":"M","a":1}`},
		{"any kind of value", `{"model" : {"a":[1]} ,"a":1}`, `{"model" : "M" ,"a":1}`},
		{"same value", `{ "model":"M" }`, `{ "model":"M" }`},
		{"insert", `{"a":1}`, `{"model":"M","a":1}`},
		{"insert keeps spaces", "{\n  \"a\": 1\n}", "{\"model\":\"M\",\n  \"a\": 1\n}"},
		{"insert into nothing", ` { } `, ` {"model":"M" } `},
		{"duplicates", `{"model":1,"a":1,"model":2,"a":2}`, `{"model":"M","a":1,"model":"M","a":2}`},
		{"escaped name", `{"mo\u0064el":1}`, `{"mo\u0064el":"M"}`},
		{"nested is not ours", `{"a":{"model":1,"usage_context":2},"model":3}`, `{"a":{"model":1,"usage_context":2},"model":"M"}`},
		{"other case is not ours", `{"Model":1,"model":3}`, `{"Model":1,"model":"M"}`},
		{"numbers stay", `{"model":1,"t":1.0E+02,"big":123456789012345678901234567890,"z":-0.0}`, `{"model":"M","t":1.0E+02,"big":123456789012345678901234567890,"z":-0.0}`},
		{"text stays", `{"model":1,"s":"\u00e9\/é"}`, `{"model":"M","s":"\u00e9\/é"}`},
		{"drop first", `{"client_request_id":"c","a":1,"model":2}`, `{"a":1,"model":"M"}`},
		{"drop middle", `{"a":1, "usage_context":{"k":"v"}, "model":2}`, `{"a":1, "model":"M"}`},
		{"drop last", `{"a":1,"model":2 , "usage_context":{} }`, `{"a":1,"model":"M" }`},
		{"drop two last", `{"model":2,"client_request_id":"c","usage_context":{}}`, `{"model":"M"}`},
		{"drop two first", `{"client_request_id":"c","usage_context":{},"model":2}`, `{"model":"M"}`},
		{"drop around", `{"client_request_id":"c","model":2,"usage_context":{}}`, `{"model":"M"}`},
		{"drop all, insert", `{"client_request_id":"c","usage_context":{}}`, `{"model":"M"}`},
		{"drop duplicates", `{"usage_context":1,"a":1,"usage_context":2,"usage_context":3}`, `{"model":"M","a":1}`},
		{"drop, keep, drop last", `{"usage_context":1,"a":1,"client_request_id":3}`, `{"model":"M","a":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := scanDocument([]byte(tt.in))
			if err != nil {
				t.Fatal(err.describe([]byte(tt.in)))
			}
			if diff := cmp.Diff(tt.want, string(d.rewrite([]byte(`"M"`)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScanDocumentRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "line 1, column 1: it ends where '{' was expected"},
		{"[]", "line 1, column 1 (byte 0): expected '{'"},
		{"{\"a\":1,\n \"b\":tru}", "line 2, column 9 (byte 16): expected 'true'"},
		{`{"a":1,}`, "line 1, column 8 (byte 7): expected a field name in double quotes"},
		{`{"a":1`, "line 1, column 7: it ends where ',' or '}' was expected"},
		{`{"a":01}`, "line 1, column 7 (byte 6): expected ',' or '}'"},
		{`{"a":1} x`, "line 1, column 9 (byte 8): expected nothing more"},
		{"{\"a\":\"\n\"}", "line 1, column 7 (byte 6): expected an escaped control character"},
		{`{"a":"\x"}`, "line 1, column 8 (byte 7): expected an escape sequence"},
		{`{"a":"\u12g4"}`, "line 1, column 11 (byte 10): expected a hexadecimal digit"},
		{`{"a":-}`, "line 1, column 7 (byte 6): expected a digit"},
		{`{"a" 1}`, "line 1, column 6 (byte 5): expected ':'"},
		{`{"a":[1 2]}`, "line 1, column 9 (byte 8): expected ',' or ']'"},
		{`{"a":"`, `line 1, column 7: it ends where the closing '"' was expected`},
		{"\xef\xbb\xbf{}", "line 1, column 1 (byte 0): expected '{'"},
	} {
		_, err := scanDocument([]byte(tt.in))
		if err == nil {
			t.Errorf("%q was accepted", tt.in)
			continue
		}
		if got := err.describe([]byte(tt.in)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestScanDepthIsThatOfEncodingJSON(t *testing.T) {
	for _, n := range []int{9999, 10000} {
		body := []byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
		_, err := scanDocument(body)
		if (err == nil) != json.Valid(body) {
			t.Errorf("depth %d: ours %v, encoding/json %v", n, err == nil, json.Valid(body))
		}
	}
}

// members decodes the top level in order, duplicates kept.
func members(t *testing.T, b []byte) (names []string, values []string) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		names, values = append(names, k.(string)), append(values, string(raw))
	}
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("something follows: %v", err)
	}
	return names, values
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"model":"a","messages":[1,{"x":"\ud83d"}],"client_request_id":"c"}`, ` {"usage_context":{} , "a":-1.5e-7}`,
		`{"a":"b\\"} `, `[1]`, `{"model":1,}`, `{"mo\u0064el":null,"":0,"usage_context":1,"usage_context":2}`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(s), "gpt-4.1-mini")
	}
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		d, bad := scanDocument(body)
		trimmed := bytes.TrimLeft(body, " \t\r\n")
		valid := json.Valid(body) && trimmed[0] == '{'
		if (bad == nil) != valid {
			t.Fatalf("ours accepts: %v, encoding/json: %v", bad == nil, valid)
		}
		if bad != nil {
			_ = bad.describe(body)
			return
		}
		before := string(body)
		modelJSON := appendJSONString(nil, name)
		out := d.rewrite(modelJSON)
		if string(body) != before {
			t.Fatal("the caller's body was changed in place")
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON any more: %q", out)
		}
		names, values := members(t, body)
		var wantN, wantV []string
		if d.model == nil {
			wantN, wantV = append(wantN, "model"), append(wantV, string(modelJSON))
		}
		for i, n := range names {
			switch n {
			case fieldClientRequestID, fieldUsageContext:
				continue
			case "model":
				values[i] = string(modelJSON)
			}
			wantN, wantV = append(wantN, n), append(wantV, values[i])
		}
		gotN, gotV := members(t, out)
		if diff := cmp.Diff([][]string{wantN, wantV}, [][]string{gotN, gotV}); diff != "" {
			t.Fatalf("%q → %q\n%s", body, out, diff)
		}
	})
}
