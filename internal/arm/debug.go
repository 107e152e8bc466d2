package arm

import (
	"context"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/telemetry"
)

// managedGateway is the id of the built-in gateway, the only one there is.
const managedGateway = "managed"

// noGateway checks the gateway of a debug route.
func noGateway(r *request) *answer {
	if strings.EqualFold(r.params[0], managedGateway) {
		return nil
	}
	a := notFound("Gateway not found. The built-in gateway is named 'managed'.")
	return &a
}

// listDebugCredentials issues a token for one API (Azure documentation:
// Gateway - List Debug Credentials).
func listDebugCredentials(ctx context.Context, h *Handler, r *request) answer {
	if a := noGateway(r); a != nil {
		return *a
	}
	if h.cfg.Debug == nil {
		return notFound("This process traces no requests.")
	}
	var in struct {
		CredentialsExpireAfter string   `json:"credentialsExpireAfter"`
		APIID                  string   `json:"apiId"`
		Purposes               []string `json:"purposes"`
	}
	if a := r.decode(ctx, &in); a != nil {
		return *a
	}
	for _, p := range in.Purposes {
		if p != "tracing" {
			return invalidField("purposes", "The only purpose is 'tracing'.")
		}
	}
	ttl := telemetry.MaxDebugLifetime
	if in.CredentialsExpireAfter != "" {
		d, ok := parseISODuration(in.CredentialsExpireAfter)
		if !ok || d <= 0 || d > telemetry.MaxDebugLifetime {
			return invalidField("credentialsExpireAfter", "An ISO 8601 duration of at most one hour is expected, such as PT30M.")
		}
		ttl = d
	}
	if in.APIID == "" {
		return invalidField("apiId", "The id of an API is required.")
	}
	id, ok := r.apiID(in.APIID)
	if !ok {
		return invalidField("apiId", "The id is not that of an API of this service, such as /apis/chat.")
	}
	api := findAPI(r.snap, id)
	if api == nil {
		return invalidField("apiId", "Api not found.")
	}
	return answer{status: 200, body: object{{"token", h.cfg.Debug.Issue(api.ID, ttl)}}}
}

// apiID takes the name of the API out of a full resource id, a relative one
// ("/apis/chat") or a bare name.
func (r *request) apiID(s string) (string, bool) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "%3B", ";"), "%3b", ";")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "%3D", "="), "%3d", "=")
	parts := strings.Split(strings.Trim(s, "/"), "/")
	switch n := len(parts); {
	case n == 1:
		return parts[0], parts[0] != ""
	case n == 2 && strings.EqualFold(parts[0], "apis"):
		return parts[1], parts[1] != ""
	case n == 10 && strings.EqualFold(parts[4]+"/"+parts[5]+"/"+parts[6], "providers/Microsoft.ApiManagement/service") && strings.EqualFold(parts[8], "apis"):
		service := r.service[strings.LastIndexByte(r.service, '/')+1:]
		return parts[9], strings.EqualFold(parts[7], service) && parts[9] != ""
	}
	return "", false
}

// listTrace returns a finished trace (Azure documentation: Gateway - List Trace).
func listTrace(ctx context.Context, h *Handler, r *request) answer {
	if a := noGateway(r); a != nil {
		return *a
	}
	var in struct {
		TraceID string `json:"traceId"`
	}
	if a := r.decode(ctx, &in); a != nil {
		return *a
	}
	if in.TraceID == "" {
		return invalidField("traceId", "The id of a trace is required.")
	}
	if h.cfg.Traces == nil {
		return notFound("This process traces no requests.")
	}
	t, ok := h.cfg.Traces.Get(in.TraceID)
	if !ok {
		return notFound("Trace not found. It may not be complete yet, or no longer kept.")
	}
	return answer{status: 200, body: h.cfg.Traces.Document(t)}
}

// openTrace answers Ocp-Apim-Trace-Location: a trace that was asked for with
// the older header is read by its id, without a token.
func (h *Handler) openTrace(r *request) answer {
	if r.in.Method != "GET" {
		return methodNotAllowed([]string{"GET"})
	}
	if h.cfg.Traces != nil {
		if t, ok := h.cfg.Traces.Get(r.path[1]); ok && t.Open {
			return answer{status: 200, body: h.cfg.Traces.Document(t)}
		}
	}
	return notFound("Trace not found. It may not be complete yet, or no longer kept.")
}

// invalidateDebugCredentials revokes all tokens (Azure documentation: Gateway -
// Invalidate Debug Credentials).
func invalidateDebugCredentials(_ context.Context, h *Handler, r *request) answer {
	if a := noGateway(r); a != nil {
		return *a
	}
	if h.cfg.Debug != nil {
		h.cfg.Debug.Invalidate()
	}
	return answer{status: 204}
}

// parseISODuration reads PnDTnHnMnS; months and years have no fixed length and
// are refused.
func parseISODuration(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(s, "P")
	date, clock, hasTime := strings.Cut(rest, "T")
	if !ok || date == "" && clock == "" || hasTime && clock == "" {
		return 0, false
	}
	days, ok1 := isoPart(date, "D", []time.Duration{24 * time.Hour})
	hours, ok2 := isoPart(clock, "HMS", []time.Duration{time.Hour, time.Minute, time.Second})
	return days + hours, ok1 && ok2
}

// longest bounds each number of a duration, so that no sum overflows.
const longest = 366 * 24 * time.Hour

// isoPart reads numbers followed by designators, each at most once, in order.
func isoPart(s, designators string, units []time.Duration) (time.Duration, bool) {
	var sum time.Duration
	for s != "" {
		i := strings.IndexFunc(s, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
		if i <= 0 {
			return 0, false
		}
		k := strings.IndexByte(designators, s[i])
		n, err := strconv.ParseFloat(s[:i], 64)
		if k < 0 || err != nil || n > float64(longest/units[k]) || strings.Contains(s[:i], ".") && s[i] != 'S' {
			return 0, false
		}
		sum += time.Duration(n * float64(units[k]))
		s, designators, units = s[i+1:], designators[k+1:], units[k+1:]
	}
	return sum, true
}

// findAPI finds an API by resource name: "chat" is its current revision,
// "chat;rev=2" that revision.
func findAPI(s *model.Snapshot, name string) *model.API {
	id, rev, hasRev := strings.Cut(name, ";rev=")
	var first *model.API
	for _, a := range s.APIs {
		switch {
		case !strings.EqualFold(a.ID, id) || hasRev && a.Revision != rev:
		case hasRev || a.IsCurrent:
			return a
		case first == nil:
			first = a
		}
	}
	return first
}
