package arm

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViewsByteForByte(t *testing.T) {
	r := newRig()
	auth := `"authenticationSettings":{"oAuth2":null,"openid":null,"oAuth2AuthenticationSettings":[],"openidAuthenticationSettings":[]}`
	tests := map[string]string{
		"":                          `{"id":"` + base + `","type":"Microsoft.ApiManagement/service","name":"V","properties":{"provisioningState":"Succeeded"}}`,
		"/apis/inference":           `{"id":"` + base + `/apis/inference","type":"Microsoft.ApiManagement/service/apis","name":"inference","properties":{"displayName":"Inference","apiRevision":"1","description":null,"subscriptionRequired":true,"serviceUrl":null,"backendId":null,"path":"inference/openai","protocols":["https"],` + auth + `,"subscriptionKeyParameterNames":{"header":"api-key","query":"api-key"},"isCurrent":true,"isOnline":true,"type":"http","provisioningState":"Succeeded","future":{"kept":1}}}`,
		"/apis/INFERENCE%3Brev%3D2": `{"id":"` + base + `/apis/inference;rev=2","type":"Microsoft.ApiManagement/service/apis","name":"inference;rev=2","properties":{"displayName":"Inference, next","apiRevision":"2","description":null,"subscriptionRequired":false,"serviceUrl":"https://b","backendId":null,"path":"","protocols":[],` + auth + `,"subscriptionKeyParameterNames":{"header":"h","query":"q","bearer":"enabled"},"isCurrent":false,"isOnline":false,"type":"http","provisioningState":"Succeeded"}}`,
		"/apis/inference/operations/chatcompletions_create": `{"id":"` + base + `/apis/inference/operations/ChatCompletions_Create","type":"Microsoft.ApiManagement/service/apis/operations","name":"ChatCompletions_Create","properties":{"displayName":"Creates a completion for the chat message","method":"POST","urlTemplate":"/deployments/{deployment-id}/chat/completions?api-version={api-version}","templateParameters":[{"name":"deployment-id","type":"string","required":true,"values":[]},{"name":"api-version","type":"string","required":true,"values":[]}],"description":null,"request":{"queryParameters":[],"headers":[],"representations":[]},"responses":[],"policies":null}}`,
		"/products/ai":          `{"id":"` + base + `/products/ai","type":"Microsoft.ApiManagement/service/products","name":"ai","properties":{"displayName":"AI","description":null,"subscriptionRequired":true,"state":"published","approvalRequired":false,"terms":null,"subscriptionsLimit":null}}`,
		"/subscriptions/s1":     `{"id":"` + base + `/subscriptions/s1","type":"Microsoft.ApiManagement/service/subscriptions","name":"s1","properties":{"ownerId":null,"scope":"` + base + `/products/ai","displayName":"Team A","state":"active","createdDate":null,"startDate":null,"expirationDate":null,"endDate":null,"notificationDate":null,"stateComment":null,"allowTracing":false}}`,
		"/namedValues/aoai-key": `{"id":"` + base + `/namedValues/aoai-key","type":"Microsoft.ApiManagement/service/namedValues","name":"aoai-key","properties":{"displayName":"aoai-key","secret":true,"tags":[],"provisioningState":"Succeeded"}}`,
		"/namedValues/host":     `{"id":"` + base + `/namedValues/host","type":"Microsoft.ApiManagement/service/namedValues","name":"host","properties":{"displayName":"host","secret":false,"tags":["t"],"value":"example.com","provisioningState":"Succeeded"}}`,
		"/namedvalues/KV":       `{"id":"` + base + `/namedValues/kv","type":"Microsoft.ApiManagement/service/namedValues","name":"kv","properties":{"displayName":"kv","secret":true,"tags":[],"keyVault":{"secretIdentifier":"https://v/secrets/s","identityClientId":null},"provisioningState":"Succeeded"}}`,
		"/backends/be":          `{"id":"` + base + `/backends/be","type":"Microsoft.ApiManagement/service/backends","name":"be","properties":{"title":null,"description":null,"url":"https://user:xxxxx@r.openai.azure.com/openai","type":"Single","credentials":{"header":{"k":["[secret]"]}},"protocol":"http","tls":{"validateCertificateChain":true,"validateCertificateName":true}}}`,
		"/policyFragments/f":    `{"id":"` + base + `/policyFragments/f","type":"Microsoft.ApiManagement/service/policyFragments","name":"f","properties":{"description":null,"format":"rawxml","value":"<fragment><base/></fragment>","provisioningState":"Succeeded"}}`,
		"/apis/echo/operations": `{"value":[],"count":0}`,
	}
	for path, want := range tests {
		check(t, path, r.arm("GET", path, ""), 200, want)
	}
	check(t, "keys", r.arm("POST", "/subscriptions/S1/listsecrets", ""), 200, `{"primaryKey":"`+canary+`-p","secondaryKey":"`+canary+`-s"}`)
}

