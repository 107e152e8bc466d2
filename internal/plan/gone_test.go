package plan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/plan"
)

// A policy document that goes while what it stood on stays is told; one that
// goes with its resource is not.
func TestDocumentsThatGoAreTold(t *testing.T) {
	const text = `<policies><inbound><base/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>`
	full := func() *model.Snapshot {
		s := snapshot()
		b, rev := api("b"), api("a")
		rev.Revision, rev.IsCurrent, rev.Hash = "2", false, "a-r2"
		s.APIs = append(s.APIs, b, rev)
		for i, a := range s.APIs {
			a.Policy = doc(text)
			a.Policy.File = fmt.Sprint("api", i)
			a.Operations[0].Policy = doc(text)
			a.Operations[0].Policy.File = fmt.Sprint("operation", i)
		}
		s.Policy = doc(`<policies><backend><forward-request/></backend></policies>`)
		s.Products = []*model.Product{{ID: "p", Policy: doc(text)}, {ID: "q", Policy: doc(text)}}
		return s
	}
	before, r := plan.Build(nil, full(), deps())
	if r.Findings.HasErrors() {
		t.Fatal(r.Findings)
	}
	bare := full()
	bare.Policy, bare.Products[0].Policy, bare.Products = nil, nil, bare.Products[:1]
	bare.APIs[0].Policy, bare.APIs[0].Operations[0].Policy, bare.APIs[2].Policy = nil, nil, nil
	bare.APIs = append(bare.APIs[:1], bare.APIs[2])
	for name, c := range map[string]struct {
		next *model.Snapshot
		want []string
	}{
		"nothing":    {full(), nil},
		"everything": {&model.Snapshot{}, []string{"p.xml policies"}},
		"documents":  {bare, []string{"api0 apis/a", "api2 apis/a;rev=2", "operation0 apis/a/operations/get", "p.xml policies", "p.xml products/p"}},
	} {
		_, r := plan.Build(before, c.next, deps())
		var got []string
		for _, f := range r.Findings {
			if f.Code == diag.PolicyGone {
				got = append(got, f.File+" "+f.Path)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
