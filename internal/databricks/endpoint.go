package databricks

import (
	"strings"
	"sync/atomic"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// Task names of external models.
const (
	taskChat        = "llm/v1/chat"
	taskCompletions = "llm/v1/completions"
	taskEmbeddings  = "llm/v1/embeddings"
)

const providerCustom = "custom"

// endpoint is a serving endpoint made ready for calls.
type endpoint struct {
	model    *model.ServingEndpoint
	entities []*entity
	rota     rota
	created  time.Time
	updated  time.Time
	version  int
}

// entity is a served entity made ready for calls.
type entity struct {
	name      string
	provider  string
	task      string
	modelName string
	modelJSON []byte // modelName as a JSON string
	target    target
	keyHeader string // header of api_key_auth; "" = bearer_token_auth
	value     model.SecretValue
	// problem is why no call can be made; nil when all is well.
	problem *failure
}

func (p *Plane) newEndpoint(m *model.ServingEndpoint, prev *endpoint, now time.Time) *endpoint {
	e := &endpoint{model: m, created: now, updated: now, version: 1}
	turn := new(atomic.Uint64)
	if prev != nil {
		e.created, e.version, turn = prev.created, prev.version+1, prev.rota.turn
	}
	for _, s := range m.ServedEntities {
		ent := p.newEntity(s)
		if ent.problem != nil {
			p.log.Warn("served entity cannot be called", "endpoint", m.Name, "entity", ent.name,
				"reason", ent.problem.message, "at", s.Pos)
		}
		e.entities = append(e.entities, ent)
	}
	e.rota = newRota(weights(m, e.entities), turn)
	return e
}

func (p *Plane) newEntity(s *model.ServedEntity) *entity {
	e := &entity{name: s.Name}
	x := s.External
	if x == nil {
		e.problem = notExternal(e.name)
		return e
	}
	if e.name == "" {
		// API reference, served_entities.name: the default for external models.
		e.name = strings.NewReplacer(".", "-", ":", "-").Replace(x.Name)
	}
	e.provider, e.modelName, e.task = x.Provider, x.Name, x.Task
	e.modelJSON = appendJSONString(nil, x.Name)
	if e.task == "" {
		e.task = taskChat // what the service fills in for provider custom
	}
	if x.Provider != providerCustom || x.Custom == nil {
		e.problem = providerUnsupported(e.name, x.Provider)
		return e
	}
	e.problem = p.bindCustom(e, x.Custom)
	return e
}

func (p *Plane) bindCustom(e *entity, c *model.CustomProvider) *failure {
	var err error
	if e.target, err = parseTarget(c.URL); err != nil {
		return badProviderURL(e.name, err.Error())
	}
	if !e.target.allowed(p.cfg.AllowInsecureLoopback) {
		return badProviderURL(e.name, "it must use https")
	}
	switch {
	case (c.APIKey == nil) == (c.BearerToken == nil):
		return badCredential(e.name, "exactly one of api_key_auth and bearer_token_auth is needed")
	case c.BearerToken != nil:
		e.value = *c.BearerToken
	default:
		e.keyHeader, e.value = c.APIKey.Key, c.APIKey.Value
		if !wire.ValidName(e.keyHeader) || reservedHeader(e.keyHeader) {
			return badCredential(e.name, "api_key_auth.key is not the name of a header that can carry a key")
		}
	}
	if !e.value.IsReference() && e.value.Plaintext.IsZero() {
		return badCredential(e.name, "the credential is empty")
	}
	return nil
}

// reservedHeader reports headers that frame the message; a key sent in one of
// them would be lost or break the call.
func reservedHeader(name string) bool {
	for _, r := range []string{"Host", "Content-Length", "Content-Type", "Content-Encoding", "Expect"} {
		if wire.EqualName(name, r) {
			return true
		}
	}
	return wire.HopByHop(name)
}

// served returns the entity called name.
func (e *endpoint) served(name string) *entity {
	for _, s := range e.entities {
		if s.name == name {
			return s
		}
	}
	return nil
}

// pick returns the entity whose turn it is; nil when none receives traffic.
func (e *endpoint) pick() *entity {
	i := e.rota.next()
	if i < 0 {
		return nil
	}
	return e.entities[i]
}

// ready is what state.ready says. As in the real service it tells nothing of
// the upstream.
func (e *endpoint) ready() bool { return len(e.entities) > 0 }

// weights are the shares of the entities in their order.
func weights(m *model.ServingEndpoint, es []*entity) []int {
	w := make([]int, len(es))
	if len(m.Routes) == 0 && len(es) == 1 {
		w[0] = 100 // the service adds this route itself
		return w
	}
	for _, r := range m.Routes {
		for i, e := range es {
			if e.name == r.ServedEntity {
				w[i] += min(max(r.Percentage, 0), 100)
			}
		}
	}
	return w
}
