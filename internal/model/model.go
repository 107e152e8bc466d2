// Package model is the configuration as plain immutable values: what APIM and
// Databricks call their resources, and the rules that hold across them.
// It knows nothing of files, databases, HTTP or compiled policies.
// Start at Snapshot; Validate checks the rules across resources.
package model

import (
	"encoding/json"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// Snapshot is one complete configuration. It is built by a source, checked by
// Validate, compiled by plan, and never changed afterwards.
type Snapshot struct {
	ServiceName   string     // name in traces and ARM ids
	Policy        *PolicyDoc // global scope; nil = APIM's default (forward-request only)
	APIs          []*API     // every revision is an entry of its own
	VersionSets   []*VersionSet
	Products      []*Product
	Subscriptions []*Subscription
	NamedValues   []*NamedValue
	Backends      []*Backend
	Fragments     []*Fragment
	Groups        []*Resource
	Tags          []*Resource
	Loggers       []*Resource
	Diagnostics   []*Resource
	Gateways      []*Resource
	// Kept holds resources that are read, kept and listed but not used yet
	// (releases, schemas, workspaces …); nothing of a configuration is dropped.
	Kept []*Resource
	// ServingEndpoints come from a Databricks Asset Bundle.
	ServingEndpoints []*ServingEndpoint
}

// PolicyDoc is the text of a policy document as it was stored.
type PolicyDoc struct {
	Text   string
	Format PolicyFormat
	File   string // for positions; "" when it did not come from a file
}

// PolicyFormat tells how expressions are written inside the XML
// (Azure documentation: PolicyContract, property format).
type PolicyFormat string

// Policy formats. APIOps files are rawxml.
const (
	XML    PolicyFormat = "xml"
	RawXML PolicyFormat = "rawxml"
)

// Resource is a resource kept as its ARM properties.
type Resource struct {
	Kind       string // "tags", "loggers", "apis/chat/diagnostics" …
	ID         string
	Properties json.RawMessage
	// Sealed holds the secret values taken out of Properties, by JSON pointer.
	Sealed map[string]secret.Text
	Pos    diag.Pos
}

// API is one revision of an API.
type API struct {
	ID                   string // without ";rev=N"
	Revision             string // "1", "2" …
	IsCurrent, IsOnline  bool
	DisplayName          string
	Description          string
	Path                 string // no leading or trailing slash; may be ""
	ServiceURL           string // absolute, or "" (then a policy must set the backend)
	Protocols            []string
	Type                 string // http, websocket, graphql …
	SubscriptionRequired bool
	KeyHeader            string // default Ocp-Apim-Subscription-Key
	KeyQuery             string // default subscription-key
	KeyBearer            bool   // subscriptionKeyParameterNames.bearer = "enabled"
	Version              string // "" = Original (or unversioned)
	VersionSetID         string
	Operations           []*Operation
	Policy               *PolicyDoc
	Tags                 []string
	Properties           json.RawMessage // all ARM properties, unknown ones included
	Pos                  diag.Pos
	Places               Places
	// Hash identifies the content of this API (its properties, operations and
	// own policies), so that a plan can be re-used when nothing changed.
	Hash string
}

// Default names of the subscription key (Azure documentation: Subscriptions).
const (
	DefaultKeyHeader = "Ocp-Apim-Subscription-Key"
	DefaultKeyQuery  = "subscription-key"
)

// Name is the ARM resource name: "chat", or "chat;rev=2" for other revisions.
func (a *API) Name() string {
	if a.IsCurrent {
		return a.ID
	}
	return a.ID + ";rev=" + a.Revision
}

// Operation of an API.
type Operation struct {
	ID                 string
	DisplayName        string
	Description        string
	Method             string
	URLTemplate        string // "/deployments/{id}/chat/completions?api-version={api-version}"
	TemplateParameters []Parameter
	QueryParameters    []Parameter // optional ones: never part of matching
	Headers            []Parameter
	Responses          []Response
	Policy             *PolicyDoc
	Tags               []string
	Pos                diag.Pos
}

// Parameter of an operation.
type Parameter struct {
	Name, Type, Description, Default string
	Required                         bool
	Values                           []string
}

// Response that an operation documents.
type Response struct {
	StatusCode      int // 0 = "default"
	Description     string
	Representations []Representation
}

// Representation of a response body. Example is the body text mock-response
// sends; Schema (JSON) is what a sample is generated from when Example is "".
type Representation struct {
	ContentType string
	Example     string
	HasExample  bool
	Schema      json.RawMessage
}

// VersioningScheme of a version set.
type VersioningScheme string

// Versioning schemes (Azure documentation: ApiVersionSetContract).
const (
	Segment VersioningScheme = "Segment"
	Query   VersioningScheme = "Query"
	Header  VersioningScheme = "Header"
)

// VersionSet groups the versions of one API.
type VersionSet struct {
	ID, DisplayName, Description string
	Scheme                       VersioningScheme
	QueryName, HeaderName        string
	Pos                          diag.Pos
	Places                       Places
}

// Product bundles APIs for subscription.
type Product struct {
	ID, DisplayName, Description string
	SubscriptionRequired         bool
	State                        string // published, notPublished: a portal matter, keys work in both
	APIs                         []string
	Groups                       []string
	Policy                       *PolicyDoc
	Properties                   json.RawMessage
	Pos                          diag.Pos
	Places                       Places
}

// SubscriptionState is the life-cycle state of a subscription.
type SubscriptionState string

// Subscription states; only an active one opens anything
// (Azure documentation: SubscriptionContract).
const (
	Submitted SubscriptionState = "submitted"
	Active    SubscriptionState = "active"
	Suspended SubscriptionState = "suspended"
	Rejected  SubscriptionState = "rejected"
	Cancelled SubscriptionState = "cancelled"
	Expired   SubscriptionState = "expired"
)

// ScopeKind says what a subscription opens.
type ScopeKind uint8

// Subscription scopes. ScopeService is the built-in all-access subscription.
const (
	ScopeProduct ScopeKind = iota
	ScopeAPI
	ScopeAllAPIs
	ScopeService
)

// Subscription is a pair of keys and what they open.
type Subscription struct {
	ID, DisplayName string
	OwnerID         string // user id; "" = stand-alone
	ScopeID         string // product or API id for those scopes
	State           SubscriptionState
	Scope           ScopeKind // beside the next one: there may be a million of these
	AllowTracing    bool
	PrimaryKey      secret.Text
	SecondaryKey    secret.Text
	Pos             diag.Pos
	Places          Places
}

// MasterSubscription is the id of the built-in all-access subscription.
const MasterSubscription = "master"

// NamedValue is a {{name}} that policies and backends may use.
type NamedValue struct {
	ID          string
	DisplayName string // what {{…}} refers to
	Secret      bool
	Value       secret.Text
	KeyVault    *KeyVaultRef
	Tags        []string
	Pos         diag.Pos
	Places      Places
}

// KeyVaultRef points at a secret in Azure Key Vault.
type KeyVaultRef struct {
	SecretIdentifier string `json:"secretIdentifier"`
	IdentityClientID string `json:"identityClientId"`
}

// Backend entity (Azure documentation: Backends).
type Backend struct {
	ID          string
	Type        string // Single (default) or Pool
	URL         string
	Title       string
	Description string
	Credentials *BackendCredentials
	// ValidateChain and ValidateName are tls.validateCertificateChain/-Name.
	ValidateChain, ValidateName bool
	Pool                        []PoolMember           // of type Pool
	Properties                  json.RawMessage        // all of it: proxy, circuitBreaker …; secrets are in Sealed
	Sealed                      map[string]secret.Text // secret values taken out of Properties, by JSON pointer
	Pos                         diag.Pos
	Places                      Places
}

// BackendCredentials are added to calls that go through the backend entity.
// Values may contain {{named values}}.
type BackendCredentials struct {
	Header          []NameValues
	Query           []NameValues
	Scheme          string // authorization.scheme
	Parameter       secret.Text
	ManagedIdentity *ManagedIdentity
	CertificateIDs  []string
}

// NameValues is a header or query parameter with its values.
type NameValues struct {
	Name   string
	Values []secret.Text
}

// ManagedIdentity asks for a token for Resource.
type ManagedIdentity struct {
	Resource string `json:"resource"`
	ClientID string `json:"clientId"`
}

// Fragment is a policy fragment.
type Fragment struct {
	ID, Description string
	Policy          PolicyDoc
	Pos             diag.Pos
}
