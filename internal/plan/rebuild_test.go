package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/plan"
)

func inbound(statements string) *model.PolicyDoc {
	return doc("<policies>\n<inbound>\n<base/>" + statements + "\n</inbound>\n<backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error>\n</policies>")
}

// A reload that changes nothing must not make warnings disappear.
func TestReusedAPIsTellTheirWarningsAgain(t *testing.T) {
	s := snapshot()
	s.APIs[0].Policy = inbound(`<ip-filter action="allow"><address>10.0.0.0/8</address></ip-filter>`)
	p, first := plan.Build(nil, s, deps())
	if len(texts(first.Findings)) == 0 {
		t.Fatal("the extension is not reported")
	}
	for range 2 {
		next, r := plan.Build(p, s, deps())
		if r.Reused != 1 {
			t.Fatalf("the API is compiled again: %+v", r)
		}
		if diff := cmp.Diff(texts(first.Findings), texts(r.Findings)); diff != "" {
			t.Errorf("findings of the second build (-first +second):\n%s", diff)
		}
		p = next
	}
}

// A fragment that nobody includes is checked whenever it changes.
func TestUnusedFragmentsAreCheckedAgain(t *testing.T) {
	p, _ := plan.Build(nil, snapshot(), deps())
	s := snapshot()
	s.Fragments = append(s.Fragments, &model.Fragment{ID: "new", Policy: *doc(`<policies/>`)})
	if _, r := plan.Build(p, s, deps()); !r.Findings.HasErrors() {
		t.Error("the wrong root element is not reported")
	}
}

// A value that lies in Key Vault was not fetched. Using it must be an error:
// an empty text could be a header that opens something, or a check that passes.
func TestValueInKeyVaultIsNotAnEmptyText(t *testing.T) {
	s := snapshot()
	s.NamedValues = append(s.NamedValues, &model.NamedValue{ID: "v", DisplayName: "in-vault", Secret: true, KeyVault: &model.KeyVaultRef{SecretIdentifier: "https://v.test/secrets/x"}})
	if _, r := plan.Build(nil, s, deps()); r.Findings.HasErrors() {
		t.Errorf("a value that nobody uses is refused: %v", r.Findings)
	}
	s.APIs[0].Policy = inbound(`<set-header name="A"><value>Bearer {{in-vault}}</value></set-header>`)
	_, r := plan.Build(nil, s, deps())
	if !slices.Contains(texts(r.Findings), "3:36 SP1250 Cannot find a property 'in-vault'") {
		t.Errorf("findings: %q", texts(r.Findings))
	}
}
