package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/policy/builtin"
)

func webSocket() *model.API {
	a := api("rt")
	a.Type, a.ServiceURL, a.Operations = model.TypeWebSocket, "wss://b.test/realtime", []*model.Operation{model.NewHandshake(diag.Pos{})}
	return a
}

// names are the policies that run in a section of the handshake.
func names(p *plan.Plan, s exchange.Section) (out []string) {
	m, _ := p.Match("GET", "/rt?model=x", nil, nil)
	for _, i := range m.API.Pipeline(m.Op, nil).Sections[s].Infos {
		out = append(out, i.Name)
	}
	return out
}

const cors = `<cors><allowed-origins><origin>*</origin></allowed-origins><allowed-headers><header>*</header></allowed-headers></cors>`

func TestHandshakeSkipsWhatItInherits(t *testing.T) {
	s := &model.Snapshot{APIs: []*model.API{webSocket(), api("plain")}}
	s.Policy = doc(`<policies><inbound>` + cors + `<set-method>PUT</set-method><set-header name="a"><value>1</value></set-header></inbound>
		<backend><forward-request/></backend><outbound><set-body>x</set-body><set-header name="b"><value>1</value></set-header></outbound><on-error/></policies>`)
	s.APIs[0].Operations[0].Policy = inbound(`<set-header name="c"><value>1</value></set-header>`)
	p, r := plan.Build(nil, s, deps())
	if len(texts(r.Findings)) > 0 {
		t.Fatal(texts(r.Findings))
	}
	if d := cmp.Diff([]string{"set-header", "set-header"}, names(p, exchange.Inbound)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"set-header"}, names(p, exchange.Outbound)); d != "" {
		t.Error(d)
	}
	if n := len(p.APIs[0].Pipeline(nil, nil).Preflight); n != 0 {
		t.Errorf("%d cors statements would answer a preflight of the WebSocket API", n)
	}
	if n := len(p.APIs[1].Pipeline(nil, nil).Sections[exchange.Inbound].Steps); n != 3 {
		t.Errorf("the other API has %d inbound steps, want 3", n)
	}
}

func TestHandshakePoliciesAreRefusedWithPositions(t *testing.T) {
	s := &model.Snapshot{APIs: []*model.API{webSocket()}}
	s.APIs[0].Operations[0].Policy = inbound("\n<set-method>PUT</set-method>\n<cache-lookup/>")
	s.APIs[0].Policy = inbound("\n" + cors)
	_, r := plan.Build(nil, s, deps())
	want := []string{
		"4:1 SP1244 The policy 'cors' never runs: 'rt' is a WebSocket API.",
		"4:1 SP1243 The policy 'set-method' is not allowed on the operation 'onHandshake' of a WebSocket API.",
		"5:1 SP1243 The policy 'cache-lookup' is not allowed on the operation 'onHandshake' of a WebSocket API.",
	}
	got := texts(r.Findings)
	for _, w := range want {
		if !strings.Contains(strings.Join(got, "\n"), w) {
			t.Errorf("no finding %q among %q", w, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("findings %q", got)
	}
}

// The list of the documentation: what needs a body, or an answer to keep.
func TestPoliciesNotOnHandshake(t *testing.T) {
	var got []string
	for _, p := range builtin.All() {
		if p.Spec.NotOnHandshake {
			got = append(got, p.Spec.Name)
		}
	}
	want := []string{
		"cors", "mock-response", "set-body", "set-method", "validate-content", "validate-headers", "validate-parameters", "validate-status-code",
		"cross-domain", "json-to-xml", "jsonp", "xml-to-json", "xsl-transform", "cache-lookup", "cache-lookup-value", "cache-store", "cache-store-value",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
