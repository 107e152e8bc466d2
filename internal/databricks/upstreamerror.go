package databricks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sallyport/internal/wire"
)

// maxErrorBody bounds what is kept of an upstream's error.
const maxErrorBody = 1 << 20

// wrappedError is an upstream's error in the service's envelope: the status
// passes through, error_code follows from it, and the message is a JSON string
// that holds the upstream's own body (External models, error responses).
func wrappedError(provider string, in *wire.Incoming, body io.Reader) *failure {
	f := &failure{status: in.Status, code: codeForStatus(in.Status)}
	if v := in.Header.Get("Retry-After"); wire.ValidValue(v) {
		f.retryAfter = v
	}
	// An error cut short is still the best there is to tell.
	raw, err := io.ReadAll(io.LimitReader(body, maxErrorBody+1))
	f.message = wrapUpstream(provider, errorJSON(raw, in.Header.Get("Content-Encoding")))
	if err != nil {
		f.cause = fmt.Errorf("read error of external model: %w", err)
	}
	return f
}

// errorJSON is raw itself when it is JSON, else a string with its text.
func errorJSON(raw []byte, encoding string) []byte {
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return appendJSONString(nil, "The error body has Content-Encoding "+encoding+" and was left out.")
	}
	if len(raw) > maxErrorBody {
		return appendJSONString(nil, string(raw[:maxErrorBody]))
	}
	if trimmed := bytes.TrimSpace(raw); json.Valid(trimmed) {
		return trimmed
	}
	return appendJSONString(nil, string(raw))
}
