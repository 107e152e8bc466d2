// Package identity obtains the gateway's own access tokens from Entra ID:
// managed identity, workload identity, service principals, the Azure CLI.
// It must not know who asks or what a token is used for, and tokens leave it
// only as secrets.
// Start at New and Tokens.Token; cache.go holds the life of a token, azure.go
// the official library behind it.
package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"sallyport/internal/egress"
	"sallyport/internal/secret"
)

// Kind says where tokens come from.
type Kind string

// Kinds. Auto takes workload identity when its environment variables are set,
// otherwise the managed identity of the platform (App Service and Container
// Apps, Azure Arc, or IMDS on virtual machines and scale sets).
const (
	Auto              Kind = "auto"
	ManagedIdentity   Kind = "managedIdentity"
	WorkloadIdentity  Kind = "workloadIdentity"
	ClientSecret      Kind = "clientSecret"
	ClientCertificate Kind = "clientCertificate"
	AzureCLI          Kind = "azureCLI"
)

// Kinds lists the valid kinds.
func Kinds() []Kind {
	return []Kind{Auto, ManagedIdentity, WorkloadIdentity, ClientSecret, ClientCertificate, AzureCLI}
}

// Config says how the gateway authenticates.
type Config struct {
	Kind     Kind // "" is Auto
	TenantID string
	// ClientID is the application, or the user-assigned managed identity used
	// where the caller names none ("" = system-assigned).
	ClientID            string
	ClientSecret        secret.Text
	CertificateFile     string // PEM or PKCS#12 with the private key; read anew at every use
	CertificatePassword secret.Text
	SendChain           bool   // for subject-name and issuer authentication
	TokenFile           string // workload identity; "" = AZURE_FEDERATED_TOKEN_FILE
	// AuthorityHost is the sign-in address of a sovereign or private cloud
	// (https); "" is the public cloud or AZURE_AUTHORITY_HOST.
	AuthorityHost string
	RootCAs       *x509.CertPool // of a private authority; nil takes the system's
	// Proxy is for sign-in at Entra ID; the platform's own endpoints are never
	// reached through it.
	Proxy *url.URL
}

// Credential fetches one token, without a cache of its own. clientID is the
// identity asked for, "" for the configured one.
type Credential interface {
	Fetch(ctx context.Context, resource, clientID string) (Issued, error)
}

// Issued is a fresh token.
type Issued struct {
	Token   secret.Text
	Expires time.Time
}

// New returns the tokens of the identity that c describes. Nothing is asked of
// the network yet.
func New(c Config, d *egress.Dialer, log *slog.Logger) (*Tokens, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := c.settle(os.Getenv); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	log.Debug("identity chosen", "kind", string(c.Kind), "client_id", c.ClientID)
	return FromCredential(newAzure(c, d), log), nil
}

// settle resolves Auto and finds out what is missing, before traffic does.
func (c *Config) settle(getenv func(string) string) error {
	fromEnv := func(v *string, name string) {
		if *v == "" {
			*v = getenv(name)
		}
	}
	if c.Kind == "" || c.Kind == Auto {
		c.Kind = ManagedIdentity
		if getenv("AZURE_FEDERATED_TOKEN_FILE") != "" && getenv("AZURE_TENANT_ID") != "" &&
			(c.ClientID != "" || getenv("AZURE_CLIENT_ID") != "") {
			c.Kind = WorkloadIdentity
		}
	}
	if c.AuthorityHost != "" && !strings.HasPrefix(c.AuthorityHost, "https://") {
		return fmt.Errorf("authority host %q must begin with https://", c.AuthorityHost)
	}
	var missing []string
	need := func(name string, ok bool) {
		if !ok {
			missing = append(missing, name)
		}
	}
	switch c.Kind {
	case ManagedIdentity, AzureCLI:
		return nil
	case WorkloadIdentity:
		fromEnv(&c.TokenFile, "AZURE_FEDERATED_TOKEN_FILE")
		fromEnv(&c.TenantID, "AZURE_TENANT_ID")
		fromEnv(&c.ClientID, "AZURE_CLIENT_ID")
		need("token file (AZURE_FEDERATED_TOKEN_FILE)", c.TokenFile != "")
	case ClientSecret:
		need("client secret", !c.ClientSecret.IsZero())
	case ClientCertificate:
		need("certificate file", c.CertificateFile != "")
	default:
		return fmt.Errorf("unknown kind %q (known: %v)", c.Kind, Kinds())
	}
	need("tenant", c.TenantID != "")
	need("client id", c.ClientID != "")
	if len(missing) > 0 {
		return fmt.Errorf("%s needs %s", c.Kind, strings.Join(missing, ", "))
	}
	return nil
}

var errExpired = errors.New("the token has expired already")
