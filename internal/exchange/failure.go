package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"sallyport/internal/wire"
)

// Failure ends the pipeline and runs on-error. Its fields mirror
// context.LastError (Azure documentation: Error handling in API Management
// policies), plus what the client sees. Only the constructors below make one,
// so the reasons stay a closed list and no internal text reaches a client.
type Failure struct {
	Source, Reason, Message        string
	Scope, Section, Path, PolicyID string
	Status                         int
	ClientMessage                  string
	WithActivityID                 bool        // add "activityId" to the body, as APIM's 500s do
	Header                         wire.Header // sent with the error response
	Cause                          error       // for the log; never shown to the client
}

// Error implements error; for logs only.
func (f *Failure) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s %s: %s: %v", f.Source, f.Reason, f.Message, f.Cause)
	}
	return fmt.Sprintf("%s %s: %s", f.Source, f.Reason, f.Message)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Client-visible messages. Nothing else is ever shown to a client.
const (
	msgNotFound      = "Resource not found"
	msgInternal      = "Internal server error"
	msgForbidden     = "Forbidden"
	msgMissingKey    = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."
	msgInvalidKey    = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
	msgTooLarge      = "Request body is too large"
	msgBadRequest    = "Bad Request"
	msgTimeout       = "Request Timeout"
	msgDraining      = "The gateway is shutting down and could not wait for the answer. Repeat the request."
	msgMissingKeyLog = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to this API."
)

// OperationNotFound is the 404 for a request that matches no API or operation.
func OperationNotFound() *Failure {
	return &Failure{Source: "configuration", Reason: "OperationNotFound", Status: 404,
		Message: "Unable to match incoming request to an operation.", ClientMessage: msgNotFound}
}

// SubscriptionKeyNotFound is the 401 for a missing key. realm is scheme, host
// and API path as the client used them; name the API's key header.
func SubscriptionKeyNotFound(realm, name string) *Failure {
	return &Failure{Source: "authorization", Reason: "SubscriptionKeyNotFound", Status: 401,
		Message: msgMissingKeyLog, ClientMessage: msgMissingKey, Header: keyChallenge(realm, name)}
}

// SubscriptionKeyInvalid is the 401 for a key that does not open this API.
func SubscriptionKeyInvalid(realm, name string) *Failure {
	return &Failure{Source: "authorization", Reason: "SubscriptionKeyInvalid", Status: 401,
		Message: msgInvalidKey, ClientMessage: msgInvalidKey, Header: keyChallenge(realm, name)}
}

func keyChallenge(realm, name string) wire.Header {
	return wire.Header{{Name: "WWW-Authenticate", Value: `AzureApiManagementKey realm="` + realm + `",name="` + name + `",type="header"`}}
}

// CallerIP is the 403 of ip-filter. message is for LastError only.
func CallerIP(reason, message string) *Failure {
	return &Failure{Source: "ip-filter", Reason: reason, Status: 403, Message: message, ClientMessage: msgForbidden}
}

// CheckHeader is the author's answer of check-header.
func CheckHeader(reason, message string, status int, clientMessage string) *Failure {
	return &Failure{Source: "check-header", Reason: reason, Status: status, Message: message, ClientMessage: clientMessage}
}

// BackendFailed is a failed call to a backend. Timeouts get their own reason
// (Azure: both are 500 on the classic gateways).
func BackendFailed(source string, err error) *Failure {
	f := &Failure{Source: source, Reason: "BackendConnectionFailure", Status: 500, ClientMessage: msgInternal, WithActivityID: true, Cause: err}
	switch wire.KindOf(err) {
	case wire.KindTimeout:
		f.Reason, f.Message = "Timeout", "The backend did not answer in time."
	case wire.KindDenied:
		f.Message = "The destination is not allowed by the egress rules."
	case wire.KindTooLarge:
		f.Message = "The backend's response is too large."
	case wire.KindAborted, wire.KindProtocol:
		f.Message = "The connection to the backend was lost."
	default:
		f.Message = "The backend could not be reached."
	}
	return f
}

// ClientGone is the end of an exchange whose client hung up; nothing is sent.
func ClientGone(source string, err error) *Failure {
	return &Failure{Source: source, Reason: "ClientConnectionFailure", Status: 499, Message: "The client closed the connection.", Cause: err}
}

