package model_test

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/secret"
)

// sound is a snapshot without findings, with one of everything.
func sound() *model.Snapshot {
	return &model.Snapshot{
		APIs: []*model.API{
			newAPI("chat", "ai/chat"),
			newAPI("echo", "echo"),
		},
		VersionSets:   []*model.VersionSet{{ID: "seg", DisplayName: "S", Scheme: model.Segment}, {ID: "qry", DisplayName: "Q", Scheme: model.Query, QueryName: "v"}},
		Products:      []*model.Product{{ID: "models", DisplayName: "Models", SubscriptionRequired: true, APIs: []string{"chat"}, Groups: []string{"developers", "partners"}}},
		Groups:        []*model.Resource{{Kind: "groups", ID: "partners"}},
		Subscriptions: []*model.Subscription{{ID: "a", Scope: model.ScopeProduct, ScopeID: "models", State: model.Active, PrimaryKey: secret.New("k3y-1"), SecondaryKey: secret.New("k3y-2")}},
		NamedValues:   []*model.NamedValue{{ID: "n", DisplayName: "n.a-m_e", Value: secret.New("v")}},
		Backends:      []*model.Backend{{ID: "b", Type: "Single", URL: "https://b.example.com"}, {ID: "p", Type: "Pool", Pool: []model.PoolMember{{BackendID: "B"}}}},
	}
}

func newAPI(id, path string) *model.API {
	return &model.API{
		ID: id, Revision: "1", IsCurrent: true, IsOnline: true, DisplayName: id, Path: path, Protocols: []string{"https"}, Type: "http",
		KeyHeader: model.DefaultKeyHeader, KeyQuery: model.DefaultKeyQuery,
		Operations: []*model.Operation{{ID: "get", DisplayName: "Get", Method: "GET", URLTemplate: "/x/{id}?v={v}",
			TemplateParameters: []model.Parameter{{Name: "id"}, {Name: "v"}}}},
	}
}

func revision(of *model.API, n string) *model.API {
	r := *of
	r.Revision, r.IsCurrent = n, false
	return &r
}

func TestValidateSound(t *testing.T) {
	if got := model.Validate(sound()); len(got) > 0 {
		t.Fatal(got)
	}
	if got := model.Validate(&model.Snapshot{}); len(got) > 0 {
		t.Fatal(got)
	}
}

