package gateway_test

import (
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// The last set-backend-service wins, but a base-url does not replace a backend
// that was inherited; only another backend-id does.
func TestInheritedBackendStays(t *testing.T) {
	doc := func(order string) *model.PolicyDoc {
		return rawPolicy("<policies><inbound>" + order + "</inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>")
	}
	const id, other, url = `<set-backend-service backend-id="one"/>`, `<set-backend-service backend-id="two"/>`, `<set-backend-service base-url="http://url.test"/>`
	for _, c := range []struct{ name, api, op, want string }{
		{"own backend-id, then base-url", "<base/>", id + url, "url.test"},
		{"inherited backend-id, then base-url", id, "<base/>" + url, "one.test"},
		{"inherited backend-id, then another", id, "<base/>" + other, "two.test"},
		{"inherited base-url, then base-url", url, `<base/><set-backend-service base-url="http://own.test"/>`, "own.test"},
		{"own backend-id, then inherited base-url", url, id + "<base/>", "url.test"},
	} {
		s := snapshot(api("a", "a", "GET /x"))
		s.Backends = []*model.Backend{{ID: "one", URL: "http://one.test"}, {ID: "two", URL: "http://two.test"}}
		s.APIs[0].Policy, s.APIs[0].Operations[0].Policy = doc(c.api), doc(c.op)
		if body := newFixture(t, wire.HandlerFunc(echo), s).call("GET", "/a/x").Body(); !strings.HasPrefix(body, "GET "+c.want+"/x") {
			t.Errorf("%s: %s, want %s", c.name, strings.SplitN(body, "\n", 2)[0], c.want)
		}
	}
}
