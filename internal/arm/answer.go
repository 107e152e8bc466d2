package arm

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"sallyport/internal/wire"
)

// answer is what a route says.
type answer struct {
	status int
	body   any // nil = none
	etag   bool
	header wire.Header
}

// errorBody is ARM's error envelope. Details is null when there are none, as
// APIM writes it.
type errorBody struct {
	Error errorInfo `json:"error"`
}

type errorInfo struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Details []errorDetail `json:"details"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Target  string `json:"target"`
	Message string `json:"message"`
}

func fail(status int, code, message string, details ...errorDetail) answer {
	return answer{status: status, body: errorBody{errorInfo{code, message, details}}}
}

func badRequest(code, message string) answer { return fail(400, code, message) }

func notFound(message string) answer { return fail(404, "ResourceNotFound", message) }

// invalidField is a 400 about one field of the request body.
func invalidField(target, message string) answer {
	const code = "ValidationError"
	return fail(400, code, "One or more fields contain incorrect values:", errorDetail{code, target, message})
}

func unauthorised(r *request) answer {
	a := fail(401, "AuthenticationFailed", "The bearer token is not one of this service.")
	challenge := `Bearer error="invalid_token"`
	if !r.in.Header.Has("Authorization") {
		a = fail(401, "AuthenticationFailed", "The request carries no bearer token in the header Authorization.")
		challenge = "Bearer"
	}
	a.header.Add("WWW-Authenticate", challenge)
	return a
}

func methodNotAllowed(allow []string) answer {
	a := fail(405, "MethodNotAllowed", "The resource does not have this method. It has: "+strings.Join(allow, ", ")+".")
	a.header.Add("Allow", strings.Join(allow, ", "))
	return a
}

// object is a JSON object whose members keep their order, so that answers read
// as ARM's do.
type object []field

type field struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []any{m.name, m.value} {
			if part == nil {
				b.WriteString("null")
			} else if err := encode(&b, part); err != nil {
				return nil, fmt.Errorf("encode %s: %w", m.name, err)
			}
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode appends v as JSON without line end and without escaping HTML.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// send writes a, with the headers that ARM clients look for.
func (h *Handler) send(r *request, w wire.Responder, a answer) {
	var b bytes.Buffer
	if a.body != nil {
		if err := encode(&b, a.body); err != nil {
			h.log.Error("management answer cannot be encoded", slog.String("error", err.Error()))
			b.Reset()
			a = fail(500, "InternalServerError", "The answer could not be encoded.")
			_ = encode(&b, a.body) // a struct of strings always encodes
		}
	}
	id := requestID()
	hd := wire.Header{{Name: "Cache-Control", Value: "no-store"}, {Name: "X-Content-Type-Options", Value: "nosniff"}, {Name: "x-ms-request-id", Value: id}, {Name: "x-ms-correlation-request-id", Value: id}}
	if b.Len() > 0 {
		hd = append(wire.Header{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}, hd...)
	}
	if a.etag {
		sum := sha256.Sum256(b.Bytes())
		hd.Add("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	}
	if id := r.in.Header.Get("x-ms-client-request-id"); id != "" && wire.ValidValue(id) && strings.EqualFold(r.in.Header.Get("x-ms-return-client-request-id"), "true") {
		hd.Add("x-ms-client-request-id", id)
	}
	reply(r, w, a.status, append(hd, a.header...), b.Bytes())
}

// reply sends head and body; to HEAD the head alone, with the length the body
// would have.
func reply(r *request, w wire.Responder, status int, h wire.Header, body []byte) {
	if w.WriteHead(status, "", h, int64(len(body))) != nil || len(body) == 0 || r.in.Method == "HEAD" {
		return
	}
	_, _ = w.Write(body) // an error means that the client is gone
}

// requestID is a random id in the form of a GUID.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
