package plan_test

import (
	"fmt"
	"testing"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// large is one API with n operations of two shapes, and one subscription.
func large(n int) *model.Snapshot {
	a := api("big")
	a.Operations = nil
	for i := range n {
		t := fmt.Sprintf("/area%d/items/{id}/part%d", i/100, i%100)
		a.Operations = append(a.Operations, &model.Operation{ID: fmt.Sprint("op", i), Method: "POST", URLTemplate: t, TemplateParameters: []model.Parameter{{Name: "id"}}})
	}
	return &model.Snapshot{APIs: []*model.API{a}}
}

// subscribed is one API in a product with n subscriptions.
func subscribed(n int) *model.Snapshot {
	a := api("chat")
	a.SubscriptionRequired, a.KeyHeader = true, "api-key"
	s := &model.Snapshot{APIs: []*model.API{a}, Products: []*model.Product{{ID: "models", SubscriptionRequired: true, APIs: []string{"chat"}}}}
	for i := range n {
		s.Subscriptions = append(s.Subscriptions, &model.Subscription{
			ID: fmt.Sprint("s", i), Scope: model.ScopeProduct, ScopeID: "models", State: model.Active, PrimaryKey: secret.New(fmt.Sprintf("key-%032d", i)),
		})
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

// matching returns a closure that matches the last operation of p.
func matching(t testing.TB, p *plan.Plan, n int) func() {
	target := fmt.Sprintf("/big/Area%d/items/42%%2F43/part%d?api-version=1", (n-1)/100, (n-1)%100)
	header := wire.Header{{Name: "Accept", Value: "*/*"}}
	params := make([]exchange.Param, 0, 4)
	return func() {
		m, ps := p.Match("POST", target, header, params)
		if m.Op == nil || len(ps) != 1 {
			t.Fatal("no match")
		}
	}
}

// admitting returns a closure that finds and checks the key of the last
// subscription of p.
func admitting(t testing.TB, p *plan.Plan, n int) func() {
	header := wire.Header{{Name: "Accept", Value: "*/*"}, {Name: "Api-Key", Value: fmt.Sprintf("key-%032d", n-1)}}
	return func() {
		key, _ := p.APIs[0].FindKey(header, "api-version=1")
		if a := p.Admit(p.APIs[0], key); a.Subscription == nil || a.Product == nil || a.Invalid {
			t.Fatal("not admitted")
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, n := range []int{1, 1000} {
		p, _ := build(t, nil, large(n))
		if got := testing.AllocsPerRun(200, matching(t, p, n)); got != 0 {
			t.Errorf("%d operations: %v allocations", n, got)
		}
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	p, _ := build(t, nil, subscribed(10))
	if got := testing.AllocsPerRun(200, admitting(t, p, 10)); got != 0 {
		t.Errorf("%v allocations with a key", got)
	}
	header := wire.Header{{Name: "api-key", Value: "of-nobody"}}
	got := testing.AllocsPerRun(200, func() {
		key, _ := p.APIs[0].FindKey(header, "")
		if !p.Admit(p.APIs[0], key).Invalid {
			t.Fatal("admitted")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations with a wrong key", got)
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

// BenchmarkMatch: the time must not depend on the number of operations.
// 0 allocs/op.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		p, _ := build(b, nil, large(n))
		f := matching(b, p, n)
		b.Run(fmt.Sprint("operations=", n), func(b *testing.B) { loop(b, f) })
	}
}

// BenchmarkAdmit: the time must not depend on the number of subscriptions.
// 0 allocs/op.
func BenchmarkAdmit(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		p, _ := build(b, nil, subscribed(n))
		f := admitting(b, p, n)
		b.Run(fmt.Sprint("subscriptions=", n), func(b *testing.B) { loop(b, f) })
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
