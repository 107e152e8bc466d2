package databricks

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/wire/wiretest"
)

func get(p *Plane, target string) *wiretest.Recorder {
	return wiretest.Serve(p, wiretest.NewRequest("GET", target, "", bearer))
}

func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("want: %v", err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("got %s: %v", got, err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Error(diff)
	}
}

func fixedNow(c *Config) {
	c.Now = func() time.Time { return time.UnixMilli(1700000000123) }
	c.WorkspaceHost = "adb-1.2.azuredatabricks.net"
}

func TestGetEndpoint(t *testing.T) {
	e := custom("dublin-chat")
	e.Tags = []model.Tag{{Key: "team", Value: "x"}}
	e.AIGateway = json.RawMessage(`{"usage_tracking_config":{"enabled":true}}`)
	e.Properties = json.RawMessage(`{"budget_policy_id":"b-1","email_notifications":{"on_update_success":["a@b.test"]}}`)
	p := newPlane(answering(200, "{}"), fixedNow, e)
	got := get(p, "/api/2.0/serving-endpoints/dublin-chat")
	if got.Status() != 200 || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d %v", got.Status(), got.Header())
	}
	sameJSON(t, `{
		"id":"a5a3ae4e1a4a1a6fd0b3fd6a2e6a7d1c","name":"dublin-chat","creator":"sallyport","creator_display_name":"sallyport","creator_kind":"User",
		"creation_timestamp":1700000000123,"last_updated_timestamp":1700000000123,
		"state":{"ready":"READY","config_update":"NOT_UPDATING","suspend":"NOT_SUSPENDED"},
		"config":{"served_entities":[{"name":"gpt-4-1-mini","creator":"sallyport","creation_timestamp":1700000000123,
			"state":{"deployment":"DEPLOYMENT_READY","deployment_state_message":""},
			"external_model":{"name":"gpt-4.1-mini","provider":"custom","task":"llm/v1/chat","custom_provider_config":{
				"custom_provider_url":"https://apim.test/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21&x=%2f",
				"api_key_auth":{"key":"api-key","value":"{{secrets/apim/gateway-key}}"}}}}],
			"traffic_config":{"routes":[{"served_model_name":"gpt-4-1-mini","served_entity_name":"gpt-4-1-mini","traffic_percentage":100}]},
			"config_version":1},
		"ai_gateway":{"usage_tracking_config":{"enabled":true}},"tags":[{"key":"team","value":"x"}],"task":"llm/v1/chat","description":"",
		"endpoint_type":"EXTERNAL_MODEL","resource_credential_strategy":"EMBEDDED_CREDENTIALS",
		"email_notifications":{"on_update_success":["a@b.test"]},"effective_budget_policy_id":"b-1",
		"permission_level":"CAN_QUERY","route_optimized":false,
		"endpoint_url":"https://adb-1.2.azuredatabricks.net/serving-endpoints/dublin-chat/invocations"
	}`, withID(t, got.Body(), "a5a3ae4e1a4a1a6fd0b3fd6a2e6a7d1c"))
}

// withID checks the form of the id (32 hexadecimal digits) and replaces it.
func withID(t *testing.T, body, id string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	if s, _ := m["id"].(string); len(s) != 32 {
		t.Errorf("id %q", s)
	}
	m["id"] = id
	b, _ := json.Marshal(m)
	return string(b)
}

