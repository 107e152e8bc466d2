package apiops_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/sources/apiops"
)

const api = `{"properties":{"path":"a","displayName":"A"}}`

// Every row is a folder with one thing wrong and the finding that says so.
func TestFindings(t *testing.T) {
	tests := []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"near-miss folder", fs("named-values/x/namedValueInformation.json", `{}`), "named-values: warning SP1111: folder 'named-values' is not part of the layout and has no effect (did you mean 'named values'?)"},
		{"stray file", fs("apis/a/apiInformation.json", api, "apis/a/polcy.xml", ""), "apis/a/polcy.xml: warning SP1111: file 'polcy.xml' is not part of the layout and has no effect (did you mean 'policy.xml'?)"},
		{"file beside resources", fs("apis/x.txt", ""), "apis/x.txt: warning SP1111: file 'x.txt' is not part of the layout and has no effect"},
		{"no information file", fs("apis/a/policy.xml", "<policies />"), "apis/a: error SP1112: the folder has no apiInformation.json"},
		{"syntax", fs("apis/a/apiInformation.json", "{\n  \"properties\": {,}\n}"), "apis/a/apiInformation.json:2:18: error SP1103: unexpected ',', a property name in double quotes is expected"},
		{"type", fs("apis/a/apiInformation.json", `{"properties":{"path":"a","displayName":"A","subscriptionRequired":"yes"}}`), "apis/a/apiInformation.json:1:68: error SP1105: property 'subscriptionRequired' must be true or false, not a text"},
		{"no properties", fs("tags/t/tagInformation.json", `{"displayName":"x"}`), `tags/t/tagInformation.json:1:1: error SP1106: property 'properties' is required (ARM properties are written inside it: {"properties": {…}})`},
		{"not an object", fs("tags/t/tagInformation.json", `[]`), "tags/t/tagInformation.json:1:1: error SP1105: an object is expected here, not a list"},
		{"misspelt property", fs("apis/a/apiInformation.json", `{"properties":{"path":"a","displayName":"A","serviceURL":"https://x"}}`), "apis/a/apiInformation.json:1:45: warning SP1109: property 'serviceURL' is not known (did you mean 'serviceUrl'?)"},
		{"missing path", fs("apis/a/apiInformation.json", `{"properties":{"displayName":"A"}}`), "apis/a/apiInformation.json:1:15: error SP1106: property 'path' is required"},
		{"missing name", fs("apis/a/apiInformation.json", `{"properties":{"path":""}}`), "apis/a/apiInformation.json:1:15: error SP1106: property 'displayName' is required"},
		{"api id", fs("apis/a+b/apiInformation.json", api), "apis/a+b: error SP1110: id 'a+b' holds '+'; ids must not hold any of *#&+:<>?"},
		{"long id", fs("tags/"+strings.Repeat("t", 81)+"/tagInformation.json", `{"properties":{}}`), "tags/" + strings.Repeat("t", 81) + ": error SP1110: the id has 81 characters, at most 80 are allowed"},
		{"fragment id", fs("policy fragments/a.b/policy.xml", "<fragment />"), "policy fragments/a.b: error SP1110: id 'a.b' may hold only letters, digits and '_', with '-' inside"},
		{"fragment without policy", fs("policy fragments/f/policyFragmentInformation.json", `{"properties":{}}`), "policy fragments/f: error SP1112: the folder has no policy.xml"},
		{"unknown operation", fs("apis/a/apiInformation.json", api, "apis/a/specification.yaml", spec, "apis/a/operations/get-y/policy.xml", ""), "apis/a/operations/get-y: error SP1113: API 'a' has no operation 'get-y' (did you mean 'get-x'?)"},
		{"operation without specification", fs("apis/a/apiInformation.json", api, "apis/a/operations/o/policy.xml", ""), "apis/a/operations/o: error SP1113: API 'a' has no operation 'o' (the API has no specification, so it has no operations)"},
		{"graphql", fs("apis/a/apiInformation.json", api, "apis/a/specification.graphql", "type Query { a: Int }"), "apis/a/specification.graphql:1:1: warning SP1115: GRAPHQL specifications are kept, but not served yet"},
		{"two specifications", fs("apis/a/apiInformation.json", api, "apis/a/specification.yaml", spec, "apis/a/specification.json", "{}"), "apis/a/specification.json:1:1: warning SP1115: the API has a second specification; 'specification.yaml' is used"},
		{"revision", fs("apis/a/apiInformation.json", api, "apis/a;rev=2/apiInformation.json", `{"properties":{"apiRevision":"3"}}`), "apis/a;rev=2/apiInformation.json:1:30: error SP1120: apiRevision is '3', but the folder is revision '2'"},
		{"current", fs("apis/a/apiInformation.json", `{"properties":{"path":"a","displayName":"A","isCurrent":false}}`), "apis/a/apiInformation.json:1:57: error SP1120: isCurrent is false, but the folder name says otherwise (the current revision lives in the folder without ;rev=)"},
		{"version set reference", fs("apis/a/apiInformation.json", `{"properties":{"path":"a","displayName":"A","apiVersionSetId":"/products/x"}}`), "apis/a/apiInformation.json:1:63: error SP1116: '/products/x' is not a version set id (write /apiVersionSets/{name} or a full ARM id)"},
		{"versioning scheme", fs("version sets/v/versionSetInformation.json", `{"properties":{"displayName":"v","versioningScheme":"Segmnt"}}`), "version sets/v/versionSetInformation.json:1:53: error SP1107: property 'versioningScheme' must be one of Segment, Query, Header, not 'Segmnt' (did you mean 'Segment'?)"},
		{"secret without value", fs("named values/n/namedValueInformation.json", `{"properties":{"displayName":"n","secret":true}}`), `named values/n/namedValueInformation.json:1:15: error SP1118: secret named value 'n' has no value (set its value in configuration.<environment>.yaml: namedValues, name n, properties, value: "{#NAME#}")`},
		{"key vault", fs("named values/n/namedValueInformation.json", `{"properties":{"displayName":"n","keyVault":{"secretIdentifier":"https://v/secrets/s"}}}`), `named values/n/namedValueInformation.json:1:45: warning SP1119: named value 'n' needs Key Vault, which is not read yet (set its value in configuration.<environment>.yaml: namedValues, name n, properties, value: "{#NAME#}")`},
		{"plain value missing", fs("named values/n/namedValueInformation.json", `{"properties":{"displayName":"n"}}`), "named values/n/namedValueInformation.json:1:15: error SP1106: property 'value' is required"},
		{"no state", fs("subscriptions/s/subscriptionInformation.json", `{"properties":{"scope":"/apis"}}`), `subscriptions/s/subscriptionInformation.json:1:15: warning SP1117: the subscription has no state and counts as submitted: its keys open nothing (write "state": "active")`},
		{"state", fs("subscriptions/s/subscriptionInformation.json", `{"properties":{"scope":"/apis","state":"actve"}}`), "subscriptions/s/subscriptionInformation.json:1:40: error SP1107: property 'state' must be one of active, submitted, suspended, rejected, cancelled, expired, not 'actve' (did you mean 'active'?)"},
		{"scope", fs("subscriptions/s/subscriptionInformation.json", `{"properties":{"scope":"/gateways/x","state":"active"}}`), "subscriptions/s/subscriptionInformation.json:1:24: error SP1116: scope '/gateways/x' cannot be understood (write /products/{id}, /apis/{id}, /apis, or a full ARM id)"},
		{"pool id", fs("backends/b/backendInformation.json", `{"properties":{"type":"Pool","pool":{"services":[{"id":"/apis/x"}]}}}`), "backends/b/backendInformation.json:1:56: error SP1116: '/apis/x' is not a backend id (write /backends/{name} or a full ARM id)"},
		{"header credentials", fs("backends/b/backendInformation.json", `{"properties":{"url":"https://x","credentials":{"header":{"k":"v"}}}}`), "backends/b/backendInformation.json:1:63: error SP1105: property 'credentials.header.k' must be a list, not a text"},
		{"list file", fs("products/p/productInformation.json", `{"properties":{"displayName":"P"}}`, "products/p/apis.json", `[{"nam":"a"}]`), "products/p/apis.json:1:2: error SP1106: property 'name' is required"},
		{"link file", fs("products/p/productInformation.json", `{"properties":{"displayName":"P"}}`, "products/p/apis/a/x.json", `{}`), "products/p/apis/a: error SP1112: the folder has no productApiInformation.json"},
		{"override not applied", fs("configuration.dev.yaml", ""), "configuration.dev.yaml: info SP1121: 'configuration.dev.yaml' is not applied: it is not named as an override file"},
		{"text encoding", fs("policy.xml", "<a>\xff</a>"), "policy.xml:1:1: error SP1101: the file is not UTF-8 text"},
		{"large file", fs("policy.xml", strings.Repeat(" ", 4<<20+1)), "policy.xml: error SP1102: the file is larger than 4 MiB"},
		{"bad specification", fs("apis/a/apiInformation.json", api, "apis/a/specification.yaml", "openapi: 4.0.0\n", "apis/a/operations/o/policy.xml", ""), "apis/a/specification.yaml:1:10: error SP1151: OpenAPI version '4.0.0' is not supported"},
		{"own server", fs("apis/a/apiInformation.json", api, "apis/a/specification.yaml", "servers: [{url: 'https://me.azure-api.net/a'}]\n"+spec), "apis/a/apiInformation.json:1:15: info SP1122: the server of the specification is the gateway it was exported from; it is not used as backend"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, _ := apiops.LoadFS(tt.files, apiops.Options{})
			for _, f := range got {
				if f.String() == tt.want || strings.HasPrefix(f.String(), tt.want+" (known here") {
					return
				}
			}
			t.Errorf("want %s\n got %v", tt.want, got)
		})
	}
}

