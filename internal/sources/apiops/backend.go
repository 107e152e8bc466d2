package apiops

import (
	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/sources/internal/tree"
)

func (l *loader) readBackends(dir string) {
	l.each(dir, "backends", func(f *folder, id string) {
		defer f.rest()
		props := f.properties(take(l.over.top("backends"), id), "backendInformation.json")
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		r.Known("title", "description", "url", "protocol", "resourceId", "type", "credentials", "proxy", "tls",
			"properties", "circuitBreaker", "pool", "azureRegion", "failoverGroupName", "sessionAffinity", "provisioningState")
		b := &model.Backend{
			ID: id, Type: r.OneOf("type", "Single", "Single", "Pool"), URL: r.String("url"),
			Title: r.String("title"), Description: r.String("description"),
			Credentials:   l.credentials(r.Sub("credentials")),
			ValidateChain: r.Sub("tls").Bool("validateCertificateChain", true),
			ValidateName:  r.Sub("tls").Bool("validateCertificateName", true),
			Pool:          l.pool(r, f.res),
			Pos:           props.Pos, Places: place(r, "url", "type", "pool", "title", "description", "protocol"),
		}
		b.Properties, b.Sealed = seal(props)
		l.snap.Backends = append(l.snap.Backends, b)
	})
}

func (l *loader) credentials(r tree.Reader) *model.BackendCredentials {
	if r.Node() == nil {
		return nil
	}
	r.Known("header", "query", "authorization", "certificate", "certificateIds", "managedIdentity")
	auth := r.Sub("authorization")
	c := &model.BackendCredentials{
		Header: nameValues(r.Sub("header")), Query: nameValues(r.Sub("query")),
		Scheme: auth.String("scheme"), Parameter: auth.Secret("parameter"),
		CertificateIDs: append(r.Strings("certificateIds"), r.Strings("certificate")...),
	}
	if r.Has("managedIdentity") {
		mi := r.Sub("managedIdentity")
		mi.Known("resource", "clientId")
		c.ManagedIdentity = &model.ManagedIdentity{Resource: mi.Need("resource"), ClientID: mi.String("clientId")}
	}
	return c
}

// nameValues reads {"name": ["value", …]}.
func nameValues(r tree.Reader) []model.NameValues {
	var out []model.NameValues
	for _, name := range r.Node().Names() {
		nv := model.NameValues{Name: name}
		for _, v := range r.Strings(name) {
			nv.Values = append(nv.Values, secret.New(v))
		}
		out = append(out, nv)
	}
	return out
}

func (l *loader) pool(r tree.Reader, res string) []model.PoolMember {
	services := r.Sub("pool")
	var out []model.PoolMember
	for i, it := range services.List("services") {
		m := services.Item("services", i, it)
		m.Known("id", "priority", "weight", "preferredCarbonEmission")
		ref := m.Need("id")
		if ref == "" {
			continue
		}
		id, ok := referenceID(ref, "backends")
		if !ok {
			l.out.Add(diag.SourceReference, m.Pos("id"), res, "'%s' is not a backend id", m.Show("id")).WithHint("write /backends/{name} or a full ARM id")
			continue
		}
		out = append(out, model.PoolMember{BackendID: id, Priority: m.Int("priority", 1), Weight: m.Int("weight", 1), Pos: m.Pos("id")})
	}
	return out
}
