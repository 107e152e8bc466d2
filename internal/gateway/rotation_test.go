package gateway_test

import (
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// A credential of a backend that is changed must be the one that is sent after
// the reload, although nothing of the APIs that use the backend has changed.
func TestRotatedBackendCredentialIsUsed(t *testing.T) {
	with := func(key string) *model.Snapshot {
		s := snapshot(api("a", "a", "GET /x"))
		s.APIs[0].Policy = rawPolicy(`<policies><inbound><base/><set-backend-service backend-id="b"/></inbound></policies>`)
		s.Backends = []*model.Backend{{ID: "b", URL: "http://b.test", ValidateChain: true, ValidateName: true, Properties: []byte(`{"credentials":"[secret]"}`), Credentials: &model.BackendCredentials{
			Header: []model.NameValues{{Name: "x-key", Values: []secret.Text{secret.New(key)}}},
			Query:  []model.NameValues{{Name: "code", Values: []secret.Text{secret.New(key)}}},
			Scheme: "Key", Parameter: secret.New(key),
		}}}
		return s
	}
	f := newFixture(t, wire.HandlerFunc(echo), with("old"))
	f.load(with("new"))
	body := f.call("GET", "/a/x").Body()
	for _, want := range []string{"x-key: new\n", "code=new\n", "authorization: Key new\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
}
