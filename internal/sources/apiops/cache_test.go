package apiops_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/sources/apiops"
)

const pathOf = "openapi: 3.0.1\ninfo: { title: T, version: '1' }\npaths:\n  /%s:\n    get: { operationId: get, responses: { '200': { description: ok } } }\n    trace: { operationId: t, responses: {} }\n"

// withPaths is a folder of two APIs, the operation of the first at path a.
func withPaths(a, policy string) []string {
	info := `{"properties":{"displayName":"%s","path":"%s"}}`
	return []string{
		"apis/one/apiInformation.json", fmt.Sprintf(info, "One", "one"), "apis/one/specification.yaml", fmt.Sprintf(pathOf, a),
		"apis/two/apiInformation.json", fmt.Sprintf(info, "Two", "two"), "apis/two/specification.yaml", fmt.Sprintf(pathOf, "b"),
		"apis/two/operations/get/policy.xml", policy,
	}
}

func equalSecrets(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }

// Whatever changed in between, a load with a cache yields what a load without
// one yields: resources, findings and hashes.
func TestCacheChangesNothing(t *testing.T) {
	var cache apiops.Cache
	for i, pairs := range [][]string{
		withPaths("a", "<policies/>"), withPaths("a", "<policies/>"), withPaths("changed", "<policies/>"), withPaths("changed", "<policies><inbound/></policies>"),
		withPaths("a{", "<policies/>"), withPaths("a{", "<policies/>"), withPaths("a", "<policies/>")[:4], withPaths("a", "<policies/>"), withPaths("a", "<policies/>")[:8],
	} {
		with, f1, l1 := apiops.LoadFS(fs(pairs...), apiops.Options{Cache: &cache})
		without, f2, l2 := apiops.LoadFS(fs(pairs...), apiops.Options{})
		if d := cmp.Diff(without, with, cmp.Comparer(equalSecrets)); d != "" {
			t.Errorf("load %d: snapshot (-without +with):\n%s", i, d)
		}
		if d := cmp.Diff(f2, f1); d != "" {
			t.Errorf("load %d: findings:\n%s", i, d)
		}
		if d := cmp.Diff(l2.Files, l1.Files); d != "" {
			t.Errorf("load %d: files:\n%s", i, d)
		}
	}
}

// Snapshots of a cache share no operation: one that was put in force is never
// changed by the next load.
func TestCachedOperationsAreNotShared(t *testing.T) {
	var cache apiops.Cache
	load := func(policy string) *model.Operation {
		s, _, _ := apiops.LoadFS(fs(withPaths("a", policy)...), apiops.Options{Cache: &cache})
		for _, op := range s.APIs[1].Operations {
			if op.ID == "get" {
				return op
			}
		}
		t.Fatal("no operation")
		return nil
	}
	first := load("<policies/>")
	second := load("<policies><inbound/></policies>")
	if first == second || first.Policy == nil || first.Policy.Text != "<policies/>" || second.Policy.Text != "<policies><inbound/></policies>" {
		t.Errorf("first %p %+v, second %p %+v", first, first.Policy, second, second.Policy)
	}
	if &first.Responses[0] != &second.Responses[0] {
		t.Error("the specification was converted again")
	}
}
