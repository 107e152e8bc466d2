package plan_test

import (
	"fmt"
	"testing"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// shape of a configuration whose matching is measured: the template of
// operation i of an API, and a target that matches it.
type shape struct {
	name             string
	template, target func(i int) string
}

// shapes are a plain REST API, an OData service with a pattern for each entity
// set, and an RPC style without parameters.
func shapes() []shape {
	at := func(format string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, i/100, i%100) }
	}
	return []shape{
		{"rest", at("/area%d/items/{id}/part%d"), at("/Area%d/items/42%%2F43/part%d?api-version=1")},
		{"odata", at("/set%d_%d({id})"), at("/Set%d_%d(42)?$top=1")},
		{"rpc", at("/call%d.Do%d?id={id}"), at("/call%d.do%d?id=42")},
	}
}

// large is m APIs, each with n operations of a shape.
func large(sh shape, m, n int) *model.Snapshot {
	s := &model.Snapshot{}
	for k := range m {
		a := api(fmt.Sprint("big", k))
		a.Operations = nil
		for i := range n {
			a.Operations = append(a.Operations, &model.Operation{ID: fmt.Sprint("op", i), Method: "POST", URLTemplate: sh.template(i), TemplateParameters: []model.Parameter{{Name: "id"}}})
		}
		s.APIs = append(s.APIs, a)
	}
	return s
}

// subscribed is one API in a product with n subscriptions.
func subscribed(n int) *model.Snapshot {
	a := api("chat")
	a.SubscriptionRequired, a.KeyHeader = true, "api-key"
	s := &model.Snapshot{APIs: []*model.API{a}, Products: []*model.Product{{ID: "models", SubscriptionRequired: true, APIs: []string{"chat"}}}, Subscriptions: make([]*model.Subscription, 0, n)}
	subs := make([]model.Subscription, n) // in one piece, as a source that knows their number makes them
	for i := range subs {
		subs[i] = model.Subscription{
			ID: fmt.Sprint("s", i), Scope: model.ScopeProduct, ScopeID: "models", State: model.Active,
			PrimaryKey: secret.New(fmt.Sprintf("%032d", i)), SecondaryKey: secret.New(fmt.Sprintf("2%031d", i)),
		}
		s.Subscriptions = append(s.Subscriptions, &subs[i])
	}
	return s
}

// service has n APIs, each with a policy document and operations.
func service(n int) *model.Snapshot {
	s := &model.Snapshot{}
	for i := range n {
		a := api(fmt.Sprint("api", i))
		a.Policy = doc(`<policies><inbound><base/><set-header name="x" exists-action="override"><value>1</value></set-header><rewrite-uri template="/y/{id}"/></inbound>
<backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>`)
		s.APIs = append(s.APIs, a)
	}
	return s
}

func build(t testing.TB, prev *plan.Plan, s *model.Snapshot) (*plan.Plan, plan.Report) {
	t.Helper()
	p, r := plan.Build(prev, s, deps())
	if r.Findings.HasErrors() {
		t.Fatalf("%v", r.Findings)
	}
	return p, r
}

// matching returns a closure that matches the last operation of the last API
// of large(sh, m, n).
func matching(t testing.TB, p *plan.Plan, sh shape, m, n int) func() {
	target := fmt.Sprintf("/big%d%s", m-1, sh.target(n-1))
	want := fmt.Sprint("op", n-1)
	header := wire.Header{{Name: "Accept", Value: "*/*"}}
	params := make([]exchange.Param, 0, 4)
	return func() {
		m, ps := p.Match("POST", target, header, params)
		if m.Op == nil || len(ps) != 1 || m.Op.Model.ID != want {
			t.Fatal("no match")
		}
	}
}

