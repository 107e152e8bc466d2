package databricks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Error codes of the service ("Serving endpoints" API reference).
const (
	codeBadRequest      = "BAD_REQUEST"
	codeInvalidParam    = "INVALID_PARAMETER_VALUE"
	codeInvalidState    = "INVALID_STATE"
	codeMalformed       = "MALFORMED_REQUEST"
	codeUnauthenticated = "UNAUTHENTICATED"
	codeDenied          = "PERMISSION_DENIED"
	codeEgressDenied    = "CUSTOMER_UNAUTHORIZED"
	codeNoRoute         = "ENDPOINT_NOT_FOUND"
	codeMissing         = "RESOURCE_DOES_NOT_EXIST"
	codeConflict        = "RESOURCE_CONFLICT"
	codeLimit           = "REQUEST_LIMIT_EXCEEDED"
	codeCancelled       = "CANCELLED"
	codeInternal        = "INTERNAL_ERROR"
	codeNotImplemented  = "NOT_IMPLEMENTED"
	codeUnavailable     = "TEMPORARILY_UNAVAILABLE"
	codeDeadline        = "DEADLINE_EXCEEDED"
)

const (
	// codeUnknownEndpoint: the service is reported to answer either this or
	// ENDPOINT_NOT_FOUND. This one cannot be mistaken for an unknown path or
	// for an upstream's 404.
	codeUnknownEndpoint = codeMissing
	// codeTooLarge: the service is reported to cut the connection instead of
	// answering; the code is unverified.
	codeTooLarge = codeBadRequest
	// statusBadSecret: what the service answers when a reference cannot be
	// resolved is unverified. The caller cannot mend it, hence not a 4xx.
	statusBadSecret = 500
)

// failure is an answer that refuses a call. This file is the complete list of
// texts that callers can see, apart from what an upstream said.
type failure struct {
	status     int
	code       string
	message    string
	retryAfter string
	cause      error // for log and trace only
}

// envelope is the body: {"error_code":…,"message":…}.
func (f *failure) envelope() []byte {
	b := append(make([]byte, 0, len(f.message)+len(f.code)+64), `{"error_code":`...)
	b = appendJSONString(b, f.code)
	b = append(b, `,"message":`...)
	b = appendJSONString(b, f.message)
	return append(b, '}')
}

