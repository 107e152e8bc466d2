package openapi_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/imports/openapi"
	"sallyport/internal/model"
)

func convert(t *testing.T, text string) (openapi.Result, diag.List) {
	t.Helper()
	return openapi.Convert(openapi.Document{Data: []byte(text), File: "f", APIName: "x"})
}

// doc puts paths under the head of an OpenAPI document; they start in line 4.
func doc(paths string) string {
	return "openapi: 3.0.1\ninfo: {title: T, version: '1'}\npaths:\n" + paths
}

func show(op *model.Operation) string {
	list := func(ps []model.Parameter) string {
		var out []string
		for _, p := range ps {
			out = append(out, p.Name+":"+p.Type)
		}
		return strings.Join(out, ",")
	}
	return fmt.Sprintf("%s | %s | %s %s | t=%s q=%s h=%s | %d:%d", op.ID, op.DisplayName, op.Method, op.URLTemplate,
		list(op.TemplateParameters), list(op.QueryParameters), list(op.Headers), op.Pos.Line, op.Pos.Col)
}

func TestOperations(t *testing.T) {
	tests := []struct {
		name, doc string
		want      []string
	}{
		{"required query joins the template", doc(`  /d/{id}/chat:
    post:
      operationId: ChatCompletions_Create
      summary: Creates a completion for the chat message
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: api-version, in: query, required: true, schema: {type: string}}
        - {name: top, in: query, schema: {type: integer}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Content-Type, in: header, schema: {type: string}}
`), []string{"ChatCompletions_Create | Creates a completion for the chat message | POST /d/{id}/chat?api-version={api-version} | t=id:string,api-version:string q=top:integer h=X-Trace:string | 5:5"}},
		{"path parameters are shared and replaced", doc(`  /a/{x}:
    parameters:
      - {name: x, in: path, required: true, schema: {type: string}}
      - {name: q, in: query, required: true, schema: {type: string}}
    get: {operationId: one}
    put:
      operationId: two
      parameters: [{name: q, in: query, schema: {type: boolean}}]
`), []string{"one | one | GET /a/{x}?q={q} | t=x:string,q:string q= h= | 8:5", "two | two | PUT /a/{x} | t=x:string q=q:boolean h= | 9:5"}},
		{"names", doc(`  /a:
    get: {operationId: "list  all/things!"}
    put: {operationId: "list all things"}
    post: {operationId: LIST-all-THINGS, summary: "  Sum  "}
    delete: {}
  /:
    get: {}
`), []string{"list-all-things | list  all/things! | GET /a | t= q= h= | 5:5", "list-all-things-1 | list all things | PUT /a | t= q= h= | 6:5",
			"LIST-all-THINGS-2 | Sum | POST /a | t= q= h= | 7:5", "delete-a | delete-a | DELETE /a | t= q= h= | 8:5", "get | get | GET / | t= q= h= | 10:5"}},
		{"references", doc(`  /a/{x}:
    get:
      operationId: o
      parameters:
        - $ref: '#/components/parameters/X'
        - $ref: '#/components/parameters/Version'
  /b: {$ref: '#/components/pathItems/B'}
components:
  parameters:
    X: {name: x, in: path, required: true, schema: {$ref: '#/components/schemas/Id'}}
    Version: {$ref: '#/components/parameters/Real~1one'}
    Real/one: {name: v, in: query, required: true, schema: {type: string, default: "1", enum: ["1", "2"]}}
  schemas:
    Id: {type: integer}
  pathItems:
    B: {get: {operationId: b}}
`), []string{"o | o | GET /a/{x}?v={v} | t=x:integer,v:string q= h= | 5:5", "b | b | GET /b | t= q= h= | 19:9"}},
		{"x-ms-paths", doc(`  /a: {get: {operationId: a}}
x-ms-paths:
  /a?comp=list:
    get: {operationId: b}
  /a?x={x}:
    get:
      operationId: c
      parameters:
        - {name: x, in: query, required: true, schema: {type: string}}
        - {name: y, in: query, required: true, schema: {type: string}}
`), []string{"a | a | GET /a | t= q= h= | 4:8", "b | b | GET /a?comp=list | t= q= h= | 7:5", "c | c | GET /a?x={x}&y={y} | t=x:string,y:string q= h= | 9:5"}},
		{"same path, other required query", doc(`  /a:
    get: {operationId: a}
x-ms-paths:
  /a?m=1: {get: {operationId: b}}
  /a?m=2: {get: {operationId: c}}
`), []string{"a | a | GET /a | t= q= h= | 5:5", "b | b | GET /a?m=1 | t= q= h= | 7:12", "c | c | GET /a?m=2 | t= q= h= | 8:12"}},
		{"wildcard", doc("  /files/*: {get: {operationId: w}}\n"), []string{"w | w | GET /files/* | t= q= h= | 4:14"}},
		{"3.1 with nullable and type lists", strings.Replace(doc(`  /a:
    get:
      operationId: a
      parameters: [{name: q, in: query, schema: {type: ["null", integer], nullable: true}}]
      responses: {"200": {description: d, content: {application/json: {schema: {type: string, nullable: true}}}}}
`), "3.0.1", "3.1.0", 1), []string{"a | a | GET /a | t= q=q:integer h= | 5:5"}},
		{"swagger", `{"swagger": "2.0", "info": {"title": "S", "version": "1"},
 "paths": {"/a/{x}": {"post": {"operationId": "p", "parameters": [
   {"name": "x", "in": "path", "required": true, "type": "integer"},
   {"name": "b", "in": "body", "schema": {}}, {"name": "f", "in": "formData", "type": "file"},
   {"name": "q", "in": "query", "type": "array", "required": true}]}}}}`,
			[]string{"p | p | POST /a/{x}?q={q} | t=x:integer,q:array q= h= | 2:23"}},
		{"merge keys and aliases", doc(`  /a:
    get: &op {operationId: a, tags: [t]}
  /b:
    get: {<<: *op, operationId: b}
`), []string{"a | a | GET /a | t= q= h= | 5:5", "b | b | GET /b | t= q= h= | 7:5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, findings := convert(t, tt.doc)
			if len(findings) > 0 {
				t.Error(findings)
			}
			var got []string
			for _, op := range r.Operations {
				got = append(got, show(op))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParameterDetails(t *testing.T) {
	r, _ := convert(t, doc(`  /a:
    get:
      parameters: [{name: q, in: query, description: why, schema: {type: string, default: b, enum: [a, b, 3]}}]
`))
	want := []model.Parameter{{Name: "q", Type: "string", Description: "why", Default: "b", Values: []string{"a", "b", "3"}}}
	if diff := cmp.Diff(want, r.Operations[0].QueryParameters); diff != "" {
		t.Error(diff)
	}
}

func TestServers(t *testing.T) {
	v3 := func(servers string) string { return "openapi: 3.0.0\nservers: " + servers + "\npaths: {}\n" }
	v2 := func(rest string) string { return "swagger: '2.0'\npaths: {}\n" + rest }
	tests := []struct{ doc, want string }{
		{v3("[{url: 'http://a'}, {url: 'https://b/x/'}, {url: 'https://c'}]"), "https://b/x"},
		{v3("[{url: 'http://a/v1'}]"), "http://a/v1"},
		{v3("[{url: /relative}]"), ""},
		{v3("[{url: 'wss://a'}]"), ""},
		{v3("[{url: 'https://{host}/{v}', variables: {host: {default: h.example.com}, v: {default: v2}}}]"), "https://h.example.com/v2"},
		{v2("host: h\nbasePath: /b\nschemes: [http, https]\n"), "https://h/b"},
		{v2("host: h\nschemes: [http]\n"), "http://h"},
		{v2("host: h\n"), "https://h"},
		{v2("basePath: /b\n"), ""},
		{v2("host: h\nschemes: [ws]\n"), ""},
	}
	for _, tt := range tests {
		r, findings := convert(t, tt.doc)
		if r.ServiceURL != tt.want || len(findings) > 0 {
			t.Errorf("%s: got %q and %v, want %q", tt.doc, r.ServiceURL, findings, tt.want)
		}
	}
}

func TestResponses(t *testing.T) {
	r, findings := convert(t, doc(`  /a:
    get:
      responses:
        '200':
          description: fine
          content:
            application/json: {schema: {$ref: '#/components/schemas/Tree'}, examples: {one: {$ref: '#/components/examples/E'}}}
            text/plain: {example: "hello\n"}
            application/problem+json: {example: '{"as": "text"}'}
            application/xml: {schema: {type: string}}
        404: {$ref: '#/components/responses/Missing'}
        default: {description: other}
components:
  schemas:
    Tree: {type: object, properties: {kid: {$ref: '#/components/schemas/Tree'}, n: {type: number, default: 0x10}}}
  examples:
    E: {value: {n: 1, kid: {n: ~}}}
  responses:
    Missing: {description: none, content: {application/json: {example: plain text}}}
`))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	n := `"n":{"type":"number","default":16}}`
	tree := `{"type":"object","properties":{"kid":{"type":"object","properties":{"kid":{},` + n + `},` + n + `}`
	want := []model.Response{
		{StatusCode: 200, Description: "fine", Representations: []model.Representation{
			{ContentType: "application/json", Example: `{"n":1,"kid":{"n":null}}`, HasExample: true, Schema: json.RawMessage(tree)},
			{ContentType: "text/plain", Example: "hello\n", HasExample: true},
			{ContentType: "application/problem+json", Example: `{"as": "text"}`, HasExample: true},
			{ContentType: "application/xml", Schema: json.RawMessage(`{"type":"string"}`)},
		}},
		{StatusCode: 404, Description: "none", Representations: []model.Representation{{ContentType: "application/json", Example: `"plain text"`, HasExample: true}}},
		{Description: "other"},
	}
	if diff := cmp.Diff(want, r.Operations[0].Responses); diff != "" {
		t.Error(diff)
	}
}

func TestSwaggerResponses(t *testing.T) {
	r, _ := convert(t, `swagger: "2.0"
produces: [application/json, text/csv]
paths:
  /a:
    get:
      responses:
        200: {description: d, schema: {$ref: '#/definitions/D'}, examples: {application/json: {a: 1}}}
        204: {description: none}
definitions: {D: {type: object}}
`)
	want := []model.Response{
		{StatusCode: 200, Description: "d", Representations: []model.Representation{
			{ContentType: "application/json", Example: `{"a":1}`, HasExample: true, Schema: json.RawMessage(`{"type":"object"}`)},
			{ContentType: "text/csv", Schema: json.RawMessage(`{"type":"object"}`)},
		}},
		{StatusCode: 204, Description: "none"},
	}
	if diff := cmp.Diff(want, r.Operations[0].Responses); diff != "" {
		t.Error(diff)
	}
}

// What stands beside a $ref counts since 3.1.
func TestSchemaSiblings(t *testing.T) {
	for version, want := range map[string]string{"3.0.0": `{"type":"string"}`, "3.1.0": `{"title":"S","type":"string"}`} {
		r, _ := convert(t, `openapi: `+version+`
paths: {/a: {get: {responses: {200: {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/S', title: S}}}}}}}}
components: {schemas: {S: {type: string}}}
`)
		if got := string(r.Operations[0].Responses[0].Representations[0].Schema); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

func TestFindings(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"empty", "", "f:1:1: error SP1150: the document cannot be read"},
		{"yaml", "openapi: 3.0.0\npaths: [\n", "f:3:1: error SP1150: the document is not valid YAML"},
		{"json", "{\"openapi\": \"3.0.0\",\n \"paths\": {}, }", "f:2:15: error SP1150: the document is not valid JSON"},
		{"key twice", "openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {}\n", "f:4:1: error SP1150: the document is not valid YAML: mapping key \"/a\" already defined at line 3"},
		{"no description", "a: 1\n", "f:1:1: error SP1151: the document has neither 'openapi' nor 'swagger': it is no OpenAPI description"},
		{"version", "openapi: 3.2.0\n", "f:1:10: error SP1151: OpenAPI version '3.2.0' is not supported"},
		{"swagger version", "swagger: '1.2'\n", "f:1:10: error SP1151: Swagger version '1.2' is not supported"},
		{"list", "- 1\n", "f:1:1: error SP1150"},
		{"size", strings.Repeat(" ", 4<<20+1), "f:1:1: error SP1152: the specification has 4194305 bytes, at most 4194304 are allowed"},
		{"paths", "openapi: 3.0.0\npaths: []\n", "f:2:8: error SP1153: 'paths' must be an object"},
		{"path", doc("  /a: x\n"), "f:4:7: error SP1153: path '/a' must be an object"},
		{"operation", doc("  /a: {get: x}\n"), "f:4:13: error SP1153: operation 'get' must be an object"},
		{"parameters", doc("  /a: {get: {parameters: {}}}\n"), "f:4:26: error SP1153: 'parameters' must be a list"},
		{"parameter", doc("  /a: {get: {parameters: [x]}}\n"), "f:4:27: error SP1153: a parameter must be an object"},
		{"reference", doc("  /a: {get: {parameters: [{$ref: '#/components/x'}]}}\n"), "f:4:34: error SP1154: '#/components/x' does not exist"},
		{"other file", doc("  /a: {get: {parameters: [{$ref: 'other.yaml#/x'}]}}\n"), "f:4:34: error SP1154: 'other.yaml#/x' points outside the document, which is not followed"},
		{"circle", doc("  /a: {$ref: '#/paths/~1a'}\n"), "error SP1154: the reference leads in a circle"},
		{"schema reference", doc("  /a: {get: {responses: {200: {description: d, content: {a/b: {schema: {items: {$ref: '#/x'}}}}}}}}\n"), "f:4:87: warning SP1155: '#/x' does not exist"},
		{"duplicate", doc("  /a/{x}: {get: {parameters: [{name: x, in: path}]}}\n  /A/{y}: {get: {parameters: [{name: y, in: path}]}}\n"), "f:5:12: error SP1156: GET /A/{y} answers the same request as GET /a/{x} in line 4"},
		{"parameter not in path", doc("  /a/{id}: {get: {parameters: [{name: id, in: path}, {name: idd, in: path}]}}\n"), "f:4:54: error SP1157: path parameter 'idd' does not occur in path '/a/{id}' (did you mean 'id'?)"},
		{"parameter missing", doc("  /a/{id}:\n    get: {}\n"), "f:5:5: error SP1157: GET /a/{id}: parameter 'id' of the path is not described (add it to parameters, in: path)"},
		{"parameter twice", doc("  /a: {get: {parameters: [{name: q, in: query}, {name: q, in: query}]}}\n"), "f:4:49: error SP1157: parameter 'q' in query is listed twice"},
		{"parameter place", doc("  /a: {get: {parameters: [{name: q, in: qury}]}}\n"), "f:4:27: error SP1157: parameter 'q' must say where it is: 'in' is 'qury' (did you mean 'query'?)"},
		{"query in path", doc("  /a?x=1: {get: {}}\n"), "f:4:3: error SP1158: path '/a?x=1' must not hold a query; required query parameters belong into parameters"},
		{"open brace", doc("  /a/{x: {get: {}}\n"), "f:4:3: error SP1158: path '/a/{x' has a '{' that is not closed within its segment"},
		{"star", doc("  /a/*/b: {get: {}}\n"), "f:4:3: error SP1158: path '/a/*/b' may hold '*' only as its last segment"},
		{"long", doc("  /" + strings.Repeat("a", 1000) + ": {get: {}}\n"), "error SP1158: the URL template has more than 1000 characters"},
		{"query name", doc("  /a: {get: {parameters: [{name: 'a{b}', in: query, required: true}]}}\n"), "f:4:27: error SP1158: required query parameter 'a{b}' cannot be part of a URL template"},
		{"method", doc("  /a: {gett: {}}\n"), "f:4:8: info SP1159: 'gett' is not an HTTP method that an import knows (did you mean 'get'?)"},
		{"dropped", doc("  /a: {trace: {}, get: {callbacks: {}, parameters: [{name: c, in: cookie}, {name: d, in: cookie}]}}\n"), "f:4:53: info SP1159: cookie parameters: left out by the import (here and 1 more)"},
		{"status", doc("  /a: {get: {responses: {700: {description: d}}}}\n"), "f:4:26: error SP1153: 700 is not an HTTP status code"},
		{"status range", doc("  /a: {get: {responses: {2XX: {description: d}}}}\n"), "f:4:26: info SP1159: responses for a range of status codes: left out by the import"},
		{"server variable", "openapi: 3.0.0\nservers: [{url: 'https://{h}/'}]\n", "f:2:17: error SP1153: the server URL has a variable without a default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := convert(t, tt.doc)
			for _, f := range got {
				if strings.Contains(f.String(), tt.want) {
					return
				}
			}
			t.Errorf("want %s\n got %v", tt.want, got)
		})
	}
}

// A schema that unfolds without end is cut, not followed.
func TestSchemaBudget(t *testing.T) {
	var b strings.Builder
	b.WriteString(doc("  /a: {get: {responses: {200: {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/S0'}}}}}}}\ncomponents:\n  schemas:\n"))
	for i := range 30 {
		fmt.Fprintf(&b, "    S%d: {anyOf: [{$ref: '#/components/schemas/S%d'}, {$ref: '#/components/schemas/S%d'}]}\n", i, i+1, i+1)
	}
	b.WriteString("    S30: {type: string}\n")
	r, got := convert(t, b.String())
	if len(got) != 1 || got[0].Code != diag.OpenAPISchemaRef {
		t.Errorf("findings: %v", got)
	}
	if s := r.Operations[0].Responses[0].Representations[0].Schema; !json.Valid(s) || len(s) > 2<<20 {
		t.Errorf("schema of %d bytes, valid: %t", len(s), json.Valid(s))
	}
}

// The file holds documents that crashed readers of OpenAPI.
func FuzzConvert(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "seeds", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, s := range seeds {
		data, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, findings := openapi.Convert(openapi.Document{Data: data, File: "f", APIName: "x"})
		for _, x := range findings {
			if strings.Contains(x.Message, "breaks the reader") {
				t.Fatalf("recovered panic: %v", x)
			}
		}
		ids := map[string]bool{}
		for _, op := range r.Operations {
			if ids[strings.ToLower(op.ID)] || op.Method == "" || op.Pos.Line == 0 {
				t.Fatalf("operation %+v", op)
			}
			ids[strings.ToLower(op.ID)] = true
			if _, err := model.RequestKey(op.Method, op.URLTemplate); err != nil {
				t.Fatalf("template %q: %v", op.URLTemplate, err)
			}
			for _, resp := range op.Responses {
				for _, rep := range resp.Representations {
					if rep.Schema != nil && !json.Valid(rep.Schema) {
						t.Fatalf("schema %s", rep.Schema)
					}
				}
			}
		}
	})
}

func BenchmarkConvert(b *testing.B) {
	var s strings.Builder
	s.WriteString(doc(""))
	for i := range 500 {
		fmt.Fprintf(&s, "  /a%d/{id}:\n    get:\n      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n      responses: {200: {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/S'}}}}}\n", i)
	}
	s.WriteString("components: {schemas: {S: {type: object, properties: {a: {type: string}}}}}\n")
	data := []byte(s.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, f := openapi.Convert(openapi.Document{Data: data, File: "f", APIName: "x"}); len(f) > 0 {
			b.Fatal(f)
		}
	}
}
