package arm

import (
	"context"
	"slices"
	"strings"
	"time"
)

// action answers one method of a resource.
type action func(ctx context.Context, h *Handler, r *request) answer

// route is a path below the service with its methods. Fixed segments compare
// without case, as ARM's do; {} takes any one segment.
type route struct {
	path     []string
	get      action
	post     action
	noConfig bool // works before the first configuration is loaded
}

func routes() []route {
	get := func(path string, a action) route { return route{path: split(path), get: a} }
	post := func(path string, a action) route { return route{path: split(path), post: a} }
	return []route{
		{get: getService, noConfig: true},
		get("apis", listAPIs),
		get("apis/{}", getAPI),
		get("apis/{}/operations", listOperations),
		get("apis/{}/operations/{}", getOperation),
		get("products", listProducts),
		get("products/{}", getProduct),
		get("products/{}/apis", listProductAPIs),
		get("subscriptions", listSubscriptions),
		get("subscriptions/{}", getSubscription),
		post("subscriptions/{}/listSecrets", listSecrets),
		get("namedValues", listNamedValues),
		get("namedValues/{}", getNamedValue),
		get("backends", listBackends),
		get("backends/{}", getBackend),
		get("policyFragments", listFragments),
		get("policyFragments/{}", getFragment),
		post("gateways/{}/listDebugCredentials", listDebugCredentials),
		{path: split("gateways/{}/listTrace"), post: listTrace, noConfig: true},
		{path: split("gateways/{}/invalidateDebugCredentials"), post: invalidateDebugCredentials, noConfig: true},
	}
}

func split(path string) []string { return strings.Split(path, "/") }

// match returns the values of the parameters when path fits the route.
func (rt *route) match(path []string) ([]string, bool) {
	if len(path) != len(rt.path) {
		return nil, false
	}
	var params []string
	for i, s := range rt.path {
		if s == "{}" {
			params = append(params, path[i])
		} else if !strings.EqualFold(s, path[i]) {
			return nil, false
		}
	}
	return params, true
}

// resource answers the ARM API. The order of the checks is ARM's: who asks,
// which version, which service, and only then what for.
func (h *Handler) resource(ctx context.Context, r *request) answer {
	if !h.authorised(r) {
		return unauthorised(r)
	}
	if a := checkVersion(r); a != nil {
		return *a
	}
	below, ok := h.enter(r)
	if !ok {
		return notFound("No such service, or not a path of the management API.")
	}
	switch r.in.Method {
	case "PUT", "PATCH", "DELETE":
		return fail(409, "ConfigurationIsReadOnly", "The configuration comes from files and cannot be changed here. Change the files; the gateway reloads them.")
	}
	for i := range h.routes {
		rt := &h.routes[i]
		params, ok := rt.match(below)
		if !ok {
			continue
		}
		r.params, r.snap = params, h.cfg.Snapshot()
		a, allow := rt.action(r.in.Method)
		switch {
		case a == nil:
			return methodNotAllowed(allow)
		case r.snap == nil && !rt.noConfig:
			return fail(503, "ServiceUnavailable", "No configuration has been loaded yet.")
		}
		return a(ctx, h, r)
	}
	return notFound("No such resource, or not one that can be read here.")
}

func (rt *route) action(method string) (action, []string) {
	switch {
	case rt.get != nil && (method == "GET" || method == "HEAD"):
		return rt.get, nil
	case rt.post != nil && method == "POST":
		return rt.post, nil
	case rt.post != nil:
		return nil, []string{"POST"}
	}
	return nil, []string{"GET", "HEAD"}
}

// checkVersion accepts every api-version that clients of APIM have used: dates
// since 2019-12-01, with or without "-preview". One model serves them all.
func checkVersion(r *request) *answer {
	v := r.parameter("api-version")
	if v == "" {
		a := badRequest("MissingApiVersionParameter", "The query parameter api-version is required.")
		return &a
	}
	date, err := time.Parse(time.DateOnly, strings.TrimSuffix(v, "-preview"))
	if err != nil || date.Before(time.Date(2019, 12, 1, 0, 0, 0, 0, time.UTC)) {
		a := badRequest("InvalidApiVersionParameter", "The api-version is not a date since 2019-12-01, such as 2024-05-01.")
		return &a
	}
	return nil
}

// enter checks the path down to the service and returns what is below it. Any
// subscription and resource group will do; resource ids repeat them.
func (h *Handler) enter(r *request) ([]string, bool) {
	const n = 8
	fixed := []string{"subscriptions", "", "resourceGroups", "", "providers", "Microsoft.ApiManagement", "service", h.cfg.ServiceName}
	if len(r.path) < n {
		return nil, false
	}
	for i, s := range fixed {
		if s != "" && !strings.EqualFold(s, r.path[i]) {
			return nil, false
		}
	}
	canonical := slices.Clone(fixed)
	canonical[1], canonical[3] = r.path[1], r.path[3]
	r.service = "/" + strings.Join(canonical, "/")
	return r.path[n:], true
}
