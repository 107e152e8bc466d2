package model

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// builtInGroups exist in every service.
func builtInGroups() []string { return []string{"administrators", "developers", "guests"} }

// products checks links and the rule of the one open product
// (Azure documentation: Subscriptions in Azure API Management).
func (v *validator) products() {
	apiIDs := names(v.s.APIs, func(a *API) string { return a.ID })
	groupIDs := append(names(v.s.Groups, func(g *Resource) string { return g.ID }), builtInGroups()...)
	open := map[string]*Product{}
	for _, p := range v.s.Products {
		res := "products/" + p.ID
		v.length(p.Places.At("description", p.Pos), res, "description", p.Description, 1000)
		v.length(p.Places.At("displayName", p.Pos), res, "displayName", p.DisplayName, 300)
		v.openTerms(p, res)
		for _, id := range p.APIs {
			pos := p.Places.At("apis/"+id, p.Pos)
			if v.current[fold(id)] == nil {
				v.out.Add(diag.RuleUnknownAPI, pos, res, "product '%s' holds API '%s', which does not exist", p.ID, id).Hint = diag.DidYouMean(id, apiIDs)
				continue
			}
			if p.SubscriptionRequired {
				continue
			}
			if first := open[fold(id)]; first != nil && first != p {
				v.out.Add(diag.RuleOpenProduct, pos, res, "API '%s' is in open product '%s' already; it can be in one only", id, first.ID)
				continue
			}
			open[fold(id)] = p
		}
		for _, id := range p.Groups {
			if v.groups[fold(id)] == nil && !slices.Contains(builtInGroups(), fold(id)) {
				v.out.Add(diag.RuleUnknownGroup, p.Places.At("groups/"+id, p.Pos), res, "there is no group '%s'", id).Hint = diag.DidYouMean(id, groupIDs)
			}
		}
	}
}

// openTerms refuses terms of subscription on a product without subscriptions.
func (v *validator) openTerms(p *Product, res string) {
	var terms struct {
		ApprovalRequired   *bool
		SubscriptionsLimit *int
	}
	if p.SubscriptionRequired || json.Unmarshal(p.Properties, &terms) != nil {
		return
	}
	if terms.ApprovalRequired != nil && *terms.ApprovalRequired {
		v.out.Add(diag.RuleProductTerms, p.Places.At("approvalRequired", p.Pos), res, "approvalRequired needs subscriptionRequired")
	}
	if terms.SubscriptionsLimit != nil {
		v.out.Add(diag.RuleProductTerms, p.Places.At("subscriptionsLimit", p.Pos), res, "subscriptionsLimit needs subscriptionRequired")
	}
}

func states() []string {
	return []string{string(Active), string(Submitted), string(Suspended), string(Rejected), string(Cancelled), string(Expired)}
}

func (v *validator) subscriptions() {
	owners := make(map[string]*Subscription, len(v.s.Subscriptions))
	for _, s := range v.s.Subscriptions {
		res := "subscriptions/" + s.ID
		v.length(s.Places.At("displayName", s.Pos), res, "displayName", s.DisplayName, 100)
		if !slices.Contains(states(), string(s.State)) {
			v.out.Add(diag.RuleState, s.Places.At("state", s.Pos), res, "state '%s' is not known", s.State).Hint = diag.DidYouMean(string(s.State), states())
		}
		v.scope(s, res)
		v.key(s, res, "primaryKey", s.PrimaryKey, owners)
		v.key(s, res, "secondaryKey", s.SecondaryKey, owners)
	}
}

func (v *validator) scope(s *Subscription, res string) {
	pos := s.Places.At("scope", s.Pos)
	switch s.Scope {
	case ScopeProduct:
		if v.productByID[fold(s.ScopeID)] == nil {
			known := names(v.s.Products, func(p *Product) string { return p.ID })
			v.out.Add(diag.RuleScope, pos, res, "there is no product '%s'", s.ScopeID).Hint = diag.DidYouMean(s.ScopeID, known)
		}
	case ScopeAPI:
		if v.current[fold(s.ScopeID)] == nil {
			known := names(v.s.APIs, func(a *API) string { return a.ID })
			v.out.Add(diag.RuleScope, pos, res, "there is no API '%s'", s.ScopeID).Hint = diag.DidYouMean(s.ScopeID, known)
		}
	}
}

// key checks that a key opens one subscription only. The key itself is never
// part of a finding.
func (v *validator) key(s *Subscription, res, property string, key secret.Text, owners map[string]*Subscription) {
	if key.IsZero() {
		return
	}
	pos := s.Places.At(property, s.Pos)
	k := key.Reveal() // compared, never shown
	if n := utf8.RuneCountInString(k); n > 256 {
		v.out.Add(diag.RuleKeyLength, pos, res, "%s has %d characters, at most 256 are allowed", property, n)
	}
	if strings.TrimSpace(k) != k || strings.ContainsAny(k, "\r\n\x00") {
		v.out.Add(diag.RuleKeyLength, pos, res, "%s begins or ends with a space, or holds a line break", property)
	}
	if first := owners[k]; first != nil && first != s {
		v.out.Add(diag.RuleDuplicateKey, pos, res, "%s is also a key of subscription '%s'", property, first.ID)
		return
	}
	owners[k] = s
}
