package apiops_test

import (
	"encoding/json"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/sources/apiops"
)

// FuzzInformation gives the same document to every kind of resource: whatever
// it holds, it becomes a resource or a finding with a position.
func FuzzInformation(f *testing.F) {
	for _, s := range []string{
		`{"properties":{"path":"a","displayName":"A","subscriptionKeyParameterNames":[],"protocols":{},"isCurrent":1}}`,
		`{"properties":{"displayName":"n","keyVault":"x","secret":true,"value":1,"tags":[1]}}`,
		`{"properties":{"type":"Pool","pool":{"services":[1,{"id":1},{"id":"/backends/b","weight":"x"}]},"credentials":{"header":[],"query":{"a":[1]},"managedIdentity":1,"authorization":[]},"tls":1}}`,
		`{"properties":{"scope":"/subscriptions/x","state":1,"ownerId":"/"}}`,
		`{"properties":{"scope":"/","displayName":"","versioningScheme":[]}}`,
		`{"properties":[]}`, `[]`, `{}`, `{"properties":null}`, `[{"name":"a"},1]`,
	} {
		f.Add(s)
	}
	names := []string{
		"apis/a/apiInformation.json", "apis/a;rev=2/apiInformation.json", "apis/a/specification.json", "apis/a/tags.json", "apis/a/diagnostics/d/diagnosticInformation.json",
		"products/p/productInformation.json", "products/p/apis.json", "named values/n/namedValueInformation.json", "backends/b/backendInformation.json",
		"policy fragments/f/policyFragmentInformation.json", "subscriptions/s/subscriptionInformation.json", "version sets/v/versionSetInformation.json",
		"tags/t/tagInformation.json", "loggers/l/loggerInformation.json", "workspaces/w/workspaceInformation.json", "workspaces/w/apis/a/apiInformation.json",
	}
	f.Fuzz(func(t *testing.T, text string) {
		var pairs []string
		for _, n := range names {
			pairs = append(pairs, n, text)
		}
		s, findings, _ := apiops.LoadFS(fs(pairs...), apiops.Options{})
		for _, x := range append(findings, model.Validate(s)...) {
			if x.File == "" || x.Message == "" {
				t.Fatalf("finding without a place: %+v", x)
			}
		}
		for _, r := range s.Kept {
			if !json.Valid(r.Properties) {
				t.Fatalf("%s %s: %s", r.Kind, r.ID, r.Properties)
			}
		}
	})
}
