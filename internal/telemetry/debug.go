package telemetry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// MaxDebugLifetime is the longest life of a debug token, and its default
// (Azure documentation: Debug your APIs using request tracing).
const MaxDebugLifetime = time.Hour

// DebugStatus is what a debug token is worth.
type DebugStatus uint8

// Debug token states. Only DebugOK allows a trace; no state fails a request.
const (
	DebugInvalid DebugStatus = iota
	DebugOK
	DebugExpired
	DebugWrongAPI
)

// DebugResult is the verdict on a token. Detail is the value of the response
// header that reports it: Apim-Debug-Authorization-Expired, -WrongAPI or -Invalid.
type DebugResult struct {
	Status DebugStatus
	Detail string
}

// DebugCredentials issues and checks the tokens of the header
// Apim-Debug-Authorization. A token carries purpose, API and expiry in the
// clear and a signature over these and the current generation, so that nothing
// needs to be stored and all tokens can be revoked at once.
type DebugCredentials struct {
	key        [32]byte
	generation atomic.Uint64
	now        func() time.Time
}

// NewDebugCredentials returns credentials with a random key: tokens end with
// the process.
func NewDebugCredentials() *DebugCredentials {
	c := &DebugCredentials{now: time.Now}
	_, _ = rand.Read(c.key[:]) // never fails (crypto/rand)
	return c
}

const (
	debugPurpose = "p=tracing&aid="
	debugExpiry  = "&ex="
	debugSign    = "&sn="
	debugTime    = "20060102150405"
)

// Issue returns a token that allows requests to the API (all its revisions) to
// be traced for ttl, at most MaxDebugLifetime. apiID is model.API.ID. A ttl
// that is not positive gives a token that has expired already.
func (c *DebugCredentials) Issue(apiID string, ttl time.Duration) string {
	expires := c.now().Add(min(ttl, MaxDebugLifetime)).UTC()
	text := debugPurpose + url.QueryEscape(strings.ToLower(apiID)) + debugExpiry + expires.Format(debugTime)
	return text + debugSign + c.sign(text)
}

// Check judges a token for a request to the API. The signature comes first:
// what an unsigned token claims is of no interest.
func (c *DebugCredentials) Check(token, apiID string) DebugResult {
	invalid := DebugResult{DebugInvalid, "The debug token is malformed, revoked or was not issued by this gateway."}
	i := strings.LastIndex(token, debugSign)
	if i < 0 || !hmac.Equal([]byte(c.sign(token[:i])), []byte(token[i+len(debugSign):])) {
		return invalid
	}
	text, ok := strings.CutPrefix(token[:i], debugPurpose)
	api, ex, ok2 := strings.Cut(text, debugExpiry)
	expires, err := time.Parse(debugTime, ex)
	if !ok || !ok2 || err != nil {
		return invalid
	}
	if !c.now().Before(expires) {
		return DebugResult{DebugExpired, expires.Format(time.RFC3339)}
	}
	if api != url.QueryEscape(strings.ToLower(apiID)) {
		return DebugResult{DebugWrongAPI, "The debug token was issued for another API."}
	}
	return DebugResult{Status: DebugOK}
}

// Invalidate revokes every token issued so far.
func (c *DebugCredentials) Invalidate() { c.generation.Add(1) }

func (c *DebugCredentials) sign(text string) string {
	mac := hmac.New(sha256.New, c.key[:])
	var g [8]byte
	binary.BigEndian.PutUint64(g[:], c.generation.Load())
	mac.Write(g[:])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