// Draining is the 503 for a request that this server could not wait for when it
// was shut down.
func Draining(source string, err error) *Failure {
	return &Failure{Source: source, Reason: "ServiceDraining", Status: 503, Message: "The gateway was shut down before the answer was complete.",
		ClientMessage: msgDraining, Header: wire.Header{{Name: "Retry-After", Value: "1"}}, Cause: err}
}

// NoBackend is the 500 for an API without a service URL or backend.
func NoBackend() *Failure {
	return &Failure{Source: "forward-request", Reason: "BackendConnectionFailure", Status: 500, WithActivityID: true,
		Message: "The API has no service URL and no policy has set a backend.", ClientMessage: msgInternal}
}

// BackendStatus is raised by forward-request fail-on-error-status-code.
func BackendStatus(status int) *Failure {
	return &Failure{Source: "forward-request", Reason: "BackendErrorStatusCode", Status: status,
		Message: "The backend answered with status " + strconv.Itoa(status) + "."}
}

// Identity is the 500 of authentication-managed-identity without a token.
func Identity(source string, err error) *Failure {
	return &Failure{Source: source, Reason: "ManagedIdentityFailure", Status: 500, WithActivityID: true,
		Message: "No token could be obtained for the managed identity.", ClientMessage: msgInternal, Cause: err}
}

// PolicyFailed is a policy that could not do its work at run time.
func PolicyFailed(source, message string, err error) *Failure {
	return &Failure{Source: source, Reason: "PolicyFailure", Status: 500, WithActivityID: true,
		Message: message, ClientMessage: msgInternal, Cause: err}
}

// RequestTooLarge is the 413 for a body above a limit.
func RequestTooLarge(source string) *Failure {
	return &Failure{Source: source, Reason: "RequestTooLarge", Status: 413, Message: msgTooLarge, ClientMessage: msgTooLarge}
}

// RequestTimeout is the 408 for a client that stopped in the middle of a body.
func RequestTimeout(source string, err error) *Failure {
	return &Failure{Source: source, Reason: "RequestTimeout", Status: 408,
		Message: "The client did not send the request body in time.", ClientMessage: msgTimeout, Cause: err}
}

// BadRequest is the 400 for a request that HTTP itself forbids.
func BadRequest(message string) *Failure {
	return &Failure{Source: "configuration", Reason: "BadRequest", Status: 400, Message: message, ClientMessage: msgBadRequest}
}

// Internal is a recovered programming error.
func Internal(v any) *Failure {
	err, ok := v.(error)
	if !ok {
		err = fmt.Errorf("%v", v)
	}
	return &Failure{Source: "gateway", Reason: "InternalError", Status: 500, WithActivityID: true, Message: msgInternal, ClientMessage: msgInternal, Cause: err}
}

// IsClientGone reports whether the failure means that nobody waits for an answer.
func (f *Failure) IsClientGone() bool { return f.Reason == "ClientConnectionFailure" }

// AppendBody appends the JSON body of the failure, spelled exactly as APIM
// spells it: one line, single spaces inside the braces and after colons.
func (f *Failure) AppendBody(b []byte, activityID string) []byte {
	b = append(b, `{ "statusCode": `...)
	b = strconv.AppendInt(b, int64(f.Status), 10)
	b = append(b, `, "message": `...)
	b = appendJSON(b, f.ClientMessage)
	if f.WithActivityID {
		b = append(b, `, "activityId": `...)
		b = appendJSON(b, activityID)
	}
	return append(b, " }"...)
}

// AppendEvent appends the failure as an event of a stream (text/event-stream).
// Clients of language models look for the member error; the other members are
// those of AppendBody.
func (f *Failure) AppendEvent(b []byte, activityID string) []byte {
	b = append(b, `event: error`+"\n"+`data: {"statusCode":`...)
	b = strconv.AppendInt(b, int64(f.Status), 10)
	b = append(b, `,"message":`...)
	b = appendJSON(b, f.ClientMessage)
	b = append(b, `,"activityId":`...)
	b = appendJSON(b, activityID)
	b = append(b, `,"error":{"type":"server_error","code":`...)
	b = appendJSON(b, f.Reason)
	b = append(b, `,"message":`...)
	b = appendJSON(b, f.ClientMessage)
	return append(b, "}}\n\n"...)
}

func appendJSON(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
