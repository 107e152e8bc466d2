// Package gateway is the runtime: it takes a request from an engine, matches
// and admits it, runs the policies, talks to the backend and answers. It knows
// no configuration source, no store and no single policy.
// Start at serve.go, the table of contents; every step is a method in the file
// of its name.
package gateway

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/telemetry"
)

// Config of a gateway. The zero value of a limit means its default.
type Config struct {
	ServiceName    string
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; none by default
	// Correlate makes the gateway start a W3C trace context for calls that
	// bring none, so that the hops of a call can be joined.
	Correlate bool
	// StripKey removes the subscription key before forwarding when the target
	// brings its own credentials. Azure forwards it; so do we by default.
	StripKey bool
	// CheckProtocols refuses http on an API that lists only https, and the
	// other way round; for gateways with a TLS listener of their own.
	CheckProtocols  bool
	BackendTimeout  time.Duration // until the response head; default 300 s
	MaxBufferedBody int64         // bodies that a policy wants whole; default 16 MiB
	MaxRequestBody  int64         // 0 = unlimited
	MaxRedirects    int           // for follow-redirects; default 10
	// CountTokens looks for the token counts that models report in their
	// answers, for log and metrics. ReadOn is how long an answer is read on for
	// them after its client has left; 0 ends the backend call at once.
	CountTokens bool
	ReadOn      time.Duration
	// WebSocketWriteTimeout bounds each write to either side of a WebSocket;
	// default 60 s. Reading has no limit: an idle connection stays open.
	WebSocketWriteTimeout time.Duration
	MaskTraceSecrets      bool
	// TraceURL is what Ocp-Apim-Trace-Location begins with; "" ignores the
	// header Ocp-Apim-Trace.
	TraceURL  string
	Tokens    policy.Tokens // for managed identity credentials of backends
	Traces    *telemetry.Traces
	Debug     Debug
	Metrics   *telemetry.Metrics
	Log       *slog.Logger
	AccessLog bool
	// ServerTiming tells clients in the header Server-Timing where the time went
	// until the response head.
	ServerTiming bool
}

// Debug checks the tokens that allow a request to be traced.
type Debug interface {
	Check(token, apiID string) telemetry.DebugResult
}

// Gateway serves one plan at a time.
type Gateway struct {
	cfg      Config
	current  atomic.Pointer[runtime]
	pool     sync.Pool
	inFlight atomic.Int64
	ready    atomic.Bool
}

// runtime is a plan with what the gateway keeps per API of it.
type runtime struct {
	plan *plan.Plan
	apis []*telemetry.APIMetrics // by plan.API.Index
	none *telemetry.APIMetrics   // requests that matched no API
}

// New returns a gateway that answers 503 until a plan is set.
func New(cfg Config) *Gateway {
	def(&cfg.BackendTimeout, 300*time.Second)
	def(&cfg.MaxBufferedBody, 16<<20)
	def(&cfg.MaxRedirects, 10)
	def(&cfg.WebSocketWriteTimeout, 60*time.Second)
	g := &Gateway{cfg: cfg}
	g.pool.New = func() any { return &call{Exchange: &exchange.Exchange{}} }
	return g
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Swap makes p the plan for all requests that begin from now on. Requests
// under way finish with the plan they began with.
func (g *Gateway) Swap(p *plan.Plan) {
	r := &runtime{plan: p, none: g.cfg.Metrics.API("")}
	for _, a := range p.APIs {
		r.apis = append(r.apis, g.cfg.Metrics.API(a.Model.ID))
	}
	g.current.Store(r)
	g.ready.Store(true)
}

// Plan returns the plan in force, nil before the first Swap.
func (g *Gateway) Plan() *plan.Plan {
	if r := g.current.Load(); r != nil {
		return r.plan
	}
	return nil
}

// SetReady tells load balancers whether to send requests here: the status path
// answers 503 while false (draining).
func (g *Gateway) SetReady(ready bool) { g.ready.Store(ready) }

// Ready reports whether a plan is in force and the gateway is not draining.
func (g *Gateway) Ready() bool { return g.ready.Load() && g.current.Load() != nil }

// InFlight is the number of requests being served.
func (g *Gateway) InFlight() int64 { return g.inFlight.Load() }
