package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"sallyport/internal/secret"
)

// signer holds the key of the stand-in directory.
type signer struct {
	key *rsa.PrivateKey
	kid string
}

func newSigner(key *rsa.PrivateKey) (*signer, error) {
	if key == nil {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("make signing key: %w", err)
		}
		key = k
	}
	s := &signer{key: key}
	// RFC 7638: members in alphabetical order, no spaces.
	thumb := sha256.Sum256([]byte(`{"e":"` + s.exponent() + `","kty":"RSA","n":"` + s.modulus() + `"}`))
	s.kid = base64.RawURLEncoding.EncodeToString(thumb[:])
	return s, nil
}

func (s *signer) modulus() string {
	return base64.RawURLEncoding.EncodeToString(s.key.N.Bytes())
}

func (s *signer) exponent() string {
	return base64.RawURLEncoding.EncodeToString(big.NewInt(int64(s.key.E)).Bytes())
}

// Sign signs any claims with the sandbox's key: tests make odd tokens with it.
func (s *Sandbox) Sign(claims map[string]any) (secret.Text, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	t.Header["kid"] = s.signer.kid
	out, err := t.SignedString(s.signer.key)
	if err != nil {
		return secret.Text{}, fmt.Errorf("sign token: %w", err)
	}
	return secret.New(out), nil
}

// Token returns an access token of the managed identity for resource, as the
// identity endpoints issue it.
func (s *Sandbox) Token(resource string) (secret.Text, error) {
	return s.Sign(s.Claims(resource))
}

// Claims returns the claims Token signs, for tests that change one of them.
func (s *Sandbox) Claims(resource string) map[string]any {
	now := s.cfg.Now()
	return map[string]any{
		"aud": resource, "iss": s.Issuer(), "tid": s.cfg.Tenant, "idp": s.Issuer(), "idtyp": "app",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.cfg.TokenLife).Unix(),
		"appid": s.cfg.ClientID, "appidacr": "2", "oid": s.cfg.Principal, "sub": s.cfg.Principal,
		"uti": uuid.NewString(), "ver": "1.0",
		"xms_mirid": s.resourceID(),
	}
}

// resourceID names the resource that holds the managed identity: the gateway.
func (s *Sandbox) resourceID() string {
	return "/subscriptions/" + s.cfg.Tenant + "/resourcegroups/sallyport-sandbox/providers/Microsoft.ApiManagement/service/sallyport"
}

// Issuer returns the issuer of the tokens.
func (s *Sandbox) Issuer() string { return "https://sts.windows.net/" + s.cfg.Tenant + "/" }

// PublicKey returns the key that verifies the tokens.
func (s *Sandbox) PublicKey() *rsa.PublicKey { return &s.signer.key.PublicKey }

type tokenClaims struct {
	jwt.RegisteredClaims
	ObjectID string `json:"oid"`
}

// verify checks a token for the data plane and returns its object id.
func (s *Sandbox) verify(raw string, now time.Time) (string, *failure) {
	var claims tokenClaims
	_, err := jwt.ParseWithClaims(raw, &claims, func(t *jwt.Token) (any, error) {
		if kid, ok := t.Header["kid"].(string); ok && kid != s.signer.kid {
			return nil, jwt.ErrTokenSignatureInvalid
		}
		return s.PublicKey(), nil
	},
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithLeeway(s.cfg.Leeway),
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithIssuer(s.Issuer()),
		jwt.WithAudience(s.cfg.Audience, s.cfg.Audience+"/"))
	if err == nil {
		return claims.ObjectID, nil
	}
	return "", s.tokenFailure(err, &claims)
}

// tokenFailure says which check failed. The real resource answers one text for
// all of them; naming the check is what a rehearsal is for. Signature comes
// first: claims of a token nobody vouches for say nothing.
func (s *Sandbox) tokenFailure(err error, claims *tokenClaims) *failure {
	because := func(r Reason, why string) *failure {
		return fault(401, "401", "Unauthorized. Access token refused: "+why).because(r)
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return because(ReasonTokenMalformed, "it is not a JSON web token.")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return because(ReasonTokenSignature, "its signature does not match a key of this directory.")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return because(ReasonTokenAudience, fmt.Sprintf("its audience is %q, but this resource expects %q.", claims.Audience, s.cfg.Audience))
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return because(ReasonTokenIssuer, fmt.Sprintf("its issuer is %q, but this resource trusts %q.", claims.Issuer, s.Issuer()))
	case errors.Is(err, jwt.ErrTokenExpired):
		return because(ReasonTokenExpired, "it has expired.")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return because(ReasonTokenEarly, "it is not valid yet.")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return because(ReasonTokenMalformed, "a required claim is missing.")
	}
	return because(ReasonTokenMalformed, "it cannot be verified.")
}
