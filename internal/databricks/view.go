package databricks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// The views are read-only and carry the JSON names of ServingEndpoint and
// ServingEndpointDetailed. Secret references are echoed as they were written;
// plaintext credentials never come back, their fields are absent.

type listView struct {
	// MLflow's client expects the key also when there is nothing to list.
	Endpoints []endpointView `json:"endpoints"`
}

type endpointView struct {
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	Creator            string          `json:"creator"`
	CreatorDisplayName string          `json:"creator_display_name"`
	CreatorKind        string          `json:"creator_kind"`
	Created            int64           `json:"creation_timestamp"`
	Updated            int64           `json:"last_updated_timestamp"`
	State              stateView       `json:"state"`
	Config             *configView     `json:"config,omitempty"`
	AIGateway          json.RawMessage `json:"ai_gateway,omitempty"`
	Tags               []tagView       `json:"tags,omitempty"`
	Task               string          `json:"task,omitempty"`
	Description        string          `json:"description"`
	EndpointType       string          `json:"endpoint_type,omitempty"`
	CredentialStrategy string          `json:"resource_credential_strategy"`
	EmailNotifications json.RawMessage `json:"email_notifications,omitempty"`
	BudgetPolicy       string          `json:"effective_budget_policy_id,omitempty"`
	// Only in the detailed form.
	PermissionLevel string `json:"permission_level,omitempty"`
	RouteOptimized  *bool  `json:"route_optimized,omitempty"`
	EndpointURL     string `json:"endpoint_url,omitempty"`
}

type stateView struct {
	Ready        string `json:"ready"`
	ConfigUpdate string `json:"config_update"`
	Suspend      string `json:"suspend"`
}

type tagView struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type configView struct {
	ServedEntities []entityView `json:"served_entities"`
	TrafficConfig  *trafficView `json:"traffic_config,omitempty"`
	ConfigVersion  int          `json:"config_version,omitempty"`
}

type trafficView struct {
	Routes []routeView `json:"routes"`
}

// routeView: the service returns both names whichever was sent.
type routeView struct {
	ServedModelName   string `json:"served_model_name"`
	ServedEntityName  string `json:"served_entity_name"`
	TrafficPercentage int    `json:"traffic_percentage"`
}

type entityView struct {
	Name          string             `json:"name"`
	ExternalModel *externalModelView `json:"external_model,omitempty"`
	Creator       string             `json:"creator,omitempty"`
	Created       int64              `json:"creation_timestamp,omitempty"`
	State         *deploymentView    `json:"state,omitempty"`
}

type deploymentView struct {
	Deployment string `json:"deployment"`
	Message    string `json:"deployment_state_message"`
}

type externalModelView struct {
	Name     string      `json:"name"`
	Provider string      `json:"provider"`
	Task     string      `json:"task"`
	Custom   *customView `json:"custom_provider_config,omitempty"`
}

type customView struct {
	URL    string      `json:"custom_provider_url"`
	APIKey *apiKeyView `json:"api_key_auth,omitempty"`
	Bearer *bearerView `json:"bearer_token_auth,omitempty"`
}

type apiKeyView struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

type bearerView struct {
	Token string `json:"token,omitempty"`
}

// creator of everything that comes from configuration files.
const creator = "sallyport"

// keptFields are fields of the resource that the model does not spell out.
type keptFields struct {
	EmailNotifications json.RawMessage `json:"email_notifications"`
	BudgetPolicyID     string          `json:"budget_policy_id"`
	RouteOptimized     bool            `json:"route_optimized"`
}

func (c *call) replyView(v any) *failure {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // URLs stay readable
	if err := enc.Encode(v); err != nil {
		return viewBroken(err)
	}
	c.send(200, wire.Header{{Name: "Content-Type", Value: contentJSON}, {Name: headerRequestID, Value: c.rec.RequestID}}, body.Bytes())
	return nil
}

