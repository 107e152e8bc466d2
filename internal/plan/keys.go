package plan

import (
	"crypto/sha256"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// keyTable finds subscriptions by key. Keys are held as digests: a look-up
// takes the same time for near misses as for nonsense, and a memory dump of
// the table shows no keys.
type keyTable struct {
	byDigest map[keyDigest]*model.Subscription
}

type keyDigest [16]byte

// digest hashes a key without allocating for keys of the usual length.
func digest(key string) keyDigest {
	var buf [256]byte
	var sum [sha256.Size]byte
	if len(key) <= len(buf) {
		n := copy(buf[:], key)
		sum = sha256.Sum256(buf[:n])
	} else {
		sum = sha256.Sum256([]byte(key))
	}
	return keyDigest(sum[:16])
}

func buildKeys(subs []*model.Subscription) keyTable {
	t := keyTable{byDigest: make(map[keyDigest]*model.Subscription, 2*len(subs))}
	for _, s := range subs {
		if !s.PrimaryKey.IsZero() {
			t.byDigest[digest(s.PrimaryKey.Reveal())] = s
		}
		if !s.SecondaryKey.IsZero() {
			t.byDigest[digest(s.SecondaryKey.Reveal())] = s
		}
	}
	return t
}

// Admission is the result of Plan.Admit.
type Admission struct {
	Subscription *model.Subscription // nil without key
	Product      *Product            // whose policies apply; nil for none
	Missing      bool                // a key is needed and none was sent
	Invalid      bool                // the key sent opens nothing here
}

// Admit decides whether a caller with this key ("" = none) may use the API
// (Azure documentation: Subscriptions in Azure API Management, the table "How
// API Management handles requests with or without subscription keys").
func (p *Plan) Admit(a *API, key string) Admission {
	if key == "" {
		switch {
		case a.Open != nil:
			return Admission{Product: a.Open}
		case !a.Model.SubscriptionRequired:
			return Admission{}
		}
		return Admission{Missing: true}
	}
	s := p.keys.byDigest[digest(key)]
	if s == nil || s.State != model.Active {
		return Admission{Invalid: true}
	}
	switch s.Scope {
	case model.ScopeService, model.ScopeAllAPIs:
		return Admission{Subscription: s}
	case model.ScopeAPI:
		return Admission{Subscription: s, Invalid: s.ScopeID != a.Model.ID}
	}
	for _, pr := range a.Products {
		if pr.Model.ID == s.ScopeID {
			return Admission{Subscription: s, Product: pr}
		}
	}
	return Admission{Subscription: s, Invalid: true}
}

// KeyPlace says where a subscription key came from.
type KeyPlace uint8

// Places of a subscription key.
const (
	KeyAbsent KeyPlace = iota
	KeyInHeader
	KeyInQuery
	KeyInBearer
)

// FindKey reads the subscription key of a request: the API's header, then its
// query parameter, then (when the API allows it) a bearer token that is not a
// JWT. An empty header counts as absent.
func (a *API) FindKey(header wire.Header, query string) (string, KeyPlace) {
	if k := header.Get(a.Model.KeyHeader); k != "" {
		return k, KeyInHeader
	}
	if k, ok := exchange.QueryGet(query, a.Model.KeyQuery); ok && k != "" {
		return k, KeyInQuery
	}
	if a.Model.KeyBearer {
		if k := bearerKey(header.Get("Authorization")); k != "" {
			return k, KeyInBearer
		}
	}
	return "", KeyAbsent
}

func bearerKey(authorization string) string {
	const scheme = "bearer "
	if len(authorization) <= len(scheme) {
		return ""
	}
	dots := 0
	for i := range len(authorization) {
		if i < len(scheme) && authorization[i]|0x20 != scheme[i] && scheme[i] != ' ' {
			return ""
		}
		if authorization[i] == '.' {
			dots++
		}
	}
	if dots == 2 || authorization[len(scheme)-1] != ' ' { // a JWT is not a key
		return ""
	}
	return authorization[len(scheme):]
}
