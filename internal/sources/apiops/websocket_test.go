package apiops_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/sources/apiops"
)

const realtime = `{"properties":{"path":"openai/realtime","displayName":"Realtime","type":"websocket","serviceUrl":"wss://h/openai/realtime"}}`

func TestWebSocketAPI(t *testing.T) {
	s, findings, _ := apiops.LoadFS(fs(
		"apis/rt/apiInformation.json", realtime,
		"apis/rt/operations/onHandshake/policy.xml", "<policies />",
		"apis/rt;rev=2/apiInformation.json", `{"properties":{"serviceUrl":"wss://next/openai/realtime"}}`,
		"apis/rt;rev=2/operations/onhandshake/policy.xml", "<policies/>",
	), apiops.Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	if v := model.Validate(s); len(v) > 0 {
		t.Errorf("validate: %v", v)
	}
	for i, want := range []string{"<policies />", "<policies/>"} {
		a := s.APIs[i]
		if !a.IsWebSocket() || len(a.Operations) != 1 || !a.Operations[0].IsHandshake() {
			t.Fatalf("API %s: %+v", a.Name(), a)
		}
		if d := cmp.Diff([]string{"wss"}, a.Protocols); d != "" {
			t.Errorf("protocols of %s: %s", a.Name(), d)
		}
		if p := a.Operations[0].Policy; p == nil || p.Text != want {
			t.Errorf("policy of %s: %+v", a.Name(), p)
		}
	}
}

// What belongs to the handshake makes the API another one.
func TestWebSocketHash(t *testing.T) {
	load := func(policy string) string {
		s, _, _ := apiops.LoadFS(fs("apis/rt/apiInformation.json", realtime, "apis/rt/operations/onHandshake/policy.xml", policy), apiops.Options{})
		return s.APIs[0].Hash
	}
	if load("<policies/>") == load("<policies />") {
		t.Error("the hash does not see the policy of onHandshake")
	}
}

func TestWebSocketFindings(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"specification": {"apis/rt/specification.yaml", spec, "apis/rt/specification.yaml:1:1: warning SP1115: a WebSocket API has no specification: its one operation is 'onHandshake'"},
		"operation":     {"apis/rt/operations/onHandshak/policy.xml", "", "apis/rt/operations/onHandshak: error SP1113: API 'rt' has no operation 'onHandshak' (did you mean 'onHandshake'?)"},
	} {
		_, findings, _ := apiops.LoadFS(fs("apis/rt/apiInformation.json", realtime, c.file, c.text), apiops.Options{})
		if len(findings) != 1 || findings[0].String() != c.want {
			t.Errorf("%s: %v", name, findings)
		}
	}
}
