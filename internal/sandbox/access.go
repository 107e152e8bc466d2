package sandbox

import (
	"net/netip"
	"slices"
	"strings"
)

// admit applies the network rule and the authentication of the data plane.
func (c *call) admit() *failure {
	if !within(c.cfg.AllowFrom, c.r.Remote.Addr()) {
		return fault(403, "AccessDenied", "Access denied due to Virtual Network/Firewall rules.").because(ReasonNetwork)
	}
	key, hasKey := c.r.Header.Lookup("api-key")
	if !hasKey && strings.HasSuffix(c.path, "/realtime") { // browsers cannot set headers on a WebSocket
		key, hasKey = c.query.Get("api-key"), c.query.Has("api-key")
	}
	scheme, credentials, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	credentials = strings.TrimSpace(credentials)
	bearer := strings.EqualFold(scheme, "Bearer") && credentials != ""
	switch {
	case hasKey:
		return c.admitKey(key)
	case bearer && strings.HasPrefix(c.path, "/openai/v1/") && !c.cfg.APIKey.IsZero() && strings.Count(credentials, ".") != 2:
		// The v1 routes take the resource key as a bearer token, for clients
		// that know nothing of Azure.
		return c.admitKey(credentials)
	case bearer:
		return c.admitToken(credentials)
	}
	return denied(ReasonNoCredentials)
}

func denied(r Reason) *failure {
	return fault(401, "401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.").because(r)
}

func (c *call) admitKey(key string) *failure {
	if c.cfg.APIKey.IsZero() {
		return fault(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource.").because(ReasonKeyDisabled)
	}
	if !c.cfg.APIKey.Equal(key) {
		return denied(ReasonKey)
	}
	return nil
}

func (c *call) admitToken(raw string) *failure {
	oid, f := c.verify(raw, c.now)
	if f != nil {
		return f
	}
	if !slices.Contains(c.cfg.Principals, oid) {
		return fault(401, "PermissionDenied", "Principal does not have access to API/Operation.").because(ReasonPrincipal)
	}
	return nil
}

// within reports whether a is in one of ps. Only the socket's address counts:
// a forwarded header must never open the door.
func within(ps []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
