package arm

import (
	"context"
	"strings"

	"sallyport/internal/model"
)

// find returns the item whose id is name, compared without case as ARM does.
func find[T any](all []*T, name string, id func(*T) string) *T {
	for _, v := range all {
		if strings.EqualFold(id(v), name) {
			return v
		}
	}
	return nil
}

func findProduct(s *model.Snapshot, name string) *model.Product {
	return find(s.Products, name, func(p *model.Product) string { return p.ID })
}

func listProducts(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.Products))
	for _, p := range r.snap.Products {
		all = append(all, r.product(p))
	}
	return r.page(all)
}

func getProduct(_ context.Context, _ *Handler, r *request) answer {
	p := findProduct(r.snap, r.params[0])
	if p == nil {
		return notFound("Product not found.")
	}
	return one(r.product(p))
}

func (r *request) product(p *model.Product) object {
	o := object{
		{"displayName", p.DisplayName},
		{"description", orNull(p.Description)},
		{"subscriptionRequired", p.SubscriptionRequired},
		{"state", p.State},
	}.withRest(p.Properties)
	for _, absent := range []string{"terms", "approvalRequired", "subscriptionsLimit"} {
		if !o.has(absent) {
			o = append(o, field{absent, nil})
		}
	}
	return r.view("products", p.ID, o)
}

func (o object) has(name string) bool {
	for _, f := range o {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// listProductAPIs lists the current revisions of the product's APIs.
func listProductAPIs(_ context.Context, _ *Handler, r *request) answer {
	p := findProduct(r.snap, r.params[0])
	if p == nil {
		return notFound("Product not found.")
	}
	all := []object{}
	for _, id := range p.APIs {
		if a := findAPI(r.snap, id); a != nil {
			all = append(all, r.api(a))
		}
	}
	return r.page(all)
}
