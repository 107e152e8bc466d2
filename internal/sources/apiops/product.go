package apiops

import (
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

func (l *loader) readProducts(dir string) {
	l.each(dir, "products", func(f *folder, id string) {
		defer f.rest()
		over := take(l.over.top("products"), id)
		props := f.properties(over, "productInformation.json")
		p := &model.Product{ID: id, Policy: l.policy(f, over.sub("policies"), f.res+"/policies/policy", nil)}
		for _, k := range f.links("apis", "productApiInformation.json") {
			p.APIs = append(p.APIs, withoutRevision(k.name))
			p.Places = append(p.Places, model.Place{Name: "apis/" + withoutRevision(k.name), Pos: k.pos})
		}
		for _, k := range f.links("groups", "productGroupInformation.json") {
			p.Groups = append(p.Groups, k.name)
			p.Places = append(p.Places, model.Place{Name: "groups/" + k.name, Pos: k.pos})
		}
		for _, k := range f.links("tags", "productTagInformation.json") {
			l.keepLink("products/"+id+"/tags", k.name, k)
		}
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		r.Known("displayName", "description", "terms", "subscriptionRequired", "approvalRequired", "subscriptionsLimit",
			"state", "application", "authenticationType", "isDefault", "provisioningState")
		p.DisplayName, p.Description = r.Need("displayName"), r.String("description")
		p.SubscriptionRequired = r.Bool("subscriptionRequired", true)
		p.State = r.OneOf("state", "notPublished", "notPublished", "published")
		p.Properties, p.Pos = props.JSON(), props.Pos
		p.Places = append(p.Places, place(r, "displayName", "description", "subscriptionRequired", "approvalRequired", "subscriptionsLimit", "state")...)
		l.snap.Products = append(l.snap.Products, p)
	})
}
