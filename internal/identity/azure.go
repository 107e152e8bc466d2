package identity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"sallyport/internal/egress"
	"sallyport/internal/secret"
)

// azure fetches tokens with the official library. A new library credential is
// made for every fetch: each of them has a cache that would hand the old token
// back when we renew, and a certificate or token file may have changed.
type azure struct {
	c        Config
	platform azcore.ClientOptions // for the platform's own endpoints
	entra    azcore.ClientOptions
}

func newAzure(c Config, d *egress.Dialer) *azure {
	a := &azure{c: c}
	// App Service and IMDS live on link-local addresses, which nothing else in
	// the gateway may reach. They are near: quick attempts, and the answer to a
	// longer outage is the old token and the next attempt, not a long wait.
	a.platform.Transport = d.WithLinkLocal().Doer(egress.TLSOptions{})
	a.platform.Retry = policy.RetryOptions{MaxRetries: 2, TryTimeout: 5 * time.Second,
		RetryDelay: 100 * time.Millisecond, MaxRetryDelay: 500 * time.Millisecond,
		StatusCodes: []int{404, 408, 410, 429, 500, 502, 503, 504}}
	a.entra.Transport = d.Doer(egress.TLSOptions{Proxy: c.Proxy, RootCAs: c.RootCAs})
	a.entra.Retry = policy.RetryOptions{MaxRetries: 2, TryTimeout: 10 * time.Second,
		RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second}
	if c.AuthorityHost != "" {
		a.entra.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: c.AuthorityHost}
	}
	// The library's logging is a process-wide listener that prints request
	// details; nobody registers one, and telemetry headers are not needed.
	a.platform.Telemetry.Disabled, a.entra.Telemetry.Disabled = true, true
	return a
}

// Fetch implements Credential.
func (a *azure) Fetch(ctx context.Context, resource, clientID string) (Issued, error) {
	cred, err := a.credential(clientID)
	if err != nil {
		return Issued{}, a.readable(err)
	}
	ask := policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}}
	if a.c.Kind == ManagedIdentity {
		// MSAL keeps managed identity tokens in one cache for the whole process
		// and skips it only when claims are asked for; the endpoints never see
		// them.
		ask.Claims = "{}"
	}
	token, err := cred.GetToken(ctx, ask)
	if err != nil {
		return Issued{}, a.readable(err)
	}
	return Issued{Token: secret.New(token.Token), Expires: token.ExpiresOn}, nil
}

// credential makes the library's credential. A service principal or the CLI is
// the operator's choice for this gateway and stands in for every managed
// identity that policies name.
func (a *azure) credential(clientID string) (azcore.TokenCredential, error) {
	c := a.c
	private := c.AuthorityHost != "" && !wellKnown(c.AuthorityHost)
	switch c.Kind {
	case WorkloadIdentity:
		if clientID == "" {
			clientID = c.ClientID
		}
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: a.entra, ClientID: clientID, TenantID: c.TenantID, TokenFilePath: c.TokenFile,
			DisableInstanceDiscovery: private})
	case ClientSecret:
		return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, c.ClientSecret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: a.entra, DisableInstanceDiscovery: private})
	case ClientCertificate:
		pem, err := os.ReadFile(c.CertificateFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		certs, key, err := azidentity.ParseCertificates(pem, []byte(c.CertificatePassword.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", c.CertificateFile, err)
		}
		return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: a.entra, DisableInstanceDiscovery: private,
				SendCertificateChain: c.SendChain})
	case AzureCLI:
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: c.TenantID})
	}
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: a.platform}
	if clientID == "" {
		clientID = c.ClientID
	}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

// wellKnown reports the clouds Microsoft runs; elsewhere asking the public
// cloud about the authority would fail.
func wellKnown(host string) bool {
	for _, c := range []cloud.Configuration{cloud.AzurePublic, cloud.AzureGovernment, cloud.AzureChina} {
		if strings.TrimSuffix(c.ActiveDirectoryAuthorityHost, "/") == strings.TrimSuffix(host, "/") {
			return true
		}
	}
	return false
}

const maxErrorText = 700

// credentialError keeps the library's error and shows it on one line.
type credentialError struct {
	text string
	err  error
}

func (e *credentialError) Error() string { return e.text }
func (e *credentialError) Unwrap() error { return e.err }

// readable shortens the library's error, which prints a whole HTTP answer, and
// says what to do where the platform has no identity.
func (a *azure) readable(err error) error {
	words := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' })
	kept := words[:0]
	for _, w := range words {
		if strings.Trim(w, "-") != "" {
			kept = append(kept, w)
		}
	}
	text := strings.Join(kept, " ")
	for _, s := range []secret.Text{a.c.ClientSecret, a.c.CertificatePassword} {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), secret.Redacted)
		}
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	var failed *azidentity.AuthenticationFailedError
	answered := errors.As(err, &failed) && failed.RawResponse != nil
	if a.c.Kind == ManagedIdentity && !answered && !errors.Is(err, context.Canceled) {
		text += " (outside Azure choose another identity kind: azureCLI, clientSecret, clientCertificate or workloadIdentity)"
	}
	return &credentialError{text: text, err: err}
}
