package arm

import (
	"context"
	"net/url"
	"strings"

	"sallyport/internal/model"
	"sallyport/internal/secret"
)

func listNamedValues(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.NamedValues))
	for _, n := range r.snap.NamedValues {
		all = append(all, r.namedValue(n))
	}
	return r.page(all)
}

func getNamedValue(_ context.Context, _ *Handler, r *request) answer {
	n := find(r.snap.NamedValues, r.params[0], func(n *model.NamedValue) string { return n.ID })
	if n == nil {
		return notFound("Named value not found.")
	}
	return one(r.namedValue(n))
}

// namedValue leaves out the value of a secret and of a Key Vault reference
// (Azure documentation: Named Value - Get).
func (r *request) namedValue(n *model.NamedValue) object {
	p := object{{"displayName", n.DisplayName}, {"secret", n.Secret || n.KeyVault != nil}, {"tags", names(n.Tags)}}
	switch {
	case n.KeyVault != nil:
		p = append(p, field{"keyVault", object{{"secretIdentifier", n.KeyVault.SecretIdentifier}, {"identityClientId", orNull(n.KeyVault.IdentityClientID)}}})
	case !n.Secret:
		p = append(p, field{"value", n.Value.Reveal()}) // not marked as a secret: ARM shows it
	}
	return r.view("namedValues", n.ID, append(p, field{"provisioningState", "Succeeded"}))
}

func listBackends(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.Backends))
	for _, b := range r.snap.Backends {
		all = append(all, r.backend(b))
	}
	return r.page(all)
}

func getBackend(_ context.Context, _ *Handler, r *request) answer {
	b := find(r.snap.Backends, r.params[0], func(b *model.Backend) string { return b.ID })
	if b == nil {
		return notFound("Backend not found.")
	}
	return one(r.backend(b))
}

// backend shows the properties as they came; secret ones are sealed by then.
func (r *request) backend(b *model.Backend) object {
	p := object{{"title", orNull(b.Title)}, {"description", orNull(b.Description)}}
	if b.URL != "" {
		p = append(p, field{"url", withoutPassword(b.URL)})
	}
	p = append(p, field{"type", b.Type}).withRest(b.Properties, "url")
	if !p.has("protocol") && b.Type != "Pool" {
		p = append(p, field{"protocol", "http"})
	}
	if !p.has("tls") && b.Type != "Pool" {
		p = append(p, field{"tls", object{{"validateCertificateChain", b.ValidateChain}, {"validateCertificateName", b.ValidateName}}})
	}
	return r.view("backends", b.ID, p)
}

// withoutPassword hides the password of a URL, and all of a URL that may have
// one and cannot be read.
func withoutPassword(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil && strings.Contains(s, "@"):
		return secret.Redacted
	case err != nil || u.User == nil:
		return s
	}
	return u.Redacted()
}

func listFragments(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.Fragments))
	for _, f := range r.snap.Fragments {
		all = append(all, r.fragment(f))
	}
	return r.page(all)
}

func getFragment(_ context.Context, _ *Handler, r *request) answer {
	f := find(r.snap.Fragments, r.params[0], func(f *model.Fragment) string { return f.ID })
	if f == nil {
		return notFound("Policy fragment not found.")
	}
	return one(r.fragment(f))
}

func (r *request) fragment(f *model.Fragment) object {
	return r.view("policyFragments", f.ID, object{
		{"description", orNull(f.Description)}, {"format", string(f.Policy.Format)}, {"value", f.Policy.Text}, {"provisioningState", "Succeeded"},
	})
}