func (t *table) listView(host string) listView {
	l := listView{Endpoints: make([]endpointView, 0, len(t.list))}
	for _, e := range t.list {
		v := e.view(host)
		v.PermissionLevel, v.RouteOptimized, v.EndpointURL = "", nil, ""
		if v.Config != nil {
			v.Config.summarise()
		}
		l.Endpoints = append(l.Endpoints, v)
	}
	return l
}

// summarise reduces a configuration to what list items carry.
func (c *configView) summarise() {
	c.TrafficConfig, c.ConfigVersion = nil, 0
	for i := range c.ServedEntities {
		e := &c.ServedEntities[i]
		e.Creator, e.Created, e.State = "", 0, nil
	}
}

func (e *endpoint) view(host string) endpointView {
	m := e.model
	var kept keptFields
	if len(m.Properties) > 0 {
		// Best effort: the source has validated what is needed for calls.
		_ = json.Unmarshal(m.Properties, &kept)
	}
	id := sha256.Sum256([]byte("serving-endpoint/" + m.Name))
	v := endpointView{
		ID: hex.EncodeToString(id[:16]), Name: m.Name, Creator: creator, CreatorDisplayName: creator, CreatorKind: "User",
		Created: e.created.UnixMilli(), Updated: e.updated.UnixMilli(),
		// Nothing is deployed, so no update is ever under way.
		State:       stateView{Ready: "NOT_READY", ConfigUpdate: "NOT_UPDATING", Suspend: "NOT_SUSPENDED"},
		Description: m.Description, CredentialStrategy: "EMBEDDED_CREDENTIALS", AIGateway: m.AIGateway,
		EmailNotifications: kept.EmailNotifications, BudgetPolicy: kept.BudgetPolicyID,
		PermissionLevel: "CAN_QUERY", RouteOptimized: &kept.RouteOptimized,
	}
	for _, t := range m.Tags {
		v.Tags = append(v.Tags, tagView(t))
	}
	if host != "" {
		v.EndpointURL = "https://" + host + invokeRoot + m.Name + "/invocations"
	}
	if e.ready() {
		v.State.Ready = "READY"
		v.Config = e.configView()
		v.Task = e.entities[0].task
		if e.entities[0].modelName != "" {
			v.EndpointType = "EXTERNAL_MODEL"
		}
	}
	return v
}

func (e *endpoint) configView() *configView {
	c := &configView{ConfigVersion: e.version, TrafficConfig: &trafficView{Routes: []routeView{}}}
	for i, ent := range e.entities {
		c.ServedEntities = append(c.ServedEntities, entityView{
			Name: ent.name, ExternalModel: externalView(ent, e.model.ServedEntities[i].External),
			Creator: creator, Created: e.created.UnixMilli(),
			State: &deploymentView{Deployment: "DEPLOYMENT_READY"},
		})
	}
	routes := e.model.Routes
	if len(routes) == 0 && len(e.entities) == 1 {
		routes = []model.TrafficRoute{{ServedEntity: e.entities[0].name, Percentage: 100}}
	}
	for _, r := range routes {
		c.TrafficConfig.Routes = append(c.TrafficConfig.Routes, routeView{r.ServedEntity, r.ServedEntity, r.Percentage})
	}
	return c
}

func externalView(ent *entity, x *model.ExternalModel) *externalModelView {
	if x == nil {
		return nil
	}
	v := &externalModelView{Name: x.Name, Provider: x.Provider, Task: ent.task}
	if c := x.Custom; c != nil {
		v.Custom = &customView{URL: c.URL}
		if c.APIKey != nil {
			v.Custom.APIKey = &apiKeyView{Key: c.APIKey.Key, Value: echo(c.APIKey.Value)}
		}
		if c.BearerToken != nil {
			v.Custom.Bearer = &bearerView{Token: echo(*c.BearerToken)}
		}
	}
	return v
}

// echo is what may be shown of a credential: its reference or nothing.
func echo(v model.SecretValue) string {
	if !v.IsReference() {
		return ""
	}
	return "{{secrets/" + v.Scope + "/" + v.Key + "}}"
}
