package arm

import (
	"context"
	"log/slog"

	"sallyport/internal/model"
)

func findSubscription(r *request) *model.Subscription {
	return find(r.snap.Subscriptions, r.params[0], func(s *model.Subscription) string { return s.ID })
}

func listSubscriptions(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.Subscriptions))
	for _, s := range r.snap.Subscriptions {
		all = append(all, r.subscription(s))
	}
	return r.page(all)
}

func getSubscription(_ context.Context, _ *Handler, r *request) answer {
	s := findSubscription(r)
	if s == nil {
		return notFound("Subscription not found.")
	}
	return one(r.subscription(s))
}

// subscription never shows the keys; listSecrets does (Azure documentation:
// Subscription - Get). Files do not tell the dates.
func (r *request) subscription(s *model.Subscription) object {
	var owner any
	if s.OwnerID != "" {
		owner = r.service + "/users/" + s.OwnerID
	}
	return r.view("subscriptions", s.ID, object{
		{"ownerId", owner},
		{"scope", r.scope(s)},
		{"displayName", orNull(s.DisplayName)},
		{"state", string(s.State)},
		{"createdDate", nil},
		{"startDate", nil},
		{"expirationDate", nil},
		{"endDate", nil},
		{"notificationDate", nil},
		{"stateComment", nil},
		{"allowTracing", s.AllowTracing},
	})
}

// scope is a full resource id, as ARM returns it.
func (r *request) scope(s *model.Subscription) string {
	switch s.Scope {
	case model.ScopeProduct:
		return r.service + "/products/" + s.ScopeID
	case model.ScopeAPI:
		return r.service + "/apis/" + s.ScopeID
	case model.ScopeAllAPIs:
		return r.service + "/apis"
	default:
		return r.service + "/"
	}
}

// listSecrets is the one place where keys leave the process; it is logged.
func listSecrets(_ context.Context, h *Handler, r *request) answer {
	s := findSubscription(r)
	if s == nil {
		return notFound("Subscription not found.")
	}
	h.log.Info("subscription keys were read", slog.String("subscription", s.ID), slog.String("from", r.in.Remote.Addr().String()))
	return answer{status: 200, etag: true, body: object{{"primaryKey", s.PrimaryKey.Reveal()}, {"secondaryKey", s.SecondaryKey.Reveal()}}}
}
