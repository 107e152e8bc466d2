package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

func deps() plan.Deps {
	return plan.Deps{Registry: policy.NewRegistry(builtin.All()...), Transport: func(bool, bool) wire.Transport { return nil }}
}

func doc(text string) *model.PolicyDoc {
	return &model.PolicyDoc{Text: text, Format: model.RawXML, File: "p.xml"}
}

func api(id string) *model.API {
	return &model.API{
		ID: id, Revision: "1", IsCurrent: true, IsOnline: true, DisplayName: id, Path: id, ServiceURL: "http://b.test", KeyHeader: model.DefaultKeyHeader, KeyQuery: model.DefaultKeyQuery,
		Operations: []*model.Operation{{ID: "get", Method: "GET", URLTemplate: "/x/{id}", TemplateParameters: []model.Parameter{{Name: "id"}}}}, Hash: id + "-1",
	}
}

func snapshot() *model.Snapshot {
	return &model.Snapshot{
		APIs:        []*model.API{api("a")},
		NamedValues: []*model.NamedValue{{ID: "n", DisplayName: "known-name", Value: secret.New("value")}, {ID: "s", DisplayName: "hidden", Secret: true, Value: secret.New("pa55word-canary")}},
		Backends:    []*model.Backend{{ID: "models", URL: "http://m.test", ValidateChain: true, ValidateName: true}},
		Fragments:   []*model.Fragment{{ID: "good", Policy: *doc(`<fragment><set-header name="f"><value>1</value></set-header></fragment>`)}},
	}
}

// texts are the findings without info, as "line:col code message".
func texts(fs diag.List) []string {
	var out []string
	for _, f := range fs {
		if f.Severity != diag.Info {
			out = append(out, fmt.Sprintf("%d:%d %s %s", f.Line, f.Col, f.Code, f.Message))
		}
	}
	return out
}

