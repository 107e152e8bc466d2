package plan_test

import (
	"runtime"
	"testing"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/wire"
)

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A million subscriptions, each with two keys of 32 characters, fit into
// 300 MiB with everything that stays: the plan's tables and the snapshot's own
// objects, keys included, which the management plane lists.
func TestMillionSubscriptionsFitInMemory(t *testing.T) {
	const n, limit = 1_000_000, 300 << 20
	before := heap()
	start := time.Now()
	s := subscribed(n)
	made := time.Now()
	model := heap() - before
	compile := time.Now()
	p, _ := build(t, nil, s)
	built := time.Since(compile)
	all := heap() - before
	t.Logf("snapshot %d MiB (made in %v), plan %d MiB more (built in %v), %d bytes a subscription", model>>20, made.Sub(start), (all-model)>>20, built, all/n)
	if all >= limit {
		t.Errorf("%d MiB are kept, the limit is %d", all>>20, limit>>20)
	}
	if own := all - model; own > 32<<20 {
		t.Errorf("the plan itself keeps %d MiB", own>>20)
	}
	admitting(t, p, n)()
	runtime.KeepAlive(s)
}

// An API in many products is admitted through each of them, and through no
// other.
func TestAdmitThroughManyProducts(t *testing.T) {
	for _, n := range []int{1, 7, 8, 200} {
		s := subscribed(n + 1)
		s.APIs = append(s.APIs, api("other"))
		s.Products = nil
		for i := range n {
			id := s.Subscriptions[i].ID + "-product"
			s.Products = append(s.Products, &model.Product{ID: id, SubscriptionRequired: true, APIs: []string{"other", "chat", "chat"}})
			s.Subscriptions[i].ScopeID = id
		}
		s.Products = append(s.Products, &model.Product{ID: "elsewhere", SubscriptionRequired: true, APIs: []string{"other"}})
		s.Subscriptions[n].ScopeID = "elsewhere"
		p, _ := build(t, nil, s)
		admit := func(i int) plan.Admission {
			key, _ := p.APIs[0].FindKey(wire.Header{{Name: "api-key", Value: s.Subscriptions[i].PrimaryKey.Reveal()}}, "")
			return p.Admit(p.APIs[0], key)
		}
		if len(p.APIs[0].Products) != n || len(p.APIs[1].Products) != n+1 {
			t.Fatalf("%d and %d products", len(p.APIs[0].Products), len(p.APIs[1].Products))
		}
		for i := range n {
			if a := admit(i); a.Invalid || a.Subscription != s.Subscriptions[i] || a.Product == nil || a.Product.Model != s.Products[i] {
				t.Errorf("%d products: %+v for number %d", n, a, i)
			}
		}
		if a := admit(n); !a.Invalid || a.Product != nil {
			t.Errorf("%d products: admitted through a product that has not the API: %+v", n, a)
		}
	}
}
