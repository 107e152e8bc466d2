package databricks

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"sallyport/internal/wire"
)

// gatekeeper knows the tokens that open the plane, as digests: comparing
// digests takes the same time whatever the caller sent.
type gatekeeper struct {
	digests [][sha256.Size]byte
	names   []string
}

func newGatekeeper(tokens []Token) gatekeeper {
	var g gatekeeper
	for _, t := range tokens {
		if t.Value.IsZero() {
			continue // an unset token must not admit an empty one
		}
		g.digests = append(g.digests, sha256.Sum256([]byte(t.Value.Reveal())))
		g.names = append(g.names, t.Name)
	}
	return g
}

// check returns the name of the token presented. Both ways of the service are
// accepted: Bearer, and HTTP Basic with the user "token".
func (g *gatekeeper) check(h wire.Header) (name string, fail *failure) {
	if h.Count("Authorization") > 1 {
		return "", badToken()
	}
	presented, ok := presentedToken(h.Get("Authorization"))
	if !ok {
		if h.Has("Authorization") {
			return "", badToken()
		}
		return "", noToken()
	}
	digest, found := sha256.Sum256([]byte(presented)), -1
	for i := range g.digests {
		if subtle.ConstantTimeCompare(g.digests[i][:], digest[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return "", badToken()
	}
	return g.names[found], nil
}

func presentedToken(authorization string) (string, bool) {
	scheme, value, _ := strings.Cut(authorization, " ")
	value = strings.TrimLeft(value, " ")
	switch {
	case value == "":
		return "", false
	case strings.EqualFold(scheme, "Bearer"):
		return value, true
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", false
		}
		user, token, ok := strings.Cut(string(raw), ":")
		return token, ok && user == "token" && token != ""
	}
	return "", false
}
