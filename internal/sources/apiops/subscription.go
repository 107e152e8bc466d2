package apiops

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

func (l *loader) readSubscriptions(dir string) {
	l.each(dir, "subscriptions", func(f *folder, id string) {
		defer f.rest()
		props := f.properties(take(l.over.top("subscriptions"), id), "subscriptionInformation.json")
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		r.Known("scope", "displayName", "ownerId", "state", "allowTracing", "primaryKey", "secondaryKey", "createdDate",
			"startDate", "expirationDate", "endDate", "notificationDate", "stateComment")
		s := &model.Subscription{
			ID: id, DisplayName: r.String("displayName"), AllowTracing: r.Bool("allowTracing", false),
			PrimaryKey: r.Secret("primaryKey"), SecondaryKey: r.Secret("secondaryKey"),
			State: l.state(r, f.res), Pos: props.Pos,
			Places: place(r, "scope", "primaryKey", "secondaryKey", "state", "displayName", "ownerId"),
		}
		if owner := r.String("ownerId"); owner != "" {
			var ok bool
			if s.OwnerID, ok = referenceID(owner, "users"); !ok {
				l.out.Add(diag.SourceReference, r.Pos("ownerId"), f.res, "'%s' is not a user id", r.Show("ownerId")).WithHint("write /users/{id} or a full ARM id")
			}
		}
		if l.scope(s, r, f.res) {
			l.snap.Subscriptions = append(l.snap.Subscriptions, s)
			return
		}
		if raw, sealed := seal(props); !r.Has("scope") || isWorkspaceScope(r.String("scope")) {
			l.keep(&model.Resource{Kind: "subscriptions", ID: id, Properties: raw, Sealed: sealed, Pos: props.Pos})
		}
	})
}

// state reads the life-cycle state. ARM's default is submitted, whose keys do
// not work: that surprises, so it is said.
func (l *loader) state(r tree.Reader, res string) model.SubscriptionState {
	if !r.Has("state") {
		l.out.Add(diag.SourceState, r.Node().Pos, res, "the subscription has no state and counts as submitted: its keys open nothing").
			WithHint("write \"state\": \"active\"")
		return model.Submitted
	}
	return model.SubscriptionState(r.OneOf("state", string(model.Submitted), string(model.Active), string(model.Submitted),
		string(model.Suspended), string(model.Rejected), string(model.Cancelled), string(model.Expired)))
}

// scope reads what the subscription opens, and reports whether it is usable.
func (l *loader) scope(s *model.Subscription, r tree.Reader, res string) bool {
	text := r.String("scope")
	if text == "" {
		if strings.EqualFold(s.ID, model.MasterSubscription) {
			s.Scope = model.ScopeService
			return true
		}
		r.Missing("scope")
		return false
	}
	if isWorkspaceScope(text) {
		l.out.Add(diag.SourceNotServed, r.Pos("scope"), res, "subscriptions of workspaces are not served yet")
		return false
	}
	ref, ok := parseReference(text)
	switch kind := strings.ToLower(ref.kind); {
	case ok && kind == "":
		s.Scope = model.ScopeService
	case ok && kind == "apis" && ref.id == "":
		s.Scope = model.ScopeAllAPIs
	case ok && kind == "apis":
		s.Scope, s.ScopeID = model.ScopeAPI, withoutRevision(ref.id)
	case ok && kind == "products" && ref.id != "":
		s.Scope, s.ScopeID = model.ScopeProduct, ref.id
	default:
		l.out.Add(diag.SourceReference, r.Pos("scope"), res, "scope '%s' cannot be understood", r.Show("scope")).
			WithHint("write /products/{id}, /apis/{id}, /apis, or a full ARM id")
		return false
	}
	return true
}

func isWorkspaceScope(s string) bool { return strings.Contains(strings.ToLower(s), "/workspaces/") }
