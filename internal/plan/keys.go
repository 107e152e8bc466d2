package plan

import (
	"hash/maphash"
	"slices"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// keyTable finds subscriptions by key. It is built for a million of them: eight
// bytes a slot, no pointers for the collector to follow, and the keys themselves
// stay where the model has them. The hash is seeded per table, so where a key
// lands tells nobody outside anything: a near miss takes the same time as
// nonsense, and the one comparison that a matching tag leads to takes the same
// time wherever the difference is.
type keyTable struct {
	seed  maphash.Seed
	slots []keySlot
	subs  []*model.Subscription
}

// keySlot is one key: tag is half of its hash, at says whose it is (twice the
// position among the subscriptions, plus 1 for the primary or 2 for the
// secondary key). A slot is free while at is 0.
type keySlot struct{ tag, at uint32 }

// maxSubscriptions is what at of a slot can tell apart.
const maxSubscriptions = 1<<31 - 2

// buildKeys makes the table for subs. When their keys are those of prev, in the
// same order, its slots serve again: hashing a million keys is the longest part
// of bringing a small change into force.
func buildKeys(prev *Plan, subs []*model.Subscription) keyTable {
	if len(subs) > maxSubscriptions {
		panic("BUG: more subscriptions than a key table can hold")
	}
	if prev != nil && slices.EqualFunc(prev.keys.subs, subs, sameKeys) {
		return keyTable{seed: prev.keys.seed, slots: prev.keys.slots, subs: subs}
	}
	n := 0
	for _, s := range subs {
		for which := range uint32(2) {
			if !keyOf(s, which).IsZero() {
				n++
			}
		}
	}
	t := keyTable{seed: maphash.MakeSeed(), slots: make([]keySlot, n+n/4+1), subs: subs}
	for i, s := range subs {
		for which := range uint32(2) {
			if k := keyOf(s, which); !k.IsZero() {
				t.add(k.Reveal(), uint32(i)<<1+which+1)
			}
		}
	}
	return t
}

func sameKeys(a, b *model.Subscription) bool {
	return a == b || (a.PrimaryKey.Reveal() == b.PrimaryKey.Reveal() && a.SecondaryKey.Reveal() == b.SecondaryKey.Reveal())
}

// keyOf is the primary (0) or secondary (1) key.
func keyOf(s *model.Subscription, which uint32) secret.Text {
	if which == 0 {
		return s.PrimaryKey
	}
	return s.SecondaryKey
}

// place is where the search for a key begins, and its tag.
func (t *keyTable) place(key string) (int, uint32) {
	h := maphash.String(t.seed, key)
	return int((h >> 32) * uint64(len(t.slots)) >> 32), uint32(h)
}

// add puts a key into the table. Of two subscriptions with one key the later
// one has it; model.Validate refuses such a configuration.
func (t *keyTable) add(key string, at uint32) {
	i, tag := t.place(key)
	for t.slots[i].at != 0 && (t.slots[i].tag != tag || !t.holds(t.slots[i].at, key)) {
		i = t.next(i)
	}
	t.slots[i] = keySlot{tag, at}
}

func (t *keyTable) find(key string) *model.Subscription {
	if len(t.slots) == 0 {
		return nil
	}
	i, tag := t.place(key)
	for s := t.slots[i]; s.at != 0; s = t.slots[i] {
		if s.tag == tag && t.holds(s.at, key) {
			return t.subs[(s.at-1)>>1]
		}
		i = t.next(i)
	}
	return nil
}

func (t *keyTable) next(i int) int {
	if i++; i == len(t.slots) {
		return 0
	}
	return i
}

// holds reports whether the key that at stands for is key.
func (t *keyTable) holds(at uint32, key string) bool {
	at--
	return keyOf(t.subs[at>>1], at&1).Equal(key)
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
	s := p.keys.find(key)
	if s == nil || s.State != model.Active {
		return Admission{Invalid: true}
	}
	switch s.Scope {
	case model.ScopeService, model.ScopeAllAPIs:
		return Admission{Subscription: s}
	case model.ScopeAPI:
		return Admission{Subscription: s, Invalid: s.ScopeID != a.Model.ID}
	}
	pr := a.product(s.ScopeID)
	return Admission{Subscription: s, Product: pr, Invalid: pr == nil}
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
