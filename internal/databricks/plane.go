// Package databricks is the serving plane: the inference paths of Databricks
// Model Serving in front of external models, with its names, error envelopes
// and streaming habits. It must not know the gateway, its plans or policies,
// net/http, or where endpoints and secrets are stored; they are handed in.
// Start at Plane.ServeWire (serve.go), then call.invoke (invoke.go).
//
// Comments cite the public documentation of Databricks ("Serving endpoints"
// API reference, "External models in Model Serving"). What could not be
// verified against a real workspace is marked "unverified".
package databricks

import (
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// Defaults of Config. The documentation page "Model Serving limits and
// regions" gives both: 16 MB a request, 297 s of execution.
const (
	DefaultMaxBody         = 16 << 20
	DefaultUpstreamTimeout = 297 * time.Second
)

// Token is a workspace token that callers may present.
type Token struct {
	Name  string // who it belongs to, for logs
	Value secret.Text
}

// Secrets resolves {{secrets/scope/key}}. It is asked at every use, so that a
// rotated secret needs no update of an endpoint.
type Secrets interface {
	Lookup(scope, key string) (secret.Text, bool)
}

// Config of a Plane. Transport is required.
type Config struct {
	Tokens    []Token // none = nobody is let in
	Secrets   Secrets // nil = no reference can be resolved
	Transport wire.Transport
	// AllowInsecureLoopback permits custom_provider_url with plain http to a
	// loopback address; the real service takes https only.
	AllowInsecureLoopback bool
	Traces                *telemetry.Traces // nil = never trace
	Log                   *slog.Logger      // nil = no log
	Observe               func(CallRecord)  // called once a request; may be nil
	MaxBody               int64             // 0 = DefaultMaxBody
	// UpstreamTimeout bounds the wait for the head of an answer, and after it
	// every silence inside the body; 0 = DefaultUpstreamTimeout.
	UpstreamTimeout time.Duration
	Now             func() time.Time // nil = time.Now
	WorkspaceHost   string           // host in endpoint_url; "" leaves the field out
}

// Plane serves endpoints. It is safe for concurrent use.
type Plane struct {
	cfg  Config
	log  *slog.Logger
	auth gatekeeper

	table   atomic.Pointer[table]
	apply   sync.Mutex
	buffers sync.Pool
}

// table is what one Apply made; it never changes.
type table struct {
	list   []*endpoint
	byName map[string]*endpoint
}

// New returns a plane without endpoints.
func New(cfg Config) *Plane {
	if cfg.Transport == nil {
		panic("BUG: databricks.New without a transport")
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.UpstreamTimeout <= 0 {
		cfg.UpstreamTimeout = DefaultUpstreamTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Plane{cfg: cfg, log: cfg.Log, auth: newGatekeeper(cfg.Tokens)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.buffers.New = func() any { return new([relayBuffer]byte) }
	p.table.Store(&table{byName: map[string]*endpoint{}})
	return p
}

// Apply replaces all endpoints at once. Calls in flight keep the endpoint they
// began with. Of two endpoints with one name the first is served. An endpoint
// that cannot be called is kept: it is listed, and calls say what is wrong.
func (p *Plane) Apply(endpoints []*model.ServingEndpoint) {
	p.apply.Lock()
	defer p.apply.Unlock()
	old := p.table.Load()
	now := p.cfg.Now()
	next := &table{byName: make(map[string]*endpoint, len(endpoints))}
	for _, m := range endpoints {
		if _, taken := next.byName[m.Name]; taken {
			p.log.Warn("serving endpoint left out: its name is taken", "endpoint", m.Name, "at", m.Pos)
			continue
		}
		prev := old.byName[m.Name]
		var e *endpoint
		if prev != nil && reflect.DeepEqual(prev.model, m) {
			e = prev
		} else {
			e = p.newEndpoint(m, prev, now)
		}
		next.list = append(next.list, e)
		next.byName[m.Name] = e
	}
	p.table.Store(next)
}

// Endpoints returns what is served now, in the order of Apply.
func (p *Plane) Endpoints() []*model.ServingEndpoint {
	t := p.table.Load()
	ms := make([]*model.ServingEndpoint, len(t.list))
	for i, e := range t.list {
		ms[i] = e.model
	}
	return ms
}
