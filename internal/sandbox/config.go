package sandbox

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sallyport/internal/secret"
)

// Defaults of a Config.
const (
	DefaultAudience  = "https://cognitiveservices.azure.com"
	DefaultTenant    = "5a11a9e0-0000-4000-8000-000000000001"
	DefaultPrincipal = "5a11a9e0-0000-4000-8000-000000000002"
	DefaultClientID  = "5a11a9e0-0000-4000-8000-000000000003"
	DefaultMarker    = "sandbox: trip the content filter"
	DefaultMaxBody   = 16 << 20
	DefaultTokenLife = 24 * time.Hour
)

// Kind is what a deployment does.
type Kind uint8

// Kinds of deployment.
const (
	Chat Kind = iota
	Completion
	Embedding
)

// Deployment is one deployed model.
type Deployment struct {
	Name    string
	Model   string // "" = Name
	Version string // model version, shown in answers as "model-version"
	Kind    Kind
	Vector  int // length of embeddings, 0 = 1536
}

// Config of a sandbox. The zero value answers nobody: AllowFrom must be said.
type Config struct {
	// AllowFrom is the network rule of the data plane. Empty refuses every
	// address, as a resource with public access off does.
	AllowFrom []netip.Prefix
	// TokensFrom may ask the identity endpoints for tokens; empty = loopback.
	TokensFrom []netip.Prefix

	// Deployments of the resource; empty = gpt-4.1-mini (chat),
	// gpt-35-turbo-instruct (completions), text-embedding-3-small.
	Deployments []Deployment

	// APIKey switches key authentication on. Zero is disableLocalAuth: true.
	APIKey secret.Text
	// Audience that tokens must carry, with or without a final slash.
	Audience string
	// Tenant, Principal (object id) and ClientID (application id) of the
	// managed identity for which the identity endpoints issue tokens.
	Tenant, Principal, ClientID string
	// Principals holds the object ids that may call the model; empty = Principal.
	Principals []string
	// SigningKey signs the tokens; nil = a fresh 2048-bit key.
	SigningKey *rsa.PrivateKey
	// TokenLife is how long issued tokens live.
	TokenLife time.Duration
	// Leeway on exp and nbf; 0 = one minute, negative = none.
	Leeway time.Duration
	// IdentityHeader switches the App Service form of the token endpoint on
	// (/MSI/token) and is the value X-IDENTITY-HEADER must carry.
	IdentityHeader secret.Text

	Gap     time.Duration // between two streamed deltas
	MaxBody int64         // bytes of a request body, more is 413
	// Marker in a prompt makes the content filter refuse it.
	Marker string
	Region string           // x-ms-region, "" = "East US"
	Now    func() time.Time // nil = time.Now
}

func (c *Config) complete() error {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.Audience, DefaultAudience)
	def(&c.Tenant, DefaultTenant)
	def(&c.Principal, DefaultPrincipal)
	def(&c.ClientID, DefaultClientID)
	def(&c.Marker, DefaultMarker)
	def(&c.Region, "East US")
	c.Audience = strings.TrimSuffix(c.Audience, "/")
	if len(c.Principals) == 0 {
		c.Principals = []string{c.Principal}
	}
	if c.TokenLife < 0 || c.MaxBody < 0 || c.Gap < 0 {
		return errors.New("token life, body limit and gap must not be negative")
	}
	if c.TokenLife == 0 {
		c.TokenLife = DefaultTokenLife
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	switch {
	case c.Leeway == 0:
		c.Leeway = time.Minute
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.TokensFrom) == 0 {
		c.TokensFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return c.completeDeployments()
}

func (c *Config) completeDeployments() error {
	ds := c.Deployments
	if len(ds) == 0 {
		ds = []Deployment{
			{Name: "gpt-4.1-mini", Version: "2025-04-14"},
			{Name: "gpt-35-turbo-instruct", Version: "0914", Kind: Completion},
			{Name: "text-embedding-3-small", Version: "1", Kind: Embedding},
		}
	}
	c.Deployments = append([]Deployment(nil), ds...)
	seen := map[string]bool{}
	for i := range c.Deployments {
		d := &c.Deployments[i]
		if d.Name == "" || strings.Contains(d.Name, "/") {
			return fmt.Errorf("deployment %d: name %q is empty or contains a slash", i+1, d.Name)
		}
		if seen[d.Name] {
			return fmt.Errorf("deployment %q is listed twice", d.Name)
		}
		seen[d.Name] = true
		if d.Kind > Embedding || d.Vector < 0 {
			return fmt.Errorf("deployment %q: unknown kind or negative vector length", d.Name)
		}
		if d.Model == "" {
			d.Model = d.Name
		}
		if d.Vector == 0 {
			d.Vector = 1536
		}
	}
	return nil
}

func (c *Config) deployment(name string) *Deployment {
	for i := range c.Deployments {
		if c.Deployments[i].Name == name {
			return &c.Deployments[i]
		}
	}
	return nil
}

// answered is the model name as answers show it.
func (d *Deployment) answered() string {
	if d.Version == "" || d.Kind == Embedding {
		return d.Model
	}
	return d.Model + "-" + d.Version
}
