package sandbox

import (
	"net/url"
	"strconv"
	"time"

	"sallyport/internal/wire"
)

// identityError is the shape of the instance metadata service.
type identityError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (c *call) refuseIdentity(status int, code, description string) {
	c.stats.refuse(ReasonIdentity)
	reply(c.w, status, c.label(), identityError{code, description})
}

func (c *call) label() wire.Header { return wire.Header{{Name: Label, Value: "true"}} }

// serveIMDS is the token endpoint of the instance metadata service, with the
// two rules that keep a tricked web application from fetching tokens: the
// Metadata header must be there, and the request must not come from a proxy.
func (c *call) serveIMDS() {
	switch {
	case !within(c.cfg.TokensFrom, c.r.Remote.Addr()):
		c.refuseIdentity(403, "forbidden", "The metadata endpoint answers this machine only")
	case c.r.Method != "GET":
		c.refuseIdentity(405, "method_not_allowed", "Only GET is supported")
	case c.r.Header.Has("X-Forwarded-For"):
		c.refuseIdentity(400, "invalid_request", "Requests with an X-Forwarded-For header are not served")
	case c.r.Header.Get("Metadata") != "true" && c.r.Header.Get("Metadata") != "True":
		c.refuseIdentity(400, "invalid_request", "Required metadata header not specified")
	case c.query.Get("api-version") == "":
		c.refuseIdentity(400, "invalid_request", "Required query variable 'api-version' is missing")
	case c.query.Get("api-version") < "2018-02-01" || !validVersion(c.query.Get("api-version")):
		c.refuseIdentity(400, "invalid_request", "The api-version is not supported")
	case c.query.Get("resource") == "":
		c.refuseIdentity(400, "invalid_request", "Required audience parameter not specified")
	case !c.knowsIdentity():
		c.refuseIdentity(400, "invalid_request", "Identity not found")
	default:
		c.issue(func(now, until time.Time, t map[string]string) {
			t["expires_in"] = seconds(until.Sub(now))
			t["ext_expires_in"] = t["expires_in"]
			t["not_before"] = strconv.FormatInt(now.Unix(), 10)
		})
	}
}

// serveAppService is the same for a workload on App Service: the secret header
// stands in for the Metadata header.
func (c *call) serveAppService() {
	switch {
	case c.cfg.IdentityHeader.IsZero():
		c.refuseIdentity(404, "not_found", "No managed identity endpoint here")
	case !within(c.cfg.TokensFrom, c.r.Remote.Addr()):
		c.refuseIdentity(403, "forbidden", "The identity endpoint answers this machine only")
	case c.r.Method != "GET":
		c.refuseIdentity(405, "method_not_allowed", "Only GET is supported")
	case !c.cfg.IdentityHeader.Equal(c.r.Header.Get("X-IDENTITY-HEADER")):
		c.refuseIdentity(401, "unauthorized", "The X-IDENTITY-HEADER header is missing or wrong")
	case c.query.Get("api-version") != "2019-08-01":
		c.refuseIdentity(400, "invalid_request", "The api-version is not supported")
	case c.query.Get("resource") == "":
		c.refuseIdentity(400, "invalid_request", "Required audience parameter not specified")
	case !c.knowsIdentity():
		c.refuseIdentity(400, "invalid_request", "Identity not found")
	default:
		c.issue(func(time.Time, time.Time, map[string]string) {})
	}
}

// knowsIdentity reports whether the identity asked for is ours. No selector
// means the system-assigned one. The two endpoints and the libraries disagree
// on the names of selectors; both take all of them.
func (c *call) knowsIdentity() bool {
	is := func(want string, names ...string) bool {
		for _, name := range names {
			if c.query.Has(name) && c.query.Get(name) != want {
				return false
			}
		}
		return true
	}
	return is(c.cfg.ClientID, "client_id") && is(c.cfg.Principal, "object_id", "principal_id") &&
		is(c.resourceID(), "msi_res_id", "mi_res_id")
}

// issue answers with a token for the resource asked for.
func (c *call) issue(more func(now, until time.Time, t map[string]string)) {
	resource := c.query.Get("resource")
	token, err := c.Token(resource)
	if err != nil {
		c.refuseIdentity(500, "server_error", "The token could not be signed")
		return
	}
	c.stats.issued()
	until := c.now.Add(c.cfg.TokenLife)
	t := map[string]string{
		"access_token": token.Reveal(), "token_type": "Bearer", "resource": resource,
		"client_id": c.cfg.ClientID, "expires_on": strconv.FormatInt(until.Unix(), 10),
	}
	more(c.now, until, t)
	reply(c.w, 200, append(c.label(), wire.Field{Name: "Cache-Control", Value: "no-store"}), t)
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// serveKeys publishes the signing key, so that others can verify the tokens.
func (c *call) serveKeys() {
	reply(c.w, 200, c.label(), map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": c.signer.kid,
		"n": c.signer.modulus(), "e": c.signer.exponent(), "issuer": c.Issuer(),
	}}})
}

// serveDiscovery describes the stand-in directory. The addresses are those the
// caller used, the issuer is the one in the tokens.
func (c *call) serveDiscovery() {
	base := url.URL{Scheme: c.r.Scheme, Host: c.r.Host}
	reply(c.w, 200, c.label(), map[string]any{
		"issuer":                                c.Issuer(),
		"jwks_uri":                              base.String() + "/discovery/keys",
		"token_endpoint":                        base.String() + "/metadata/identity/oauth2/token",
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"public"},
	})
}
