package builtin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/policyxml"
)

// TestEverySpecIsComplete keeps what documentation, forms and findings are
// made of from rotting.
func TestEverySpecIsComplete(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Spec.Name, func(t *testing.T) {
			checkSpec(t, &p.Spec)
			if p.Build == nil {
				return
			}
			if p.Spec.Sections == 0 || p.Spec.Scopes == 0 {
				t.Error("may stand nowhere")
			}
			if len(p.Spec.Examples) == 0 || len(p.Spec.Notes) == 0 {
				t.Error("has no example or no notes")
			}
		})
	}
	for _, s := range Structural() {
		checkSpec(t, &s)
		if len(s.Examples) == 0 {
			t.Errorf("%s has no example", s.Name)
		}
	}
}

func checkSpec(t *testing.T, s *policy.Spec) {
	t.Helper()
	if !strings.HasSuffix(s.Summary, ".") || s.Page == "" {
		t.Errorf("%s: summary %q, page %q", s.Name, s.Summary, s.Page)
	}
	checkAttrs(t, s.Name, s.Attrs)
	checkChildren(t, s.Name, s.Children)
	for _, tier := range s.Unavailable {
		if !slices.Contains([]string{"classic", "v2", "consumption", "self-hosted"}, tier) {
			t.Errorf("%s: unknown tier %q", s.Name, tier)
		}
	}
}

func checkAttrs(t *testing.T, path string, attrs []policy.Attr) {
	t.Helper()
	for _, a := range attrs {
		if a.Name == "" || !strings.HasSuffix(a.Summary, ".") {
			t.Errorf("%s: attribute %q has no summary", path, a.Name)
		}
		if len(a.Enum) > 0 && a.Default != "" && !slices.Contains(a.Enum, a.Default) {
			t.Errorf("%s: default of %q is none of its values", path, a.Name)
		}
	}
}

func checkChildren(t *testing.T, path string, cs []policy.Child) {
	t.Helper()
	for _, c := range cs {
		if c.Name == "" || !strings.HasSuffix(c.Summary, ".") {
			t.Errorf("%s: child %q has no summary", path, c.Name)
		}
		checkAttrs(t, path+"/"+c.Name, c.Attrs)
		checkChildren(t, path+"/"+c.Name, c.Children)
	}
}

// TestExamplesWork checks and builds every example of every executed policy.
func TestExamplesWork(t *testing.T) {
	for _, p := range executed() {
		for _, ex := range p.Spec.Examples {
			t.Run(p.Spec.Name+"/"+ex.Title, func(t *testing.T) {
				root, fs := policyxml.Read(policyxml.Document{Text: ex.XML})
				if root == nil || len(fs) > 0 {
					t.Fatalf("cannot be read: %v", fs)
				}
				if root.Name != p.Spec.Name {
					t.Errorf("is an example of %s", root.Name)
				}
				e, fs := policy.Check(root, &p.Spec, newScene(t, ""))
				step, more := p.Build(e, policy.Env{Scope: policy.Global, Section: exchange.Inbound})
				if fs = append(fs, more...); len(fs) > 0 || step == nil {
					t.Errorf("findings: %v", fs)
				}
				// Whoever forwards writes the trace of forward-request.
				if _, ok := step.(policy.Explainer); !ok && p.Spec.Name != "forward-request" {
					t.Error("cannot explain itself in a trace")
				}
			})
		}
	}
}

// TestEveryExecutedPolicyHasArchives: the common case, a rejected document
// with positions, and a request that fails.
func TestEveryExecutedPolicyHasArchives(t *testing.T) {
	for _, p := range executed() {
		files, _ := filepath.Glob(filepath.Join("testdata", p.Spec.Name, "*.txtar"))
		var common, rejected, failed int
		for _, file := range files {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(strings.TrimSpace(string(ar.Comment))) == 0 {
				t.Errorf("%s does not say what it shows", file)
			}
			switch kind(ar) {
			case "rejected":
				rejected++
			case "failed":
				failed++
			default:
				common++
			}
		}
		if common == 0 || rejected == 0 || (failed == 0 && p.Spec.Name != "cors") || len(files) < 3 {
			t.Errorf("%s has %d common, %d rejected and %d failing archives", p.Spec.Name, common, rejected, failed)
		}
	}
	folders, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	reg := policy.NewRegistry(All()...)
	for _, f := range folders {
		if _, ok := reg.Lookup(f.Name()); !ok && f.Name() != "fuzz" {
			t.Errorf("testdata/%s belongs to no policy", f.Name())
		}
	}
}

func kind(ar *txtar.Archive) string {
	for _, f := range ar.Files {
		switch {
		case f.Name == "findings" && strings.Contains(string(f.Data), " error: "):
			return "rejected"
		case f.Name == "want" && strings.Contains(string(f.Data), "failure: "):
			return "failed"
		}
	}
	return "common"
}

// TestKnownNames holds the names of Azure's policy index: each must be known,
// so that a document using it is refused for the right reason.
func TestKnownNames(t *testing.T) {
	index := strings.Fields(`authentication-basic authentication-certificate authentication-managed-identity
		azure-openai-emit-token-metric azure-openai-semantic-cache-lookup azure-openai-semantic-cache-store azure-openai-token-limit
		cache-lookup cache-lookup-value cache-remove-value cache-store cache-store-value cache-value check-header choose cors
		cosmosdb-data-source cross-domain emit-metric find-and-replace forward-request get-authorization-context http-data-source
		invoke-dapr-binding invoke-request ip-filter json-to-xml jsonp limit-concurrency llm-content-safety llm-emit-token-metric
		llm-semantic-cache-lookup llm-semantic-cache-store llm-token-limit log-to-eventhub mock-response proxy publish-event
		publish-to-dapr quota quota-by-key rate-limit rate-limit-by-key redirect-content-urls retry return-response rewrite-uri
		send-one-way-request send-request send-service-bus-message set-backend-service set-body set-header set-method
		set-query-parameter set-status set-variable sql-data-source trace validate-azure-ad-token validate-client-certificate
		validate-content validate-graphql-request validate-headers validate-jwt validate-odata-request validate-parameters
		validate-status-code wait xml-to-json xsl-transform`)
	names := policy.NewRegistry(All()...).Names()
	for _, name := range index {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not known", name)
		}
	}
	for _, name := range names {
		if !slices.Contains(index, name) {
			t.Errorf("%s is not in the index", name)
		}
	}
	for slip, want := range map[string]string{"ip-fliter": "ip-filter", "set-headers": "set-header", "validate-jtw": "validate-jwt"} {
		if got := diag.Suggest(slip, names); got != want {
			t.Errorf("Suggest(%s) = %q, want %q", slip, got, want)
		}
	}
}
