package databricks

import (
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	invoke := func(endpoint, served string) route {
		r := route{kind: routeInvoke, pattern: "/serving-endpoints/{name}/invocations", endpoint: endpoint, served: served}
		if served != "" {
			r.pattern = "/serving-endpoints/{name}/served-models/{served}/invocations"
		}
		return r
	}
	openAI := func(path, task string) route { return route{kind: routeOpenAI, pattern: path, task: task} }
	get := func(name string) route {
		return route{kind: routeGet, pattern: "/api/2.0/serving-endpoints/{name}", endpoint: name}
	}
	list := route{kind: routeList, pattern: "/api/2.0/serving-endpoints"}
	for _, tt := range []struct {
		method, path string
		want         route
	}{
		{"POST", "/serving-endpoints/a-b_1/invocations", invoke("a-b_1", "")},
		{"POST", "/serving-endpoints/chat/invocations", invoke("chat", "")},
		{"POST", "/serving-endpoints/a/served-models/gpt%204/invocations", invoke("a", "gpt 4")},
		{"POST", "/serving-endpoints/chat/completions", openAI("/serving-endpoints/chat/completions", taskChat)},
		{"POST", "/serving-endpoints/completions", openAI("/serving-endpoints/completions", taskCompletions)},
		{"POST", "/serving-endpoints/embeddings", openAI("/serving-endpoints/embeddings", taskEmbeddings)},
		{"POST", "/ai-gateway/mlflow/v1/chat/completions", openAI("/ai-gateway/mlflow/v1/chat/completions", taskChat)},
		{"POST", "/ai-gateway/mlflow/v1/embeddings", openAI("/ai-gateway/mlflow/v1/embeddings", taskEmbeddings)},
		{"GET", "/api/2.0/serving-endpoints", list},
		{"GET", "/api/2.0/serving-endpoints/", list},
		{"GET", "/api/2.0/serving-endpoints/a", get("a")},
		{"POST", "/serving-endpoints//invocations", route{}},
		{"POST", "/serving-endpoints/invocations", route{}},
		{"POST", "/serving-endpoints/a/b/invocations", route{}},
		{"POST", "/serving-endpoints/a/invocations/", route{}},
		{"POST", "/serving-endpoints/a/served-models//invocations", route{}},
		{"POST", "/serving-endpoints/%zz/invocations", route{}},
		{"POST", "/api/2.0/serving-endpoints", route{}},
		{"GET", "/api/2.0/serving-endpointsx", route{}},
		{"GET", "/api/2.0/serving-endpoints/a/openapi", route{}},
		{"GET", "/serving-endpoints/a/invocations", route{}},
		{"GET", "*", route{}},
	} {
		if diff := cmp.Diff(tt.want, match(tt.method, tt.path), cmp.AllowUnexported(route{})); diff != "" {
			t.Errorf("%s %s\n%s", tt.method, tt.path, diff)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct{ in, scheme, authority, host, path string }{
		{"https://h.test/a%2Fb/c?x=%2f&y", "https", "h.test", "h.test", "/a%2Fb/c?x=%2f&y"},
		{"HTTPS://h.test:8443", "https", "h.test:8443", "h.test", "/"},
		{"https://h.test?x=1#frag", "https", "h.test", "h.test", "/?x=1"},
		{"http://[::1]:80//double", "http", "[::1]:80", "::1", "//double"},
	} {
		got, err := parseTarget(tt.in)
		want := target{raw: tt.in, scheme: tt.scheme, authority: tt.authority, host: tt.host, path: tt.path}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.in, err, diff)
		}
	}
	for _, in := range []string{
		"", "h.test/x", "ftp://h.test/", "https://", "https:///x", "https://u:p@h.test/", "https://h.test:0/", "https://h.test:x/",
		"https://h.test:70000/", "https://[::1/", "https://[x]/", "https://[::1]x/", "https://h.test/a b", "https://h.test/\r\nX: y", "https://h.test/é",
	} {
		if got, err := parseTarget(in); err == nil {
			t.Errorf("%q was accepted as %+v", in, got)
		}
	}
}

func TestPlainHTTPOnlyToLoopback(t *testing.T) {
	for _, tt := range []struct {
		url            string
		strict, loosen bool
	}{
		{"https://h.test/", true, true},
		{"http://127.0.0.1:8080/", false, true},
		{"http://127.9.9.9/", false, true},
		{"http://LOCALHOST/", false, true},
		{"http://[::1]/", false, true},
		{"http://[::ffff:127.0.0.1]/", false, true},
		{"http://10.0.0.1/", false, false},
		{"http://h.test/", false, false},
		{"http://localhost.h.test/", false, false},
		{"http://127.0.0.1.h.test/", false, false},
		{"http://0.0.0.0/", false, false},
		{"http://2130706433/", false, false},
	} {
		g, err := parseTarget(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if g.allowed(false) != tt.strict || g.allowed(true) != tt.loosen {
			t.Errorf("%s: strict %v, loosened %v", tt.url, g.allowed(false), g.allowed(true))
		}
	}
}

func TestTargetShown(t *testing.T) {
	g, _ := parseTarget("https://h.test/x?api-version=1&Subscription-Key=abc&sig=d&z")
	if got := g.shown(); got != "https://h.test/x?api-version=1&Subscription-Key=****&sig=****&z" {
		t.Error(got)
	}
}

func TestRotaIsExactInEveryTurn(t *testing.T) {
	for _, weights := range [][]int{{100}, {70, 30}, {50, 50}, {1, 99}, {0, 100}, {33, 33, 34}, {10, 0, 20, 70}, {60, 60}} {
		total := 0
		for _, w := range weights {
			total += w
		}
		r := newRota(weights, new(atomic.Uint64))
		for turn := range 3 {
			got := make([]int, len(weights))
			for range total {
				got[r.next()]++
			}
			if diff := cmp.Diff(weights, got); diff != "" {
				t.Errorf("turn %d: %s", turn, diff)
			}
		}
	}
}

func TestRotaIsSmooth(t *testing.T) {
	r := newRota([]int{50, 25, 25}, new(atomic.Uint64))
	var got []int
	for range 8 {
		got = append(got, r.next())
	}
	if diff := cmp.Diff([]int{0, 1, 2, 0, 0, 1, 2, 0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRotaWithoutWeight(t *testing.T) {
	for _, w := range [][]int{nil, {0}, {0, 0}} {
		if r := newRota(w, new(atomic.Uint64)); r.next() != -1 {
			t.Errorf("%v: somebody was picked", w)
		}
	}
}