type listBody struct {
	Value []struct {
		Name       string
		Properties struct{ Scope string }
	}
	Count    int
	NextLink string
}

func (r *rig) list(t *testing.T, path string) listBody {
	t.Helper()
	rec := r.arm("GET", path, "")
	var l listBody
	if err := json.Unmarshal([]byte(rec.Body()), &l); err != nil || rec.Status() != 200 {
		t.Fatalf("%s: %d %s", path, rec.Status(), rec.Body())
	}
	return l
}

func (l listBody) names() string {
	var all []string
	for _, v := range l.Value {
		all = append(all, v.Name)
	}
	return strings.Join(all, " ")
}

func TestLists(t *testing.T) {
	r := newRig()
	for path, want := range map[string]string{
		"/apis":                      "inference inference;rev=2 echo",
		"/apis/inference/operations": "ChatCompletions_Create",
		"/products":                  "ai",
		"/products/ai/apis":          "inference",
		"/subscriptions":             "s1 master",
		"/namedValues":               "aoai-key host kv",
		"/backends":                  "be",
		"/policyFragments":           "f",
	} {
		if l := r.list(t, path); l.names() != want || l.Count != len(l.Value) || l.NextLink != "" {
			t.Errorf("%s: %+v", path, l)
		}
	}
	if got := r.list(t, "/subscriptions").Value[1].Properties.Scope; got != base+"/" {
		t.Errorf("scope of the built-in subscription: %s", got)
	}
}

func TestPaging(t *testing.T) {
	r := newRig()
	l := r.list(t, "/apis?$top=2")
	if l.names() != "inference inference;rev=2" || l.Count != 3 {
		t.Fatalf("%+v", l)
	}
	rec := r.do("GET", l.NextLink, "", bearer)
	var last listBody
	if err := json.Unmarshal([]byte(rec.Body()), &last); err != nil || last.names() != "echo" || last.Count != 3 || last.NextLink != "" {
		t.Errorf("%s: %s", l.NextLink, rec.Body())
	}
	if l := r.list(t, "/apis?%24skip=99"); l.names() != "" || l.Count != 3 {
		t.Errorf("past the end: %+v", l)
	}
	for _, q := range []string{"$top=0", "$top=x", "$skip=-1", "$filter=name%20eq%20'x'"} {
		if got := r.arm("GET", "/apis?"+q, "").Status(); got != 400 {
			t.Errorf("%s: %d", q, got)
		}
	}
}

// TestSecretsStaySecret reads everything that can be read but listSecrets.
func TestSecretsStaySecret(t *testing.T) {
	r := newRig()
	r.snap.Backends[0].URL = "https://user:%zz" + canary + "@r/openai" // one that cannot be parsed
	for _, path := range []string{"/apis", "/apis/inference", "/products", "/products/ai", "/subscriptions", "/subscriptions/s1", "/namedValues", "/namedValues/aoai-key", "/namedValues/kv", "/backends", "/backends/be", "/policyFragments", ""} {
		rec := r.arm("GET", path, "")
		if rec.Status() != 200 || strings.Contains(rec.Body(), canary) {
			t.Errorf("%s: %d %s", path, rec.Status(), rec.Body())
		}
	}
}

func TestObject(t *testing.T) {
	b, err := json.Marshal(object{{"b", nil}, {"a", "<&>"}, {"o", object{}}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(`{"b":null,"a":"\u003c\u0026\u003e","o":{}}`, string(b)); d != "" {
		t.Error(d)
	}
	if _, err := json.Marshal(object{{"f", func() {}}}); err == nil {
		t.Error("a function was encoded")
	}
}
