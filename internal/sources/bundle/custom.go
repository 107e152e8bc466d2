package bundle

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// headerName is an HTTP field name (RFC 9110, section 5.6.2).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// secretReference is {{secrets/<scope>/<key>}}.
var secretReference = regexp.MustCompile(`^\{\{\s*secrets/([A-Za-z0-9_.@-]{1,128})/([A-Za-z0-9_.@-]{1,128})\s*\}\}$`)

// custom reads custom_provider_config: a complete URL and one kind of auth.
func (l *loader) custom(r tree.Reader, res string) *model.CustomProvider {
	l.known(r, res, "custom_provider_url", "api_key_auth", "bearer_token_auth")
	c := &model.CustomProvider{URL: r.Need("custom_provider_url"), Pos: r.Node().Pos}
	if c.URL != "" {
		l.checkURL(c.URL, r.Pos("custom_provider_url"), res)
	}
	if r.Has("api_key_auth") == r.Has("bearer_token_auth") {
		word := "api_key_auth and bearer_token_auth exclude each other"
		if !r.Has("api_key_auth") {
			word = "api_key_auth or bearer_token_auth is required"
		}
		l.out.Add(diag.ServingAuth, r.Node().Pos, res, "%s", word)
	}
	if r.Has("api_key_auth") {
		a := r.Sub("api_key_auth")
		l.known(a, res, "key", "value", "value_plaintext")
		c.APIKey = &model.APIKeyAuth{Key: a.Need("key"), Value: l.credential(a, "value", res)}
		if c.APIKey.Key != "" && !headerName.MatchString(c.APIKey.Key) {
			l.out.Add(diag.ServingAuth, a.Pos("key"), res, "api_key_auth.key must be a header name")
		}
	}
	if r.Has("bearer_token_auth") {
		a := r.Sub("bearer_token_auth")
		l.known(a, res, "token", "token_plaintext")
		v := l.credential(a, "token", res)
		c.BearerToken = &v
	}
	return c
}

// credential reads a secret reference or its plaintext twin, never both. No
// finding shows what was written: it could be the secret in the wrong field.
func (l *loader) credential(r tree.Reader, field, res string) model.SecretValue {
	plain := field + "_plaintext"
	if r.Has(field) == r.Has(plain) {
		word := "write either '" + field + "' or '" + plain + "', not both"
		if !r.Has(field) {
			word = "'" + field + "' is required"
		}
		pos := r.Pos(plain)
		l.out.Add(diag.ServingCredential, pos, res, "%s", word)
	}
	if r.Has(field) {
		m := secretReference.FindStringSubmatch(r.String(field))
		if m == nil {
			l.out.Add(diag.ServingSecretRef, r.Pos(field), res, "'%s' must be a secret reference", field).
				WithHint("write {{secrets/<scope>/<key>}}, or use '%s' for the secret itself", plain)
			return model.SecretValue{}
		}
		return model.SecretValue{Scope: m[1], Key: m[2]}
	}
	if !r.Has(plain) {
		return model.SecretValue{}
	}
	v := r.Secret(plain)
	switch {
	case v.IsZero():
		l.out.Add(diag.ServingCredential, r.Pos(plain), res, "'%s' is empty", plain)
	case !r.Node().Get(plain).Filled:
		l.out.Add(diag.ServingPlaintext, r.Pos(plain), res, "'%s' holds a secret in plain text", plain)
	}
	return model.SecretValue{Plaintext: v}
}

// checkURL: the service calls https only. The URL is not shown, its query may
// hold a key.
func (l *loader) checkURL(raw string, pos diag.Pos, res string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must be a complete URL")
	case u.User != nil:
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must not hold credentials")
	case u.Fragment != "":
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must not hold a fragment")
	case strings.EqualFold(u.Scheme, "https"):
	case !strings.EqualFold(u.Scheme, "http"):
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must be https")
	case isLoopback(u.Hostname()) && l.opts.AllowInsecureLoopback:
		l.out.Add(diag.ServingInsecure, pos, res, "custom_provider_url is plain http to this machine; Databricks would refuse it")
	case isLoopback(u.Hostname()):
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must be https, please change to https").
			WithHint("plain http to this machine is possible with serving.allowInsecureLoopback")
	default:
		l.out.Add(diag.ServingURL, pos, res, "custom_provider_url must be https, please change to https")
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// withoutPlaintext returns the resource as it may be shown: plaintext fields
// are gone, as in the service's own answers, and so is what stands in a
// reference field of an external model without being a reference.
func withoutPlaintext(n *tree.Node, external bool) *tree.Node {
	out := *n
	switch n.Kind {
	case tree.List:
		out.Items = make([]*tree.Node, len(n.Items))
		for i, it := range n.Items {
			out.Items[i] = withoutPlaintext(it, external)
		}
	case tree.Object:
		out.Members = nil
		for _, m := range n.Members {
			if strings.HasSuffix(m.Name, "_plaintext") || external && isSecretField(m.Name) && !isReference(m.Value) {
				continue
			}
			m.Value = withoutPlaintext(m.Value, external || m.Name == "external_model")
			out.Members = append(out.Members, m)
		}
	}
	return &out
}

func isReference(n *tree.Node) bool {
	return n.Kind == tree.String && secretReference.MatchString(n.Text)
}

// isSecretField lists the fields of external models that hold references.
func isSecretField(name string) bool {
	return slices.Contains([]string{"value", "token", "openai_api_key", "microsoft_entra_client_secret", "anthropic_api_key", "cohere_api_key",
		"aws_access_key_id", "aws_secret_access_key", "private_key", "databricks_api_token", "palm_api_key", "ai21labs_api_key"}, name)
}
