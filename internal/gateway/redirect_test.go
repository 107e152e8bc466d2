package gateway_test

import (
	"context"
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

func TestFollowRedirects(t *testing.T) {
	policy := rawPolicy(`<policies><inbound><base/></inbound><backend><forward-request follow-redirects="true"/></backend><outbound><base/></outbound><on-error/></policies>`)
	hops := wire.HandlerFunc(func(ctx context.Context, r *wire.Request, w wire.Responder) {
		to := map[string]string{"/base/same": "/base/end", "/base/far": "http://other.test/end", "/base/tls": "https://backend.test/end", "/base/loop": "/base/loop", "/base/odd": "ftp://x/"}[r.Target]
		if to == "" {
			echo(ctx, r, w)
			return
		}
		status := 302
		if r.Header.Get("keep") != "" {
			status = 307
		}
		wire.Reply(w, status, "", nil, wire.Field{Name: "Location", Value: to})
	})
	f := newFixture(t, hops, snapshot(with(api("a", "a", "POST /*"), func(a *model.API) { a.Policy = policy })))
	secrets := []string{"Authorization: Bearer s3cret", "api-key: s3cret", "Cookie: s=s3cret", "X-Plain: kept"}
	for _, c := range []struct {
		target, keep, first string
		status              int
		secret, body        bool
	}{
		{"/a/same", "", "GET backend.test/base/end", 200, true, false},
		{"/a/same", "1", "POST backend.test/base/end", 200, true, true},
		{"/a/far", "", "GET other.test/end", 200, false, false},
		{"/a/far", "1", "POST other.test/end", 200, false, true},
		{"/a/tls", "", "GET backend.test/end", 200, false, false}, // another port, and perhaps the way down from TLS
		{"/a/loop", "1", "", 500, false, false},
		{"/a/odd", "", "", 500, false, false},
	} {
		r := f.send("POST", c.target, "payload", append(secrets, "keep: "+c.keep)...)
		if r.Status() != c.status {
			t.Errorf("%s: %d %s", c.target, r.Status(), r.Body())
		}
		if c.status != 200 {
			continue
		}
		body := r.Body()
		if !strings.HasPrefix(body, c.first+"\n") || strings.Contains(body, "s3cret") != c.secret || strings.Contains(body, "payload") != c.body || !strings.Contains(body, "x-plain: kept") {
			t.Errorf("%s keep=%q: %s", c.target, c.keep, body)
		}
	}
	plain := newFixture(t, hops, snapshot(api("a", "a", "POST /*")))
	if r := plain.send("POST", "/a/far", "x"); r.Status() != 302 || r.Header().Get("Location") != "http://other.test/end" {
		t.Errorf("without follow-redirects: %d %v", r.Status(), r.Header())
	}
}

// A backend's TLS settings are made for its host and for no other.
func TestRedirectLeavesTheBackendsTransport(t *testing.T) {
	s := snapshot(with(api("a", "a", "GET /*"), func(a *model.API) {
		a.Policy = rawPolicy(`<policies><inbound><set-backend-service backend-id="lax"/></inbound><backend><forward-request follow-redirects="true"/></backend><outbound/><on-error/></policies>`)
	}))
	s.Backends = []*model.Backend{{ID: "lax", URL: "http://lax.test"}} // validates nothing
	lax := &wiretest.Transport{Handler: wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
		wire.Reply(w, 302, "", nil, wire.Field{Name: "Location", Value: "http://other.test/end"})
	})}
	f := newFixture(t, wire.HandlerFunc(echo), snapshot(api("a", "a", "GET /*")))
	f.deps.Transport = func(chain, name bool) wire.Transport {
		if chain && name {
			return f.backend
		}
		return lax
	}
	f.load(s)
	if body := f.call("GET", "/a/x").Body(); !strings.HasPrefix(body, "GET other.test/end") || len(lax.Calls()) != 1 {
		t.Errorf("%d calls without validation, answer %s", len(lax.Calls()), body)
	}
}