// admitting returns a closure that finds and checks the secondary key of the
// last subscription of p.
func admitting(t testing.TB, p *plan.Plan, n int) func() {
	header := wire.Header{{Name: "Accept", Value: "*/*"}, {Name: "Api-Key", Value: fmt.Sprintf("2%031d", n-1)}}
	return func() {
		key, _ := p.APIs[0].FindKey(header, "api-version=1")
		if a := p.Admit(p.APIs[0], key); a.Subscription == nil || a.Product == nil || a.Invalid {
			t.Fatal("not admitted")
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, sh := range shapes() {
		for _, n := range []int{1, 10, 1000, 10_000} {
			p, _ := build(t, nil, large(sh, 1, n))
			if got := testing.AllocsPerRun(200, matching(t, p, sh, 1, n)); got != 0 {
				t.Errorf("%s, %d operations: %v allocations", sh.name, n, got)
			}
		}
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	for _, n := range []int{1, 10, 100_000} {
		p, _ := build(t, nil, subscribed(n))
		if got := testing.AllocsPerRun(200, admitting(t, p, n)); got != 0 {
			t.Errorf("%d subscriptions: %v allocations with a key", n, got)
		}
		header := wire.Header{{Name: "api-key", Value: "of-nobody"}}
		got := testing.AllocsPerRun(200, func() {
			key, _ := p.APIs[0].FindKey(header, "")
			if !p.Admit(p.APIs[0], key).Invalid {
				t.Fatal("admitted")
			}
		})
		if got != 0 {
			t.Errorf("%d subscriptions: %v allocations with a wrong key", n, got)
		}
	}
}

// One API of many that changed is all that is compiled anew.
func TestOnlyWhatChangedIsCompiled(t *testing.T) {
	s := service(50)
	p, _ := build(t, nil, s)
	_, r := build(t, p, changed(s))
	if r.Compiled != 1 || r.Reused != 49 {
		t.Errorf("compiled %d, reused %d", r.Compiled, r.Reused)
	}
}

// changed is s with another content of the API in the middle.
func changed(s *model.Snapshot) *model.Snapshot {
	c := *s
	c.APIs = append([]*model.API(nil), s.APIs...)
	a := *c.APIs[len(c.APIs)/2]
	a.Hash += "-2"
	c.APIs[len(c.APIs)/2] = &a
	return &c
}

// BenchmarkMatch: the time must not depend on the number of operations or
// APIs. 0 allocs/op. build-ms is what making the plan took.
func BenchmarkMatch(b *testing.B) {
	for _, sh := range shapes() {
		for _, n := range []int{10, 100, 1000, 10_000} {
			benchMatch(b, fmt.Sprintf("%s/ops=%d", sh.name, n), sh, 1, n)
		}
	}
	for _, m := range []int{1, 10, 100, 500} {
		benchMatch(b, fmt.Sprintf("apis=%d", m), shapes()[0], m, 20)
	}
}

func benchMatch(b *testing.B, name string, sh shape, m, n int) {
	s := large(sh, m, n)
	start := time.Now()
	p, _ := build(b, nil, s)
	took := time.Since(start)
	f := matching(b, p, sh, m, n)
	b.Run(name, func(b *testing.B) {
		loop(b, f)
		b.ReportMetric(float64(took.Microseconds())/1e3, "build-ms")
	})
}

// BenchmarkAdmit: the time must not depend on the number of subscriptions,
// apart from what the processor's caches make of it. 0 allocs/op. build-ms is
// what making the plan took, rebuild-ms making it again after one API changed.
func BenchmarkAdmit(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000, 1_000_000} {
		s := subscribed(n)
		start := time.Now()
		p, _ := build(b, nil, s)
		took := time.Since(start)
		next := subscribed(n)
		next.APIs[0].Hash = "changed"
		start = time.Now()
		build(b, p, next)
		again := time.Since(start)
		f := admitting(b, p, n)
		b.Run(fmt.Sprint("subs=", n), func(b *testing.B) {
			loop(b, f)
			b.ReportMetric(float64(took.Microseconds())/1e3, "build-ms")
			b.ReportMetric(float64(again.Microseconds())/1e3, "rebuild-ms")
		})
	}
}

// BenchmarkBuild compiles 500 APIs, BenchmarkRebuild one changed API of 500
// (budget: 20 ms).
func BenchmarkBuild(b *testing.B) {
	s := service(500)
	loop(b, func() { build(b, nil, s) })
}

// BenchmarkRebuild: see BenchmarkBuild.
func BenchmarkRebuild(b *testing.B) {
	s := service(500)
	p, _ := build(b, nil, s)
	next := changed(s)
	loop(b, func() { build(b, p, next) })
}

func loop(b *testing.B, f func()) {
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