// Folders and files for people are left alone.
func TestIgnored(t *testing.T) {
	_, got, _ := apiops.LoadFS(fs(".git/config", "", "README.md", "", "notes.MD", "", "apis/.DS_Store", "", "apis/README.md", "", "..data/x", ""), apiops.Options{})
	if len(got) > 0 {
		t.Error(got)
	}
}

func TestMissingFolder(t *testing.T) {
	_, got, _ := apiops.Load("testdata/no-such-folder", apiops.Options{})
	if !got.HasErrors() || got[0].File != "testdata/no-such-folder" {
		t.Error(got)
	}
}

// The differences of APIOps v3 to v6.
func TestOlderGenerations(t *testing.T) {
	s, got, _ := apiops.LoadFS(fs(
		"apis/a/apiInformation.json", api, "apis/a/specification.yml", spec,
		"apis/a/tags.json", `[{"name":"t1"}]`,
		"apis/a/tags/t2/apiTagInformation.json", `{}`,
		"apis/a/releases/r/releaseInformation.json", `{"properties":{"apiId":"/apis/a;rev=1"}}`,
		"products/p/productInformation.json", `{"properties":{"displayName":"P"}}`,
		"products/p/apis.json", `[{"name":"A"}]`,
		"products/p/groups.json", `[{"name":"developers"}]`,
		"products/p/tags.json", `[{"name":"t1"}]`,
		"products/p/tags/t2/productTagInformation.json", `{}`,
		"gateways/g/gatewayInformation.json", `{"properties":{}}`,
		"gateways/g/apis.json", `[{"name":"a"}]`,
		"version sets/v/apiVersionSetInformation.json", `{"properties":{"displayName":"V","versioningScheme":"Query","versionQueryName":"ver"}}`,
		"workspaces/w/workspaceInformation.json", `{"properties":{}}`,
	), apiops.Options{})
	if diff := cmp.Diff([]string{"workspaces/w warning SP1114"}, lines(got)); diff != "" {
		t.Error(diff, got)
	}
	if v := model.Validate(s); len(v) > 0 {
		t.Error(v)
	}
	var kept []string
	for _, r := range s.Kept {
		kept = append(kept, r.Kind+" "+r.ID)
	}
	if diff := cmp.Diff([]string{"apis/a/releases r", "gateways/g/apis a", "products/p/tags t1", "products/p/tags t2", "workspaces w"}, sorted(kept)); diff != "" {
		t.Error(diff)
	}
	p := s.Products[0]
	if p.APIs[0] != "a" || p.Places.At("apis/a", p.Pos).String() != "products/p/apis.json:1:10" || p.Groups[0] != "developers" {
		t.Errorf("product: %+v", p)
	}
	if diff := cmp.Diff([]string{"t1", "t2"}, sorted(s.APIs[0].Tags)); diff != "" {
		t.Error(diff)
	}
	if s.VersionSets[0].QueryName != "ver" {
		t.Errorf("version set: %+v", s.VersionSets[0])
	}
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}
