package gateway_test

import (
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

const (
	body404 = `{ "statusCode": 404, "message": "Resource not found" }`
	missing = `{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }`
	invalid = `{ "statusCode": 401, "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription." }`
)

// want is the expected answer: "200 text…" where the text must be in the body.
func check(t *testing.T, f *fixture, name, method, target, want string, headers ...string) {
	t.Helper()
	status, text, _ := strings.Cut(want, " ")
	code, _ := strconv.Atoi(status)
	r := f.call(method, target, headers...)
	if r.Status() != code || !strings.Contains(r.Body(), text) {
		t.Errorf("%s: %s %s = %d %q, want %s", name, method, target, r.Status(), r.Body(), want)
	}
}

// The numbers only keep the cases apart.
func TestMatchingVectors(t *testing.T) {
	rev2 := with(api("p", "p", "GET /x"), func(a *model.API) { a.Revision, a.IsCurrent, a.ServiceURL = "2", false, "http://rev2.test" })
	rev3 := with(api("p", "p", "GET /x"), func(a *model.API) { a.Revision, a.IsCurrent, a.IsOnline = "3", false, false })
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(
		api("a", "a", "GET /b/x", "GET /x", "GET /add?a={a}&b={b}", "GET /files/*", "GET /"),
		api("ab", "a/b", "GET /y"),
		api("p", "p", "GET /x"), rev2, rev3,
		api("all", "all", "GET /*", "POST /*"),
		api("prec", "prec", "GET /users/{id}", "GET /users/me", "POST /users/{id}", "GET /users/*", "GET /doc/{name}.json", "GET /q", "GET /q?a={a}", "GET /items({id})/x"),
		api("root", "", "GET /anything"),
	))
	check(t, f, "1 no fall-back to a shorter path", "GET", "/a/b/x", "404")
	check(t, f, "2 no HEAD for GET", "HEAD", "/a/x", "404")
	check(t, f, "3 wrong method", "POST", "/a/x", "404 "+body404)
	check(t, f, "4 required query, any order", "GET", "/a/add?b=1&a=2", "200 backend.test/base/add?b=1&a=2")
	check(t, f, "5 required query missing", "GET", "/a/add?a=2", "404")
	check(t, f, "6 wildcard", "GET", "/all/anything/deep?q=1", "200 backend.test/base/anything/deep?q=1")
	check(t, f, "6 wildcard, empty remainder", "GET", "/all", "200 backend.test/base")
	check(t, f, "6 wildcard keeps trailing slash", "GET", "/all/x/", "200 backend.test/base/x/\n")
	check(t, f, "7 revision", "GET", "/p;rev=2/x", "200 rev2.test/x")
	check(t, f, "8 revision, escaped", "GET", "/p%3Brev%3D2/x", "200 rev2.test/x")
	check(t, f, "8 revision, half escaped", "GET", "/p;rev%3D2/x", "200 rev2.test/x")
	check(t, f, "current revision by number", "GET", "/p;rev=1/x", "200 backend.test/base/x")
	check(t, f, "9 offline revision", "GET", "/p;rev=3/x", "404")
	check(t, f, "unknown revision", "GET", "/p;rev=9/x", "404")
	check(t, f, "segment border", "GET", "/ab", "404")
	check(t, f, "case of paths", "GET", "/A/X", "200 backend.test/base/X")
	check(t, f, "trailing slash", "GET", "/a/x/", "200 backend.test/base/x/\n")
	check(t, f, "API root", "GET", "/a", "200 backend.test/base\n")
	check(t, f, "API root with slash", "GET", "/a/", "200 backend.test/base/\n")
	check(t, f, "empty path API", "GET", "/anything", "200 backend.test/base/anything")
	check(t, f, "raw encoding is kept", "GET", "/all/a%2Fb%20c", "200 backend.test/base/a%2Fb%20c")
	check(t, f, "encoded slash does not split", "GET", "/prec/users%2Fme", "404")
	check(t, f, "parameter with encoded slash", "GET", "/prec/users/a%2Fb", "200")
	check(t, f, "literal before parameter, other method falls through", "POST", "/prec/users/me", "200")
	check(t, f, "text around a parameter", "GET", "/prec/doc/a.json", "200")
	check(t, f, "text around a parameter, no match", "GET", "/prec/doc/a.xml", "404")
	check(t, f, "parentheses", "GET", "/prec/items(7)/x", "200")
	for target, op := range map[string]string{"/prec/users/me": "GET /users/me", "/prec/users/1": "GET /users/{id}", "/prec/users/1/2": "GET /users/*", "/prec/q?a=1": "GET /q?a={a}", "/prec/q": "GET /q"} {
		m, _ := f.Plan().Match("GET", target, nil, nil)
		if m.Op == nil || m.Op.Model.DisplayName != op {
			t.Errorf("precedence: %s matched %+v, want %s", target, m.Op, op)
		}
	}
	if body := f.call("POST", "/a/x").Body(); len(body) != 54 {
		t.Errorf("404 body has %d bytes, want 54", len(body))
	}
}

