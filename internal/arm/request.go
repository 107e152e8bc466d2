package arm

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// maxBody bounds request bodies; the few POSTs here are tiny.
const maxBody = 64 << 10

// request is a management request with its path taken apart.
type request struct {
	in    *wire.Request
	path  []string // decoded segments; empty ones are left out
	query url.Values
	// What the router adds:
	params  []string // values of the route's {parameters}
	service string   // resource id of the service, in canonical spelling
	snap    *model.Snapshot
}

// newRequest takes the target apart. Segments are decoded one by one, so that
// an escaped slash stays inside its segment, and ";rev=2" may be escaped
// (SDKs do so, Terraform does not). Doubled slashes are what some clients send.
func newRequest(in *wire.Request) (*request, *answer) {
	r := &request{in: in}
	raw, query, _ := strings.Cut(in.Target, "?")
	for s := range strings.SplitSeq(raw, "/") {
		if s == "" {
			continue
		}
		d, err := url.PathUnescape(s)
		if err != nil {
			a := badRequest("InvalidRequestUri", "The path is not correctly percent-encoded.")
			return r, &a
		}
		r.path = append(r.path, d)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		a := badRequest("InvalidRequestUri", "The query is not correctly percent-encoded.")
		return r, &a
	}
	r.query = q
	return r, nil
}

// parameter returns a query parameter; ARM compares their names without case.
func (r *request) parameter(name string) string {
	for k, v := range r.query {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// decode reads the JSON body into v. An empty body is an empty object.
func (r *request) decode(ctx context.Context, v any) *answer {
	var body io.Reader
	if r.in.Body != nil {
		body = r.in.Body
	}
	b, err := wire.ReadBody(ctx, body, maxBody)
	switch {
	case wire.KindOf(err) == wire.KindTooLarge:
		a := fail(413, "RequestEntityTooLarge", "The request body is larger than 64 KiB.")
		return &a
	case err != nil:
		a := badRequest("InvalidRequestContent", "The request body could not be read.")
		return &a
	case len(b) == 0:
		return nil
	}
	if json.Unmarshal(b, v) != nil {
		a := badRequest("InvalidRequestContent", "The request body is not JSON of the expected shape.")
		return &a
	}
	return nil
}
