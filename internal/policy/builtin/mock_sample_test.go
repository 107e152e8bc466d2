package builtin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"string"}`:                                             `"string"`,
		`{"type":"string","format":"email"}`:                            `"user@example.com"`,
		`{"type":"string","minLength":8}`:                               `"stringst"`,
		`{"type":"string","maxLength":3}`:                               `"str"`,
		`{"type":["null","integer"]}`:                                   `0`,
		`{"type":"null"}`:                                               `null`,
		`{"type":"boolean"}`:                                            `true`,
		`{"type":"number","minimum":1.5}`:                               `1.5`,
		`{"type":"integer","exclusiveMinimum":3}`:                       `4`,
		`{"type":"integer","minimum":3,"exclusiveMinimum":true}`:        `4`,
		`{"type":"integer","maximum":-2}`:                               `-2`,
		`{"enum":["z","a"]}`:                                            `"z"`,
		`{"const":7,"type":"integer"}`:                                  `7`,
		`{"type":"integer","default":9}`:                                `9`,
		`{"type":"object","example":{"a":1}}`:                           `{"a":1}`,
		`{"examples":[[1],[2]]}`:                                        `[1]`,
		`{"type":"array","items":{"type":"integer"},"minItems":9}`:      `[0,0,0]`,
		`{"type":"array"}`:                                              `[]`,
		`{"properties":{"b":{"type":"integer"},"a":{"type":"string"}}}`: `{"b":0,"a":"string"}`,
		`{"type":"object","additionalProperties":{"type":"integer"}}`:   `{"key":0}`,
		`{"type":"object","additionalProperties":false}`:                `{}`,
		`{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"const":1}}}]}`:                      `{"a":0,"b":1}`,
		`{"allOf":[{"$ref":"#/$defs/x"}],"properties":{"c":{}},"$defs":{"x":{"properties":{"a":{"type":"null"}}}}}`: `{"a":null,"c":{}}`,
		`{"oneOf":[{"type":"integer"},{"type":"string"}]}`:                                                          `0`,
		`{"anyOf":[{"type":"string"},{"type":"null"}]}`:                                                             `"string"`,
		`{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"boolean"}}}`:                                                `true`,
		`{"$ref":"other.json"}`: `null`,
		`true`:                  `{}`,
		// self-reference: left out where optional, null where it is not
		`{"properties":{"next":{"$ref":"#"},"all":{"type":"array","items":{"$ref":"#"}}}}`: `{"all":[]}`,
		`{"properties":{"next":{"$ref":"#"}},"required":["next"]}`:                         `{"next":null}`,
	} {
		var got bytes.Buffer
		if err := json.Compact(&got, sampleBody(json.RawMessage(schema), "application/json")); err != nil || got.String() != want {
			t.Errorf("sample of %s\n got %s\nwant %s (%v)", schema, got.String(), want, err)
		}
	}
}

func TestSampleFitsContentType(t *testing.T) {
	schema := json.RawMessage(`{"type":"string"}`)
	for contentType, want := range map[string]string{
		"application/json": `"string"`, "application/problem+json": `"string"`, "": `"string"`, "text/json": `"string"`,
		"text/plain": "string", "application/xml": "", "image/png": "",
	} {
		if got := string(sampleBody(schema, contentType)); got != want {
			t.Errorf("%s: %q, want %q", contentType, got, want)
		}
	}
	if got := sampleBody(json.RawMessage(`{"type":"object"}`), "text/html"); got != nil {
		t.Errorf("an object as text/html: %q", got)
	}
}

// A schema that branches at every level must not fill the memory.
func TestSampleIsBounded(t *testing.T) {
	var defs, props strings.Builder
	for i := range 40 {
		props.Reset()
		for k := range 4 {
			fmt.Fprintf(&props, `%s"p%d":{"$ref":"#/$defs/d%d"}`, comma(k), k, i+1)
		}
		fmt.Fprintf(&defs, `%s"d%d":{"required":["p0","p1","p2","p3"],"properties":{%s}}`, comma(i), i, props.String())
	}
	got := sampleBody(json.RawMessage(`{"$ref":"#/$defs/d0","$defs":{`+defs.String()+`}}`), "application/json")
	if !json.Valid(got) || len(got) > 1<<20 {
		t.Errorf("%d bytes, valid %v", len(got), json.Valid(got))
	}
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func FuzzSample(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`)
	f.Add(`{"type":"string","maxLength":-1,"minLength":-4}`)
	f.Add(`{"allOf":[{"type":"array","items":{}}]}`)
	f.Fuzz(func(t *testing.T, schema string) {
		if !json.Valid([]byte(schema)) {
			return
		}
		if got := sampleBody(json.RawMessage(schema), "application/json"); !json.Valid(got) {
			t.Errorf("sample of %s is no JSON: %s", schema, got)
		}
	})
}