func TestVersionVectors(t *testing.T) {
	version := func(id, set, v string) *model.API {
		return with(api(id, set, "GET /x"), func(a *model.API) {
			a.VersionSetID, a.Version, a.ServiceURL, a.SubscriptionRequired = set, v, "http://"+id+".test", set == "h"
		})
	}
	s := snapshot(version("orig", "p", ""), version("v1", "p", "v1"), version("v2", "p", "v2"), version("q0", "q", ""), version("q1", "q", "1"), version("h1", "h", "1"))
	s.VersionSets = []*model.VersionSet{
		{ID: "p", DisplayName: "p", Scheme: model.Segment}, {ID: "q", DisplayName: "q", Scheme: model.Query, QueryName: "ver"}, {ID: "h", DisplayName: "h", Scheme: model.Header, HeaderName: "X-Version"},
	}
	f := newFixture(t, wire.HandlerFunc(echo), s)
	check(t, f, "10 segment", "GET", "/p/v2/x", "200 v2.test/x")
	check(t, f, "10 original", "GET", "/p/x", "200 orig.test/x")
	check(t, f, "segment with revision", "GET", "/p/v1;rev=1/x", "200 v1.test/x")
	check(t, f, "unknown segment", "GET", "/p/v9/x", "404")
	check(t, f, "query", "GET", "/q/x?ver=1", "200 q1.test/x?ver=1")
	check(t, f, "query, original", "GET", "/q/x", "200 q0.test/x")
	check(t, f, "query, unknown", "GET", "/q/x?ver=7", "404")
	check(t, f, "11 header set, no header, no key", "GET", "/h/x", "404")
	check(t, f, "12 header set, header, no key", "GET", "/h/x", "401 missing", "X-Version: 1")
}

func keySnapshot() *model.Snapshot {
	closed := with(api("closed", "closed", "GET /x"), func(a *model.API) { a.SubscriptionRequired = true })
	open := api("open", "open", "GET /x")
	renamed := with(api("renamed", "renamed", "GET /x"), func(a *model.API) { a.SubscriptionRequired, a.KeyHeader = true, "api-key" })
	bearer := with(api("bearer", "bearer", "GET /x"), func(a *model.API) { a.SubscriptionRequired, a.KeyBearer = true, true })
	free := with(api("free", "free", "GET /x"), func(a *model.API) { a.SubscriptionRequired = true })
	s := snapshot(closed, open, renamed, bearer, free)
	mark := func(name string) *model.PolicyDoc {
		return rawPolicy(`<policies><inbound><base/><set-header name="x-product"><value>` + name + `</value></set-header></inbound></policies>`)
	}
	s.Products = []*model.Product{
		{ID: "gold", DisplayName: "Gold", SubscriptionRequired: true, State: "published", APIs: []string{"closed", "renamed", "bearer"}, Policy: mark("gold")},
		{ID: "hidden", DisplayName: "Hidden", SubscriptionRequired: true, State: "notPublished", APIs: []string{"closed"}},
		{ID: "other", DisplayName: "Other", SubscriptionRequired: true, APIs: []string{"open"}},
		{ID: "all-free", DisplayName: "Free", APIs: []string{"free"}, Policy: mark("free")},
	}
	sub := func(id string, scope model.ScopeKind, scopeID string, state model.SubscriptionState) *model.Subscription {
		return &model.Subscription{ID: id, DisplayName: id, Scope: scope, ScopeID: scopeID, State: state, PrimaryKey: secret.New(id + "-1"), SecondaryKey: secret.New(id + "-2")}
	}
	s.Subscriptions = []*model.Subscription{
		sub("gold", model.ScopeProduct, "gold", model.Active), sub("hidden", model.ScopeProduct, "hidden", model.Active), sub("other", model.ScopeProduct, "other", model.Active),
		sub("paused", model.ScopeProduct, "gold", model.Suspended), sub("asked", model.ScopeProduct, "gold", model.Submitted),
		sub("api", model.ScopeAPI, "closed", model.Active), sub("everything", model.ScopeAllAPIs, "", model.Active), sub("master", model.ScopeService, "", model.Active),
	}
	return s
}

