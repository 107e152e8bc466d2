package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The large service: as many APIs as an APIM service of a big company has.
const (
	serviceAPIs       = 500
	serviceOperations = 20
	serviceKey        = "e2e-only-key-of-the-large-service"
)

// writeService makes a configuration folder of the large service, or of its
// first APIs, whose backend is at addr, and returns the settings file.
func writeService(t *testing.T, dir, addr string, apis int) (settings string) {
	t.Helper()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, file, text)
	}
	put("sallyport.yaml", "service:\n  name: large\nconfiguration:\n  apiops: apim\n")
	put("apim/policy.xml", "<policies>\n<inbound><set-header name=\"X-Global\" exists-action=\"override\"><value>{{generation}}</value></set-header></inbound>\n"+
		"<backend><forward-request /></backend>\n<outbound><set-header name=\""+marker+"\" exists-action=\"override\"><value>{{generation}}</value></set-header></outbound>\n<on-error />\n</policies>\n")
	put("apim/named values/generation/namedValueInformation.json", namedGeneration("value0"))
	put("apim/backends/model/backendInformation.json", `{ "properties": { "url": "http://`+addr+`/b", "protocol": "http" } }`)
	put("apim/products/all/productInformation.json", `{ "properties": { "displayName": "All", "subscriptionRequired": true, "state": "published" } }`)
	put("apim/subscriptions/team/subscriptionInformation.json",
		`{ "properties": { "displayName": "Team", "scope": "/products/all", "state": "active", "primaryKey": "`+serviceKey+`", "secondaryKey": "`+serviceKey+`-2" } }`)
	for i := range apis {
		name := apiName(i)
		put("apim/apis/"+name+"/apiInformation.json", fmt.Sprintf(`{ "properties": { "displayName": "API %d", "path": "%s", "protocols": ["http", "https"], "type": "http", "isCurrent": true, "subscriptionRequired": true } }`, i, name))
		put("apim/apis/"+name+"/specification.yaml", specification(i))
		put("apim/apis/"+name+"/policy.xml", apiPolicy("0"))
		put("apim/products/all/apis/"+name+"/productApiInformation.json", "{}")
	}
	return filepath.Join(dir, "sallyport.yaml")
}

func apiName(i int) string { return fmt.Sprintf("api-%03d", i) }

func apiPolicy(mark string) string {
	return `<policies>
  <inbound>
    <base />
    <set-backend-service backend-id="model" />
    <set-header name="X-Api" exists-action="override"><value>` + mark + `</value></set-header>
    <set-query-parameter name="mark" exists-action="override"><value>` + mark + `</value></set-query-parameter>
  </inbound>
  <backend><base /></backend>
  <outbound>
    <base />
    <set-header name="X-Policy" exists-action="override"><value>` + mark + `</value></set-header>
  </outbound>
  <on-error><base /></on-error>
</policies>
`
}

// specification describes operations the way generators do: parameters, a body
// schema, responses.
func specification(api int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "openapi: 3.0.1\ninfo:\n  title: API %d\n  version: '1'\npaths:\n", api)
	for o := range serviceOperations {
		fmt.Fprintf(&b, `  /area%d/items/{id}:
    post:
      operationId: op%d
      summary: Operation %d of API %d
      parameters:
        - name: id
          in: path
          required: true
          description: Identifier of the item.
          schema: { type: string }
        - name: verbose
          in: query
          schema: { type: boolean }
      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: "#/components/schemas/item" }
      responses:
        "200":
          description: The item
          content:
            application/json:
              schema: { $ref: "#/components/schemas/item" }
        default:
          description: An error
`, o, o, o, api)
	}
	b.WriteString("components:\n  schemas:\n    item:\n      type: object\n      required: [name]\n      properties:\n        name: { type: string, example: gate }\n        size: { type: integer }\n        tags: { type: array, items: { type: string } }\n")
	return b.String()
}
