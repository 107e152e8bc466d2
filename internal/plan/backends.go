package plan

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policyxml"
	"sallyport/internal/secret"
)

// backendTable holds the compiled backend entities.
type backendTable map[string]*exchange.BackendEntity

// Backend implements policy.Backends.
func (t backendTable) Backend(id string) (*exchange.BackendEntity, bool) {
	b, ok := t[id]
	return b, ok
}

// BackendIDs implements policy.Backends.
func (t backendTable) BackendIDs() []string {
	ids := make([]string, 0, len(t))
	for id := range t {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func buildBackends(s *model.Snapshot, names *namedValues, d Deps, fs *diag.List) backendTable {
	t := make(backendTable, len(s.Backends))
	for _, b := range s.Backends {
		path := "backends/" + b.ID
		if strings.EqualFold(b.Type, "Pool") {
			fs.Add(diag.PolicyNotSupported, b.Pos, path, "Backend pools are not supported yet.")
			continue
		}
		base, err := exchange.ParseBaseURL(names.fill(b.URL, b.Pos, path, fs))
		if err != nil {
			fs.Add(diag.PolicyServiceURL, b.Pos, path, "The URL of backend '%s' cannot be used: %v.", b.ID, err)
			continue
		}
		e := &exchange.BackendEntity{ID: b.ID, Base: base, Transport: d.Transport(b.ValidateChain, b.ValidateName)}
		buildCredentials(e, b, names, path, fs)
		t[b.ID] = e
	}
	return t
}

func buildCredentials(e *exchange.BackendEntity, b *model.Backend, names *namedValues, path string, fs *diag.List) {
	c := b.Credentials
	if c == nil {
		return
	}
	if len(c.CertificateIDs) > 0 {
		fs.Add(diag.PolicyNotSupported, b.Pos, path, "Client certificates of backends are not supported yet.")
	}
	fill := func(nvs []model.NameValues) (out []exchange.Credential) {
		for _, nv := range nvs {
			cr := exchange.Credential{Name: nv.Name}
			for _, v := range nv.Values {
				cr.Values = append(cr.Values, secret.New(names.fill(v.Reveal(), b.Pos, path, fs)))
			}
			out = append(out, cr)
		}
		return out
	}
	e.Header, e.Query = fill(c.Header), fill(c.Query)
	if c.Scheme != "" {
		e.Authorization = secret.New(c.Scheme + " " + names.fill(c.Parameter.Reveal(), b.Pos, path, fs))
	}
	if c.ManagedIdentity != nil {
		e.IdentityResource, e.IdentityClientID = c.ManagedIdentity.Resource, c.ManagedIdentity.ClientID
	}
}

// namedValues resolves {{display name}} references. It implements policy.Resolver.
type namedValues struct {
	values map[string]*model.NamedValue
	used   map[string]bool // names asked for since the last reset
}

func newNamedValues(list []*model.NamedValue) *namedValues {
	n := &namedValues{values: make(map[string]*model.NamedValue, len(list)), used: map[string]bool{}}
	for _, v := range list {
		if v.KeyVault != nil && v.Value.IsZero() {
			continue // not fetched: whoever uses it must be refused, not given an empty text
		}
		n.values[v.DisplayName] = v
	}
	return n
}

// Known implements policy.Resolver.
func (n *namedValues) Known() []string {
	var names []string
	for k := range n.values {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// Resolve implements policy.Resolver. Values are not expanded again.
func (n *namedValues) Resolve(text string) (out string, isSecret bool, missing []string) {
	if !strings.Contains(text, "{{") {
		return text, false, nil
	}
	out, refs := policyxml.Substitute(text, func(name string) (string, bool) {
		n.used[name] = true
		v, ok := n.values[name]
		if !ok {
			return "", false
		}
		isSecret = isSecret || v.Secret || v.KeyVault != nil
		return v.Value.Reveal(), true
	})
	for _, r := range refs {
		missing = append(missing, r.Name)
	}
	return out, isSecret, missing
}

// hider knows the secret values, to keep them out of traces and logs.
func (n *namedValues) hider() *secret.Hider {
	var values []secret.Text
	for _, v := range n.values {
		if v.Secret || v.KeyVault != nil {
			values = append(values, v.Value)
		}
	}
	return secret.NewHider(values)
}

// redact takes secret values out of findings: a message that quotes what a
// document says must not quote what a named value put there.
func (n *namedValues) redact(fs diag.List) {
	for _, v := range n.values {
		text := v.Value.Reveal()
		if (!v.Secret && v.KeyVault == nil) || text == "" {
			continue
		}
		for i := range fs {
			fs[i].Message = strings.ReplaceAll(fs[i].Message, text, secret.Redacted)
			fs[i].Hint = strings.ReplaceAll(fs[i].Hint, text, secret.Redacted)
		}
	}
}

// fill resolves the named values of an entity's property.
func (n *namedValues) fill(text string, pos diag.Pos, path string, fs *diag.List) string {
	out, _, missing := n.Resolve(text)
	for _, m := range missing {
		fs.Add(diag.PolicyNamedValueMissing, pos, path, "Property '%s' not found.", m).
			WithHint("%s", diag.DidYouMean(m, n.Known()))
	}
	return out
}