func appendJSONString(b []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // an HTML error page stays readable
	_ = enc.Encode(s)        // a string always encodes
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

func noToken() *failure {
	return &failure{status: 401, code: codeUnauthenticated, message: "Authentication is required: send the header 'Authorization: Bearer <token>'."}
}

func badToken() *failure {
	return &failure{status: 401, code: codeUnauthenticated, message: "The access token is not valid."}
}

func unknownRoute(method, path string) *failure {
	return &failure{status: 404, code: codeNoRoute, message: "No API found for '" + method + " " + path + "'"}
}

func unknownEndpoint(name string) *failure {
	return &failure{status: 404, code: codeUnknownEndpoint, message: "Serving endpoint '" + name + "' does not exist."}
}

func unknownEntity(endpoint, name string) *failure {
	return &failure{status: 404, code: codeUnknownEndpoint, message: "Serving endpoint '" + endpoint + "' has no served entity '" + name + "'."}
}

func tooLarge(limit int64) *failure {
	return &failure{status: 413, code: codeTooLarge, message: fmt.Sprintf("The request body is larger than %d bytes.", limit)}
}

func unreadable(cause error) *failure {
	return &failure{status: 400, code: codeMalformed, message: "The request body could not be read completely.", cause: cause}
}

func encodedBody(encoding string) *failure {
	return &failure{status: 400, code: codeMalformed, message: "Content-Encoding '" + encoding + "' is not accepted; send plain JSON."}
}

func malformed(err *syntaxError, body []byte) *failure {
	return &failure{status: 400, code: codeMalformed, message: "The request body is not a JSON object: " + err.describe(body) + "."}
}

func missingField(name, task string) *failure {
	return &failure{status: 400, code: codeInvalidParam, message: "Field '" + name + "' is required for task '" + task + "'."}
}

func messagesNotArray() *failure {
	return &failure{status: 400, code: codeInvalidParam, message: "Field 'messages' must be an array."}
}

func modelRequired() *failure {
	return &failure{status: 400, code: codeInvalidParam, message: "Field 'model' must be a string naming a serving endpoint."}
}

func wrongTask(endpoint, has, path string) *failure {
	return &failure{status: 400, code: codeInvalidParam, message: "Serving endpoint '" + endpoint + "' has task '" + has + "', which '" + path + "' does not serve."}
}

func notReady(endpoint string) *failure {
	return &failure{status: 400, code: codeInvalidState, message: "Serving endpoint '" + endpoint + "' has no served entity that receives traffic."}
}

func notExternal(entity string) *failure {
	return &failure{status: 501, code: codeNotImplemented, message: "Served entity '" + entity + "' is not an external model; only external models are served here."}
}

func providerUnsupported(entity, provider string) *failure {
	return &failure{status: 501, code: codeNotImplemented, message: "Served entity '" + entity + "' uses provider '" + provider + "', which is not supported yet."}
}

func badProviderURL(entity, why string) *failure {
	return &failure{status: 400, code: codeInvalidParam, message: "custom_provider_url of served entity '" + entity + "' cannot be called: " + why + "."}
}

func badCredential(entity, why string) *failure {
	return &failure{status: statusBadSecret, code: codeInternal, message: "The credential of served entity '" + entity + "' cannot be used: " + why + "."}
}

func secretMissing(entity, reference string) *failure {
	return badCredential(entity, "the secret "+reference+" does not exist or is empty")
}

func secretUnsendable(entity string) *failure {
	return badCredential(entity, "it holds characters that a header cannot carry, such as a line break")
}

func tooManyHops() *failure {
	return &failure{status: 508, code: codeInternal, message: fmt.Sprintf("The call has passed this serving plane more than %d times; the chain of endpoints loops.", maxHops)}
}

func viewBroken(cause error) *failure {
	return &failure{status: 500, code: codeInternal, message: "The endpoint cannot be shown: its stored properties are not valid JSON.", cause: cause}
}

// Failures of the connection to the external model wear the same wrapper as
// its own errors. They name no address: callers need not know it.

func upstreamUnreachable(provider string, cause error) *failure {
	return upstreamFailure(502, codeInternal, provider, "The external model could not be reached.", cause)
}

func upstreamBroken(provider string, cause error) *failure {
	return upstreamFailure(502, codeInternal, provider, "The external model broke off the connection or answered something that is not HTTP.", cause)
}

// upstreamSilent avoids the words ("deadline exceeded", "timed out after") on
// which the SDKs repeat a call for minutes.
func upstreamSilent(provider string, limit time.Duration, cause error) *failure {
	return upstreamFailure(504, codeDeadline, provider, fmt.Sprintf("The external model did not answer within %g s.", limit.Seconds()), cause)
}

// upstreamSlow is for time limits that are not ours, such as the dialer's.
func upstreamSlow(provider string, cause error) *failure {
	return upstreamFailure(504, codeDeadline, provider, "The external model could not be reached in time.", cause)
}

func upstreamRedirect(provider string, status int) *failure {
	return upstreamFailure(502, codeInternal, provider, fmt.Sprintf("The external model answered with status %d, which is not followed.", status), nil)
}

func upstreamForbidden(host string, cause error) *failure {
	return &failure{status: 403, code: codeEgressDenied, message: "Access to " + host + " is denied by network policy.", cause: cause}
}

func upstreamFailure(status int, code, provider, text string, cause error) *failure {
	return &failure{status: status, code: code, message: wrapUpstream(provider, appendJSONString(nil, text)), cause: cause}
}

// wrapUpstream is the message of an external model's failure: JSON inside a
// JSON string (External models, error responses).
func wrapUpstream(provider string, errorJSON []byte) string {
	var b strings.Builder
	b.Grow(len(errorJSON) + len(provider) + 64)
	b.WriteString(`{"external_model_provider":`)
	b.Write(appendJSONString(nil, provider))
	b.WriteString(`,"external_model_error":`)
	b.Write(errorJSON)
	b.WriteByte('}')
	return b.String()
}

// codeForStatus is the top-level error_code of a wrapped upstream error. 400,
// 403, 404 and 502 are as seen on the real service, the rest follows the table
// of the SDKs.
func codeForStatus(status int) string {
	switch status {
	case 401:
		return codeUnauthenticated
	case 403:
		return codeDenied
	case 404:
		return codeNoRoute
	case 409:
		return codeConflict
	case 429:
		return codeLimit
	case 499:
		return codeCancelled
	case 501:
		return codeNotImplemented
	case 503:
		return codeUnavailable
	case 504:
		return codeDeadline
	}
	if status >= 500 {
		return codeInternal
	}
	return codeBadRequest
}
