package model

import (
	"encoding/json"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// ServingEndpoint is a Databricks model serving endpoint (Databricks REST API:
// CreateServingEndpoint).
type ServingEndpoint struct {
	Key            string // resource key in the bundle
	Name           string
	Description    string
	ServedEntities []*ServedEntity
	Routes         []TrafficRoute
	Tags           []Tag
	AIGateway      json.RawMessage // kept as written; features follow
	Properties     json.RawMessage // the whole resource as JSON, plaintext credentials removed
	Pos            diag.Pos
}

// Tag of a serving endpoint.
type Tag struct{ Key, Value string }

// TrafficRoute sends a share of the calls to a served entity.
type TrafficRoute struct {
	ServedEntity string
	Percentage   int
}

// ServedEntity of an endpoint.
type ServedEntity struct {
	Name     string // default: the external model's name with '.' and ':' replaced by '-'
	External *ExternalModel
	Pos      diag.Pos
}

// ExternalModel is served by somebody else's API.
type ExternalModel struct {
	Name     string // sent upstream as "model"
	Provider string // custom, openai, anthropic …
	Task     string // llm/v1/chat, llm/v1/completions, llm/v1/embeddings
	Custom   *CustomProvider
	Pos      diag.Pos
}

// CustomProvider is provider "custom": URL verbatim, exactly one kind of auth.
type CustomProvider struct {
	URL         string
	BearerToken *SecretValue
	APIKey      *APIKeyAuth
	Pos         diag.Pos
}

// APIKeyAuth sends Value in the header named Key.
type APIKeyAuth struct {
	Key   string
	Value SecretValue
}

// SecretValue is either a reference {{secrets/scope/key}}, resolved when it is
// used so that rotation needs no update of the endpoint, or a plaintext value.
type SecretValue struct {
	Scope, Key string
	Plaintext  secret.Text
}

// IsReference reports whether v points into a secret scope.
func (v SecretValue) IsReference() bool { return v.Scope != "" }
