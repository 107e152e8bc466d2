package sandbox

import (
	"encoding/json"
	"strconv"

	"github.com/google/uuid"

	"sallyport/internal/wire"
)

// failure is one refusal: how it looks and how it is counted.
type failure struct {
	reason Reason
	status int
	retry  int // Retry-After in seconds, 0 = none
	body   errorBody
	raw    any // a shape of its own in place of body
}

type errorBody struct {
	Error errorDetail `json:"error"`
}

// errorDetail is the short Azure shape: code and message, sometimes a type.
type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Type    string `json:"type,omitempty"`
}

// modelError is the long shape the model itself answers with: every member
// present, null when it says nothing.
type modelError struct {
	Message string  `json:"message"`
	Type    *string `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	Status  int     `json:"status,omitempty"`
	Inner   any     `json:"innererror,omitempty"`
}

func fault(status int, code, message string) *failure {
	return &failure{reason: ReasonRequest, status: status, body: errorBody{errorDetail{Code: code, Message: message}}}
}

func (f *failure) because(r Reason) *failure {
	f.reason = r
	return f
}

// invalid is a 400 of the model: message, the member at fault, a code ("" = null).
func invalid(param, code, message string) *failure {
	kind := "invalid_request_error"
	e := modelError{Message: message, Type: &kind, Param: optional(param), Code: optional(code)}
	return &failure{reason: ReasonRequest, status: 400, raw: map[string]any{"error": e}}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// refuse answers with f and counts it.
func (c *call) refuse(reason Reason, f *failure) {
	c.stats.refuse(reason)
	var v any = f.body
	if f.raw != nil {
		v = f.raw
	}
	h := c.headers()
	if f.retry > 0 {
		h.Add("Retry-After", strconv.Itoa(f.retry))
	}
	reply(c.w, f.status, h, v)
}

// answer sends v as the 200 of a model call.
func (c *call) answer(v any) {
	c.stats.answered()
	reply(c.w, 200, c.headers(), v)
}

func reply(w wire.Responder, status int, h wire.Header, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: sandbox: encode answer: " + err.Error())
	}
	wire.Reply(w, status, "application/json", b, h...)
}

// headers are those of the real resource, plus the label. What belongs to a
// deployment is there only once the deployment is known.
func (c *call) headers() wire.Header {
	id := uuid.NewString()
	h := wire.Header{
		{Name: Label, Value: "true"},
		{Name: "apim-request-id", Value: id},
		{Name: "x-request-id", Value: uuid.NewString()},
		{Name: "x-ms-region", Value: c.cfg.Region},
		{Name: "x-content-type-options", Value: "nosniff"},
		{Name: "strict-transport-security", Value: "max-age=31536000; includeSubDomains; preload"},
	}
	if v := c.r.Header.Get("x-ms-client-request-id"); wire.ValidValue(v) && v != "" {
		h.Add("x-ms-client-request-id", v)
	}
	if c.deployment == nil {
		return h
	}
	requests, tokens := c.window.left()
	return append(h,
		wire.Field{Name: "x-ms-deployment-name", Value: c.deployment.Name},
		wire.Field{Name: "x-ratelimit-limit-requests", Value: strconv.Itoa(limitRequests)},
		wire.Field{Name: "x-ratelimit-limit-tokens", Value: strconv.Itoa(limitTokens)},
		wire.Field{Name: "x-ratelimit-remaining-requests", Value: strconv.Itoa(requests)},
		wire.Field{Name: "x-ratelimit-remaining-tokens", Value: strconv.Itoa(tokens)},
	)
}