func TestKeyVectors(t *testing.T) {
	f := newFixture(t, wire.HandlerFunc(echo), keySnapshot())
	const h = "Ocp-Apim-Subscription-Key: "
	check(t, f, "13 missing", "GET", "/closed/x", "401 "+missing)
	check(t, f, "14 wrong", "GET", "/closed/x", "401 "+invalid, h+"nonsense")
	check(t, f, "15 wrong key on an open API", "GET", "/open/x", "401 "+invalid, h+"nonsense")
	check(t, f, "16 open API", "GET", "/open/x", "200")
	check(t, f, "17 open product, closed API", "GET", "/free/x", "200 x-product: free")
	check(t, f, "18 key of another product", "GET", "/closed/x", "401 "+invalid, h+"other-1")
	check(t, f, "19 suspended", "GET", "/closed/x", "401 "+invalid, h+"paused-1")
	check(t, f, "submitted", "GET", "/closed/x", "401 "+invalid, h+"asked-1")
	check(t, f, "20 renamed header", "GET", "/renamed/x", "200 api-key: gold-1", "api-key: gold-1")
	check(t, f, "20 default name no longer works", "GET", "/renamed/x", "401 "+missing, h+"gold-1")
	check(t, f, "21 query keeps its name", "GET", "/renamed/x?subscription-key=gold-1", "200")
	check(t, f, "query by the header's name", "GET", "/renamed/x?api-key=gold-1", "401 "+missing)
	check(t, f, "22 header wins", "GET", "/closed/x?subscription-key=gold-1", "401 "+invalid, h+"nonsense")
	check(t, f, "23 bearer", "GET", "/bearer/x", "200", "Authorization: Bearer gold-1")
	if body := f.call("GET", "/bearer/x", "Authorization: Bearer gold-1").Body(); strings.Contains(body, "authorization") {
		t.Errorf("23 the key went on to the backend as a bearer token: %s", body)
	}
	check(t, f, "bearer off", "GET", "/closed/x", "401 "+missing, "Authorization: Bearer gold-1")
	check(t, f, "bearer with a JWT is no key", "GET", "/bearer/x", "401 "+missing, "Authorization: Bearer a.b.c")
	check(t, f, "secondary key", "GET", "/closed/x", "200 x-product: gold", h+"gold-2")
	check(t, f, "28 unpublished product", "GET", "/closed/x", "200", h+"hidden-1")
	check(t, f, "all APIs", "GET", "/closed/x", "200", h+"everything-1")
	check(t, f, "master", "GET", "/closed/x", "200", h+"master-1")
	check(t, f, "API scope, other API", "GET", "/renamed/x", "401 "+invalid, "api-key: api-1")
	if body := f.call("GET", "/closed/x", h+"api-1").Body(); strings.Contains(body, "x-product") {
		t.Errorf("27 product policy ran for a key of API scope: %s", body)
	}
	check(t, f, "33 key is forwarded", "GET", "/closed/x", "200 ocp-apim-subscription-key: gold-1", h+"gold-1")
	check(t, f, "empty header is absent", "GET", "/closed/x", "401 "+missing, h)
	check(t, f, "29 status", "GET", "/status-0123456789abcdef", "200")

	r := f.call("GET", "/closed/x")
	if got, want := r.Header().Get("WWW-Authenticate"), `AzureApiManagementKey realm="https://gw.test/closed",name="Ocp-Apim-Subscription-Key",type="header"`; got != want {
		t.Errorf("challenge %q, want %q", got, want)
	}
	if r.ContentLength() != 152 || r.Header().Get("Content-Type") != "application/json" || r.Reason() != "Access Denied" {
		t.Errorf("missing key: length %d, type %q, reason %q", r.ContentLength(), r.Header().Get("Content-Type"), r.Reason())
	}
	if r := f.call("GET", "/closed/x", h+"x"); r.ContentLength() != 143 || !r.Header().Has("WWW-Authenticate") {
		t.Errorf("invalid key: length %d, header %v", r.ContentLength(), r.Header())
	}
}

func TestStripKeyBeforeOwnCredentials(t *testing.T) {
	s := keySnapshot()
	s.Backends = []*model.Backend{{ID: "b", URL: "http://b.test", ValidateChain: true, ValidateName: true, Credentials: &model.BackendCredentials{
		ManagedIdentity: &model.ManagedIdentity{Resource: "r"}, Query: []model.NameValues{{Name: "code", Values: []secret.Text{secret.New("s3")}}},
	}}}
	s.APIs[0].Policy = rawPolicy(`<policies><inbound><base/><set-backend-service backend-id="b"/></inbound></policies>`)
	f := newFixture(t, wire.HandlerFunc(echo), s, func(c *gateway.Config) { c.StripKey = true })
	body := f.call("GET", "/closed/x?a=1&subscription-key=gold-1&code=mine").Body()
	if !strings.HasPrefix(body, "GET b.test/x?a=1&code=s3\n") || !strings.Contains(body, "authorization: Bearer token-of-the-identity") {
		t.Errorf("backend got %s", body)
	}
}
