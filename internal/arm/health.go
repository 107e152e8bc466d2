package arm

import (
	"bytes"
	"log/slog"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/wire"
)

func isHealth(path []string) bool {
	switch path[0] {
	case "healthz":
		return len(path) == 1 || len(path) == 2 && path[1] == "config"
	case "readyz", "metrics":
		return len(path) == 1
	}
	return false
}

// health answers probes without a token. What could help an attacker (findings
// name files, metrics name APIs) needs one, or a caller on this machine.
func (h *Handler) health(r *request, w wire.Responder) {
	if r.in.Method != "GET" && r.in.Method != "HEAD" {
		h.send(r, w, methodNotAllowed([]string{"GET", "HEAD"}))
		return
	}
	trusted := r.local() || h.authorised(r)
	switch {
	case r.path[0] == "readyz" && !h.cfg.Ready():
		plain(r, w, 503, "not ready\n")
	case r.path[0] == "readyz":
		plain(r, w, 200, "ready\n")
	case len(r.path) == 2:
		h.send(r, w, h.configHealth(trusted))
	case r.path[0] == "healthz":
		plain(r, w, 200, "ok\n")
	case h.cfg.Metrics == nil:
		h.send(r, w, notFound("This process collects no metrics."))
	case !trusted:
		h.send(r, w, unauthorised(r))
	default:
		h.metrics(r, w)
	}
}

func plain(r *request, w wire.Responder, status int, text string) {
	reply(r, w, status, wire.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}, {Name: "Cache-Control", Value: "no-store"}}, []byte(text))
}

func (h *Handler) metrics(r *request, w wire.Responder) {
	var b bytes.Buffer
	if err := h.cfg.Metrics.WriteText(&b); err != nil {
		h.log.Error("metrics cannot be written", slog.String("error", err.Error()))
		h.send(r, w, fail(500, "InternalServerError", "The metrics could not be written."))
		return
	}
	reply(r, w, 200, wire.Header{{Name: "Content-Type", Value: "text/plain; version=0.0.4; charset=utf-8"}}, b.Bytes())
}

// configHealth is 200 as long as a configuration is in force, also when the
// last attempt to replace it was rejected: the gateway serves. "result" tells.
func (h *Handler) configHealth(trusted bool) answer {
	s := h.cfg.Status()
	a := answer{status: 200}
	result := "rejected"
	switch {
	case s.LastAttempt.IsZero():
		result = "none"
	case s.Accepted:
		result = "accepted"
	}
	if s.Generation == 0 {
		a.status = 503
	}
	body := object{
		{"serviceName", h.cfg.ServiceName},
		{"result", result},
		{"generation", s.Generation},
		{"loadedAt", timeOrNull(s.LoadedAt)},
		{"lastAttempt", timeOrNull(s.LastAttempt)},
		{"findingCounts", object{
			{"error", s.Findings.Count(diag.Error)}, {"warning", s.Findings.Count(diag.Warning)}, {"info", s.Findings.Count(diag.Info)},
		}},
		{"resources", resourceCounts(h.cfg.Snapshot())},
	}
	if trusted {
		body = append(body, field{"findings", append(diag.List{}, s.Findings...)})
	}
	a.body = body
	return a
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// resourceCounts counts what is in force; null before the first configuration.
func resourceCounts(s *model.Snapshot) any {
	if s == nil {
		return nil
	}
	operations := 0
	for _, a := range s.APIs {
		operations += len(a.Operations)
	}
	return object{
		{"apis", len(s.APIs)}, {"operations", operations}, {"apiVersionSets", len(s.VersionSets)}, {"products", len(s.Products)},
		{"subscriptions", len(s.Subscriptions)}, {"namedValues", len(s.NamedValues)}, {"backends", len(s.Backends)},
		{"policyFragments", len(s.Fragments)}, {"servingEndpoints", len(s.ServingEndpoints)},
	}
}