func TestDocumentsAreRefusedWithPositions(t *testing.T) {
	in := func(inbound string) string {
		return "<policies>\n<inbound>\n" + inbound + "\n</inbound>\n<backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error>\n</policies>"
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"not supported yet": {in(`<rate-limit calls="1" renewal-period="2"/>`), []string{"3:1 SP1231 The policy 'rate-limit' is not supported yet."}},
		"expression":        {in(`<set-header name="x"><value>@(context.Request.IpAddress)</value></set-header>`), []string{"3:29 SP1223 Policy expressions are not supported yet."}},
		"expression in attribute": {in(`<set-backend-service base-url="@("http://x")" />`),
			[]string{"3:32 SP1223 Policy expressions are not supported yet."}},
		"unknown policy":        {in(`<set-haeder name="x"/>`), []string{"3:1 SP1230 There is no policy 'set-haeder'."}},
		"unknown attribute":     {in(`<set-header nmae="x"/>`), []string{"3:1 SP1221 The required attribute 'name' is missing.", "3:13 SP1220 The 'nmae' attribute is not declared."}},
		"wrong section":         {in(`<forward-request/>`), []string{"3:1 SP1232 Policy is not allowed in the specified section: 'forward-request' in 'inbound'."}},
		"text in section":       {in("hello"), []string{"3:1 SP1225 The element 'inbound' cannot contain text."}},
		"bare section":          {`<inbound/>`, []string{"1:1 SP1237 Policy section is not allowed in the specified scope"}},
		"unknown section":       {`<policies><inbuond/></policies>`, []string{"1:11 SP1234 'inbuond' is not a section of a policy document."}},
		"section twice":         {`<policies><inbound/><inbound/></policies>`, []string{"1:21 SP1235 The section 'inbound' is written twice."}},
		"base twice":            {in("<base/><base/>"), []string{"3:8 SP1239 Error in element 'base': a section may contain it once."}},
		"unknown named value":   {in(`<set-header name="x"><value>{{knownname}}</value></set-header>`), []string{"3:29 SP1250 Cannot find a property 'knownname'"}},
		"unknown fragment":      {in(`<include-fragment fragment-id="god"/>`), []string{"3:1 SP1251 Policy fragment with id 'god' could not be found."}},
		"unknown backend":       {in(`<set-backend-service backend-id="model"/>`), []string{"3:34 SP1253 Backend with id 'model' could not be found."}},
		"not XML":               {"<policies>\n<inbound>\n</policies>", []string{"3:1 SP1205 The 'inbound' start tag on line 2 position 1 does not match the end tag of 'policies'."}},
		"several at once":       {in("<nope/>\n<retry/>\n<set-status/>"), []string{"3:1 SP1230 There is no policy 'nope'.", "4:1 SP1231 The policy 'retry' is not supported yet.", "5:1 SP1221 The required attribute 'code' is missing."}},
		"sound":                 {in(`<base/><include-fragment fragment-id="good"/><set-backend-service backend-id="models"/><set-header name="x"><value>{{known-name}}</value></set-header>`), nil},
		"expression in comment": {in(`<!-- <set-header name="@(x)"> --><base/>`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := snapshot()
			s.APIs[0].Policy = doc(c.text)
			_, r := plan.Build(nil, s, deps())
			if d := cmp.Diff(c.want, texts(r.Findings)); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}

func TestFragments(t *testing.T) {
	for name, c := range map[string]struct{ fragment, want string }{
		"base":       {`<fragment><base/></fragment>`, "1:11 SP1252 A policy fragment cannot contain 'base'."},
		"nested":     {`<fragment><include-fragment fragment-id="good"/></fragment>`, "1:11 SP1252 A policy fragment cannot include another fragment."},
		"section":    {`<fragment><inbound/></fragment>`, "1:11 SP1252 The section 'inbound' cannot stand inside 'inbound'."},
		"wrong root": {`<policies/>`, "1:1 SP1237 The root element of a policy fragment is <fragment>, not <policies>."},
	} {
		s := snapshot()
		s.Fragments = append(s.Fragments, &model.Fragment{ID: "bad", Policy: *doc(c.fragment)})
		s.APIs[0].Policy = doc(`<policies><inbound><base/><include-fragment fragment-id="bad"/></inbound></policies>`)
		_, r := plan.Build(nil, s, deps())
		if got := strings.Join(texts(r.Findings), "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSecretsDoNotReachFindings(t *testing.T) {
	s := snapshot()
	s.APIs[0].Policy = doc(`<policies><inbound><set-status code="{{hidden}}"/><ip-filter action="{{hidden}}"><address>{{hidden}}</address></ip-filter>
		<set-backend-service base-url="{{hidden}}"/><rewrite-uri template="{{hidden}}"/><set-method>{{hidden}}</set-method></inbound></policies>`)
	_, r := plan.Build(nil, s, deps())
	if len(r.Findings) < 3 {
		t.Errorf("only %d findings", len(r.Findings))
	}
	if text := fmt.Sprintf("%+v", r.Findings); strings.Contains(text, "canary") {
		t.Errorf("the secret is in %s", text)
	}
}

func TestOnlyWhatChangedIsCompiledAgain(t *testing.T) {
	first := snapshot()
	first.APIs = append(first.APIs, api("b"), api("c"))
	p1, r := plan.Build(nil, first, deps())
	if r.Compiled != 3 || r.Reused != 0 {
		t.Fatalf("first build: %+v", r)
	}
	build := func(name string, compiled, reused int, change func(*model.Snapshot)) *plan.Plan {
		s := snapshot()
		s.APIs = append(s.APIs, api("b"), api("c"))
		change(s)
		p, r := plan.Build(p1, s, deps())
		if r.Compiled != compiled || r.Reused != reused || p.Generation != 2 {
			t.Errorf("%s: compiled %d, reused %d, generation %d", name, r.Compiled, r.Reused, p.Generation)
		}
		return p
	}
	build("nothing", 0, 3, func(*model.Snapshot) {})
	build("subscriptions", 0, 3, func(s *model.Snapshot) {
		s.Subscriptions = []*model.Subscription{{ID: "x", State: model.Active, PrimaryKey: secret.New("k")}}
	})
	build("one API", 1, 2, func(s *model.Snapshot) { s.APIs[1].Hash = "b-2" })
	build("global policy", 3, 0, func(s *model.Snapshot) { s.Policy = doc(`<policies><backend><forward-request/></backend></policies>`) })
	build("named value", 3, 0, func(s *model.Snapshot) { s.NamedValues[0].Value = secret.New("other") })
	build("backend", 3, 0, func(s *model.Snapshot) { s.Backends[0].URL = "http://other.test" })
	p := build("product", 3, 0, func(s *model.Snapshot) {
		s.Products = []*model.Product{{ID: "open", APIs: []string{"a"}}}
	})
	if a := p.Admit(p.APIs[0], ""); a.Product == nil || a.Product.Model.ID != "open" {
		t.Errorf("the new product is not seen: %+v", a)
	}
}

func TestPipelineOfEachProduct(t *testing.T) {
	s := snapshot()
	s.APIs[0].SubscriptionRequired = true
	s.Products = []*model.Product{
		{ID: "p1", SubscriptionRequired: true, APIs: []string{"a"}, Policy: doc(`<policies><inbound><base/><set-method>PUT</set-method></inbound></policies>`)},
		{ID: "p2", SubscriptionRequired: true, APIs: []string{"a"}},
	}
	p, r := plan.Build(nil, s, deps())
	if r.Findings.HasErrors() {
		t.Fatal(r.Findings)
	}
	a := p.APIs[0]
	m, _ := p.Match("GET", "/a/x/1", nil, nil)
	for _, c := range []struct {
		product *plan.Product
		want    int
	}{{nil, 0}, {a.Products[0], 1}, {a.Products[1], 0}} {
		if got := len(a.Pipeline(m.Op, c.product).Sections[exchange.Inbound].Steps); got != c.want {
			t.Errorf("product %v: %d inbound steps, want %d", c.product, got, c.want)
		}
	}
	if got := len(a.Pipeline(nil, nil).Sections[exchange.Backend].Steps); got != 1 {
		t.Errorf("%d backend steps, want the default forward-request", got)
	}
}

func TestVanishedPolicyIsReported(t *testing.T) {
	first := snapshot()
	first.APIs[0].Policy = doc(`<policies><inbound><base/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>`)
	p, _ := plan.Build(nil, first, deps())
	second := snapshot()
	second.APIs[0].Hash = "a-2"
	_, r := plan.Build(p, second, deps())
	if d := cmp.Diff([]string{"0:0 SP1242 The policy document of 'apis/a' is gone; it is served without."}, texts(r.Findings)); d != "" {
		t.Error(d)
	}
	if _, r := plan.Build(p, first, deps()); len(texts(r.Findings)) != 0 {
		t.Errorf("nothing is gone: %v", r.Findings)
	}
}