// Every row breaks one rule of the sound snapshot.
func TestValidate(t *testing.T) {
	type S = model.Snapshot
	tests := []struct {
		name, want string
		change     func(s *S)
	}{
		{"same path", "SP1302: path 'ECHO' is taken by API 'echo'", func(s *S) { s.APIs = append(s.APIs, newAPI("c", "ECHO")) }},
		{"same version", "SP1302: path 'ai/chat' with version 'V1' is taken by API 'chat'", func(s *S) {
			s.APIs[0].VersionSetID, s.APIs[0].Version = "seg", "v1"
			b := newAPI("chat2", "ai/chat")
			b.VersionSetID, b.Version = "SEG", "V1"
			s.APIs = append(s.APIs, b)
		}},
		{"two originals", "SP1302: path 'ai/chat' with no version is taken by API 'chat'", func(s *S) {
			s.APIs[0].VersionSetID = "seg"
			b := newAPI("chat2", "ai/chat")
			b.VersionSetID = "seg"
			s.APIs = append(s.APIs, b)
		}},
		{"path outside the set", "SP1302: path 'ai/chat' is taken by API 'chat'", func(s *S) {
			s.APIs[0].VersionSetID, s.APIs[0].Version = "seg", "v1"
			s.APIs = append(s.APIs, newAPI("other", "ai/chat"))
		}},
		{"version makes the path of another API", "SP1302: with its version the path is 'ai/chat/v1', which API 'other' has", func(s *S) {
			s.APIs[0].VersionSetID, s.APIs[0].Version = "seg", "v1"
			s.APIs = append(s.APIs, newAPI("other", "ai/chat/v1"))
		}},
		{"revision without current", "SP1304: API 'x' has revision 2, but no current revision", func(s *S) { s.APIs = append(s.APIs, revision(newAPI("x", "x"), "2")) }},
		{"two current", "SP1304: API 'CHAT' has two current revisions, 1 and 7", func(s *S) {
			b := newAPI("CHAT", "other")
			b.Revision = "7"
			s.APIs = append(s.APIs, b)
		}},
		{"revision twice", "SP1301: revision 2 of API 'chat' is there twice", func(s *S) {
			s.APIs = append(s.APIs, revision(s.APIs[0], "2"), revision(s.APIs[0], "2"))
		}},
		{"unknown version set", "SP1306: there is no version set 'sge' (did you mean 'seg'?)", func(s *S) { s.APIs[0].VersionSetID = "sge" }},
		{"version without set", "SP1325: version 'v1' needs a version set (set apiVersionSetId)", func(s *S) { s.APIs[0].Version = "v1" }},
		{"version as segment", "SP1325: version 'a/b' cannot be a path segment", func(s *S) { s.APIs[0].VersionSetID, s.APIs[0].Version = "seg", "a/b" }},
		{"query set", "SP1305: a version set of scheme Query needs versionQueryName", func(s *S) { s.VersionSets[1].QueryName = "" }},
		{"header set", "SP1305: a version set of scheme Header needs versionHeaderName", func(s *S) { s.VersionSets[1].Scheme = model.Header }},
		{"header name", "SP1305: 'a b' is not a header name", func(s *S) { s.VersionSets[1].Scheme, s.VersionSets[1].HeaderName = model.Header, "a b" }},
		{"scheme", "SP1305: versioning scheme 'Heder' is not known (did you mean 'Header'?)", func(s *S) { s.VersionSets[1].Scheme = "Heder" }},
		{"path characters", "SP1318: path 'a?b' must not hold '?'", func(s *S) { s.APIs[0].Path = "a?b" }},
		{"path revision", "SP1318: path 'a;rev=2' must not hold ';'", func(s *S) { s.APIs[0].Path = "a;rev=2" }},
		{"empty segment", "SP1318: path 'a//b' has an empty segment", func(s *S) { s.APIs[0].Path = "a//b" }},
		{"protocol", "SP1319: protocol 'htps' is not known (did you mean 'https'?)", func(s *S) { s.APIs[0].Protocols = []string{"htps"} }},
		{"type later", "SP1320: APIs of type 'graphql' are not supported yet", func(s *S) { s.APIs[0].Type = "graphql" }},
		{"type unknown", "SP1320: API type 'graphq' is not known (did you mean 'graphql'?)", func(s *S) { s.APIs[0].Type = "graphq" }},
		{"service URL", "SP1321: serviceUrl must be absolute, such as https://host/path", func(s *S) { s.APIs[0].ServiceURL = "backend.example.com" }},
		{"service URL scheme", "SP1321: serviceUrl has scheme 'ftp', known are http, https, ws, wss", func(s *S) { s.APIs[0].ServiceURL = "ftp://h" }},
		{"display name length", "SP1322: 'displayName' has 301 characters, at most 300 are allowed", func(s *S) { s.APIs[0].DisplayName = strings.Repeat("é", 301) }},
		{"no operations", "SP1324: API 'chat' has no operations: every request to it is answered with 404", func(s *S) { s.APIs[0].Operations = nil }},
		{"key header", "SP1326: 'a b' is not a header name", func(s *S) { s.APIs[0].KeyHeader = "a b" }},
		{"key query", "SP1326: '' is not a query parameter name", func(s *S) { s.APIs[0].KeyQuery = "" }},
		{"operation id", "SP1301: operation id 'GET' is taken", func(s *S) {
			s.APIs[0].Operations = append(s.APIs[0].Operations, &model.Operation{ID: "GET", Method: "GET", URLTemplate: "/y"})
		}},
		{"same request", "SP1317: GET /X/{other}?v={w} answers the same request as operation 'get'", func(s *S) {
			s.APIs[0].Operations = append(s.APIs[0].Operations, &model.Operation{ID: "o", Method: "GET", URLTemplate: "/X/{other}?v={w}", TemplateParameters: []model.Parameter{{Name: "other"}, {Name: "w"}}})
		}},
		{"method", "SP1316: 'GE T' is not an HTTP method", func(s *S) { s.APIs[0].Operations[0].Method = "GE T" }},
		{"template start", "SP1316: URL template 'x' must start with '/'", func(s *S) { s.APIs[0].Operations[0].URLTemplate = "x" }},
		{"template brace", "SP1316: URL template '/{id' has a '{' that is not closed within its segment", func(s *S) { s.APIs[0].Operations[0].URLTemplate = "/{id" }},
		{"wildcard", "SP1316: URL template '/*/x' may hold '*' only as its last segment", func(s *S) { s.APIs[0].Operations[0].URLTemplate = "/*/x" }},
		{"template parameter missing", "SP1316: '{idd}' of '/{idd}/{v}' has no template parameter (did you mean 'id'?)", func(s *S) { s.APIs[0].Operations[0].URLTemplate = "/{idd}/{v}" }},
		{"template parameter unused", "SP1316: template parameter 'v' does not occur in '/{id}'", func(s *S) { s.APIs[0].Operations[0].URLTemplate = "/{id}" }},
		{"two open products", "SP1307: API 'chat' is in open product 'o1' already; it can be in one only", func(s *S) {
			s.Products = append(s.Products, &model.Product{ID: "o1", APIs: []string{"chat"}}, &model.Product{ID: "o2", APIs: []string{"chat"}})
		}},
		{"product API", "SP1308: product 'models' holds API 'chta', which does not exist (did you mean 'chat'?)", func(s *S) { s.Products[0].APIs = []string{"chta"} }},
		{"product group", "SP1309: there is no group 'developer' (did you mean 'developers'?)", func(s *S) { s.Products[0].Groups = []string{"developer"} }},
		{"open product terms", "SP1328: approvalRequired needs subscriptionRequired", func(s *S) {
			s.Products[0].SubscriptionRequired, s.Products[0].Properties = false, []byte(`{"approvalRequired":true}`)
		}},
		{"product twice", "SP1301: id 'MODELS' is taken by 'models'", func(s *S) { s.Products = append(s.Products, &model.Product{ID: "MODELS", SubscriptionRequired: true}) }},
		{"scope product", "SP1310: there is no product 'model' (did you mean 'models'?)", func(s *S) { s.Subscriptions[0].ScopeID = "model" }},
		{"scope API", "SP1310: there is no API 'cha' (did you mean 'chat'?)", func(s *S) { s.Subscriptions[0].Scope, s.Subscriptions[0].ScopeID = model.ScopeAPI, "cha" }},
		{"state", "SP1323: state 'actve' is not known (did you mean 'active'?)", func(s *S) { s.Subscriptions[0].State = "actve" }},
		{"key twice", "SP1311: secondaryKey is also a key of subscription 'a'", func(s *S) {
			s.Subscriptions = append(s.Subscriptions, &model.Subscription{ID: "b", Scope: model.ScopeAllAPIs, State: model.Active, SecondaryKey: secret.New("k3y-1")})
		}},
		{"key length", "SP1327: primaryKey has 257 characters, at most 256 are allowed", func(s *S) { s.Subscriptions[0].PrimaryKey = secret.New(strings.Repeat("k", 257)) }},
		{"key space", "SP1327: primaryKey begins or ends with a space, or holds a line break", func(s *S) { s.Subscriptions[0].PrimaryKey = secret.New("k3y\n") }},
		{"named value name", "SP1312: display name 'a b' must not hold ' '; letters, digits, '-', '.' and '_' are allowed", func(s *S) { s.NamedValues[0].DisplayName = "a b" }},
		{"named value twice", "SP1313: {{N.a-m_e}} is named value 'n' already ()", func(s *S) { s.NamedValues = append(s.NamedValues, &model.NamedValue{ID: "m", DisplayName: "N.a-m_e"}) }},
		{"named value length", "SP1322: the value has 4097 characters, at most 4096 are allowed", func(s *S) { s.NamedValues[0].Value = secret.New(strings.Repeat("v", 4097)) }},
		{"backend URL missing", "SP1314: backend 'b' has no url", func(s *S) { s.Backends[0].URL = "" }},
		{"backend URL", "SP1314: url has scheme 'ldap', known are http, https, ws, wss", func(s *S) { s.Backends[0].URL = "ldap://x" }},
		{"backend credentials in URL", "SP1314: url must not hold credentials", func(s *S) { s.Backends[0].URL = "https://u:k3y@x" }},
		{"soap backend", "SP1319: backends of protocol 'soap' are not supported yet", func(s *S) { s.Backends[0].Properties = []byte(`{"protocol":"soap"}`) }},
		{"empty pool", "SP1315: pool 'p' has no members", func(s *S) { s.Backends[1].Pool = nil }},
		{"pool member", "SP1315: pool member 'bb' does not exist (did you mean 'b'?)", func(s *S) { s.Backends[1].Pool[0].BackendID = "bb" }},
		{"pool in pool", "SP1315: pool member 'p' is a pool itself", func(s *S) { s.Backends[1].Pool[0].BackendID = "p" }},
		{"pool weight", "SP1315: priority and weight of a pool member are 0 to 100", func(s *S) { s.Backends[1].Pool[0].Weight = 101 }},
		{"pool member twice", "SP1315: pool member 'b' is listed twice", func(s *S) { s.Backends[1].Pool = append(s.Backends[1].Pool, model.PoolMember{BackendID: "b"}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sound()
			tt.change(s)
			got := model.Validate(s)
			found := false
			for _, f := range got {
				text := f.String()
				found = found || strings.Contains(text, tt.want)
				if strings.Contains(text, "k3y") {
					t.Errorf("a key shows: %s", text)
				}
			}
			if !found {
				t.Errorf("want %s\n got %v", tt.want, got)
			}
			if len(got) != 1 && tt.name != "template parameter missing" { // one slip breaks both directions
				t.Errorf("want one finding, got %v", got)
			}
		})
	}
}

// A revision that is not current must keep these properties.
func TestValidateRevisionFields(t *testing.T) {
	for field, change := range map[string]func(a *model.API){
		"displayName":           func(a *model.API) { a.DisplayName = "x" },
		"description":           func(a *model.API) { a.Description = "x" },
		"subscriptionRequired":  func(a *model.API) { a.SubscriptionRequired = true },
		"path":                  func(a *model.API) { a.Path = "x" },
		"protocols":             func(a *model.API) { a.Protocols = []string{"http"} },
		"apiVersionDescription": func(a *model.API) { a.Properties = []byte(`{"apiVersionDescription":"x"}`) },
	} {
		s := sound()
		r := revision(s.APIs[0], "2")
		change(r)
		place := diag.Pos{File: "f", Line: 3, Col: 4}
		r.Places = model.Places{{Name: field, Pos: place}}
		s.APIs = append(s.APIs, r)
		got := model.Validate(s)
		if len(got) != 1 || got[0].Code != diag.RuleRevisionField || !strings.Contains(got[0].Message, "'"+field+"'") || got[0].Pos != place {
			t.Errorf("%s: %v", field, got)
		}
		// What the revision does not say, it takes over.
		r.Properties = []byte(`{"serviceUrl":"https://x"}`)
		if got := model.Validate(s); len(got) > 0 {
			t.Errorf("%s left out: %v", field, got)
		}
	}
}

func TestScanTemplateAndRequestKey(t *testing.T) {
	literal, names, err := model.ScanTemplate("/A/{x}.json/{y}?q={z}")
	if got, want := fmt.Sprint(literal, names, err), "/a/{}.json/{}?q={}[x y z] <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{"/{", "/}", "/{}", "/{a}{a}", "/{a/b}", "/{a{b}}"} {
		if _, _, err := model.ScanTemplate(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	a, _ := model.RequestKey("GET", "/X/{a}?p={a1}&q=1")
	b, _ := model.RequestKey("GET", "/x/{b}?q=1&P={b1}")
	c, _ := model.RequestKey("GET", "/x/{b}?q=2&P={b1}")
	if a != b || a == c {
		t.Errorf("keys: %s, %s, %s", a, b, c)
	}
}

// Keys of many subscriptions are compared by map, not pair by pair.
func BenchmarkValidateSubscriptions(b *testing.B) {
	s := sound()
	for i := range 100_000 {
		s.Subscriptions = append(s.Subscriptions, &model.Subscription{ID: fmt.Sprint("s", i), Scope: model.ScopeAllAPIs, State: model.Active, PrimaryKey: secret.New(fmt.Sprint("key", i))})
	}
	for b.Loop() {
		if got := model.Validate(s); len(got) > 0 {
			b.Fatal(got)
		}
	}
}