func TestListEndpoints(t *testing.T) {
	empty := New(Config{Tokens: []Token{{Value: secret.New(testToken)}}, Transport: answering(200, "{}")})
	for _, target := range []string{"/api/2.0/serving-endpoints", "/api/2.0/serving-endpoints/"} {
		sameJSON(t, `{"endpoints":[]}`, get(empty, target).Body())
	}
	p := newPlane(answering(200, "{}"), fixedNow, custom("b"), &model.ServingEndpoint{Name: "a"}, custom("b"))
	var l struct {
		Endpoints []map[string]any `json:"endpoints"`
	}
	if err := json.Unmarshal([]byte(get(p, "/api/2.0/serving-endpoints").Body()), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Endpoints) != 2 || l.Endpoints[0]["name"] != "b" || l.Endpoints[1]["name"] != "a" {
		t.Fatalf("%+v", l)
	}
	for _, absent := range []string{"route_optimized", "permission_level", "endpoint_url"} {
		if _, ok := l.Endpoints[0][absent]; ok {
			t.Errorf("list items have no %s", absent)
		}
	}
	entity := l.Endpoints[0]["config"].(map[string]any)
	if len(entity) != 1 || len(entity["served_entities"].([]any)[0].(map[string]any)) != 2 {
		t.Errorf("the configuration is no summary: %+v", entity)
	}
	if _, ok := l.Endpoints[1]["config"]; ok || l.Endpoints[1]["state"].(map[string]any)["ready"] != "NOT_READY" {
		t.Errorf("an endpoint without configuration: %+v", l.Endpoints[1])
	}
}

func TestGetUnknownEndpoint(t *testing.T) {
	got := get(newPlane(answering(200, "{}"), nil), "/api/2.0/serving-endpoints/x")
	if got.Status() != 404 || got.Body() != `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Serving endpoint 'x' does not exist."}` {
		t.Errorf("%d %s", got.Status(), got.Body())
	}
}

func TestPlaintextIsNotReturned(t *testing.T) {
	p := newPlane(answering(200, "{}"), nil, provider(func(c *model.CustomProvider) {
		c.APIKey.Value = model.SecretValue{Plaintext: secret.New(testKey)}
	})...)
	var v struct {
		Config struct {
			Entities []struct {
				Model struct {
					Custom json.RawMessage `json:"custom_provider_config"`
				} `json:"external_model"`
			} `json:"served_entities"`
		} `json:"config"`
	}
	if err := json.Unmarshal([]byte(get(p, "/api/2.0/serving-endpoints/dublin-chat").Body()), &v); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, `{"custom_provider_url":"https://apim.test/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21&x=%2f","api_key_auth":{"key":"api-key"}}`,
		string(v.Config.Entities[0].Model.Custom))
}

func TestVersionAndTimesFollowChanges(t *testing.T) {
	now := time.UnixMilli(1000)
	p := newPlane(answering(200, "{}"), func(c *Config) { c.Now = func() time.Time { return now } })
	state := func() [3]float64 {
		var m map[string]any
		if err := json.Unmarshal([]byte(get(p, "/api/2.0/serving-endpoints/dublin-chat").Body()), &m); err != nil {
			t.Fatal(err)
		}
		return [3]float64{m["creation_timestamp"].(float64), m["last_updated_timestamp"].(float64), m["config"].(map[string]any)["config_version"].(float64)}
	}
	now = time.UnixMilli(2000)
	p.Apply([]*model.ServingEndpoint{custom("dublin-chat")}) // equal, not the same
	if got := state(); got != [3]float64{1000, 1000, 1} {
		t.Errorf("after an equal configuration: %v", got)
	}
	now = time.UnixMilli(3000)
	p.Apply(edited(func(e *model.ServingEndpoint) { e.ServedEntities[0].External.Name = "other" }))
	if got := state(); got != [3]float64{1000, 3000, 2} {
		t.Errorf("after a change: %v", got)
	}
}

func TestDefaultsOfAServedEntity(t *testing.T) {
	p := newPlane(answering(200, "{}"), nil, edited(func(e *model.ServingEndpoint) {
		e.ServedEntities[0].Name, e.ServedEntities[0].External.Task, e.ServedEntities[0].External.Name = "", "", "a.b:c"
	})...)
	if h := post(p, invokeDublin, chatBody).Header(); h.Get("served-model-name") != "a-b-c" {
		t.Errorf("%v", h)
	}
}
