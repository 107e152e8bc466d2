// Package arm is the management listener: health and metrics, and the part of
// APIM's ARM REST API that reads the running configuration and issues debug
// credentials. It knows snapshots and traces, and nothing of where a
// configuration comes from; it changes none.
// Start at Handler.ServeWire, then routes.go, the table of what is answered.
package arm

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"log/slog"
	"strings"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// Metrics writes the Prometheus text format.
type Metrics interface {
	WriteText(w io.Writer) error
}

// Traces holds finished request traces.
type Traces interface {
	Get(id string) (*telemetry.Trace, bool)
	Document(t *telemetry.Trace) *telemetry.Document
}

// Debug issues and revokes debug tokens.
type Debug interface {
	Issue(apiID string, ttl time.Duration) string
	Invalidate()
}

// Status is how loading the configuration went.
type Status struct {
	Generation  uint64    // of the configuration in force; 0 = none
	LoadedAt    time.Time // when it came into force
	LastAttempt time.Time // zero = none yet
	Accepted    bool      // result of the last attempt
	Findings    diag.List // of the last attempt
}

// Config of a Handler. Snapshot, Status, Ready and ServiceName are required;
// what is nil otherwise is answered with 404.
type Config struct {
	ServiceName string
	Tokens      []secret.Text          // none = nobody is let in
	Snapshot    func() *model.Snapshot // nil before the first configuration
	Status      func() Status
	Ready       func() bool
	Metrics     Metrics
	Traces      Traces
	Debug       Debug
	// Workspace answers the paths of a Databricks workspace. It checks tokens
	// itself, because its errors have another shape.
	Workspace wire.Handler
	Pprof     bool         // answer /debug/pprof
	Log       *slog.Logger // nil = no log
}

// Handler answers the management listener. It is safe for concurrent use.
type Handler struct {
	cfg    Config
	tokens [][sha256.Size]byte
	routes []route
	log    *slog.Logger
}

// New returns a handler.
func New(cfg Config) *Handler {
	if cfg.Snapshot == nil || cfg.Status == nil || cfg.Ready == nil || cfg.ServiceName == "" {
		panic("BUG: arm.New without Snapshot, Status, Ready or ServiceName")
	}
	h := &Handler{cfg: cfg, routes: routes(), log: cfg.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	for _, t := range cfg.Tokens {
		if !t.IsZero() {
			h.tokens = append(h.tokens, sha256.Sum256([]byte(t.Reveal())))
		}
	}
	return h
}

// ServeWire implements wire.Handler.
func (h *Handler) ServeWire(ctx context.Context, in *wire.Request, w wire.Responder) {
	r, problem := newRequest(in)
	if problem != nil {
		h.send(r, w, *problem)
		return
	}
	switch {
	case len(r.path) == 0:
		h.send(r, w, notFound("There is nothing here."))
	case len(r.path) == 2 && r.path[0] == "traces":
		h.send(r, w, h.openTrace(r))
	case isHealth(r.path):
		h.health(r, w)
	case isPprof(r.path):
		h.profile(ctx, r, w)
	case isWorkspace(r.path):
		if h.cfg.Workspace == nil {
			h.send(r, w, notFound("This process runs no serving plane."))
			return
		}
		h.cfg.Workspace.ServeWire(ctx, in, w)
	default:
		h.send(r, w, h.resource(ctx, r))
	}
}

// isWorkspace tells the paths of the Databricks workspace API and of its
// invocation front.
func isWorkspace(path []string) bool {
	return path[0] == "serving-endpoints" || path[0] == "api" && len(path) > 1 && (path[1] == "2.0" || path[1] == "2.1")
}

// authorised reports whether r carries one of the tokens. Digests are compared,
// all of them, so that time tells neither the length nor which one was near.
func (h *Handler) authorised(r *request) bool {
	v := r.in.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(v, " ")
	if !strings.EqualFold(scheme, "Bearer") || r.in.Header.Count("Authorization") != 1 {
		return false
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	match := 0
	for i := range h.tokens {
		match |= subtle.ConstantTimeCompare(got[:], h.tokens[i][:])
	}
	return match == 1
}

// local reports whether r came from this machine and not through a proxy on it.
func (r *request) local() bool {
	return r.in.Remote.Addr().Unmap().IsLoopback() && !r.in.Header.Has("X-Forwarded-For") && !r.in.Header.Has("Forwarded")
}
