package gateway_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

// brokenBody is a request body that fails after its first bytes.
type brokenBody struct {
	io.Reader
	err error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func (b *brokenBody) Close() error { return nil }

// A request body that breaks is the client's failure and not the backend's,
// whether it is read before the call or streams into it.
func TestBrokenRequestBody(t *testing.T) {
	for _, tc := range []struct {
		kind   wire.ErrorKind
		status int
		body   string
	}{
		{wire.KindTimeout, 408, `{ "statusCode": 408, "message": "Request Timeout" }`},
		{wire.KindProtocol, 400, `{ "statusCode": 400, "message": "Bad Request" }`},
		{wire.KindTooLarge, 413, `{ "statusCode": 413, "message": "Request body is too large" }`},
	} {
		for _, length := range []int64{100, -1} {
			f := newFixture(t, nil, snapshot(api("a", "a", "POST /x")))
			f.deps.Transport = func(bool, bool) wire.Transport { return bodyReader{} }
			s := snapshot(api("a", "a", "POST /x"))
			s.APIs[0].Hash = "other"
			f.load(s)
			r := wiretest.NewRequest("POST", "/a/x", "")
			r.ContentLength = length
			r.Body = &brokenBody{strings.NewReader("half"), &wire.Error{Kind: tc.kind, Op: "read request body", Err: errors.New("broken")}}
			if got := wiretest.Serve(f.Gateway, r); got.Status() != tc.status || got.Body() != tc.body {
				t.Errorf("kind %d, length %d: %d %s", tc.kind, length, got.Status(), got.Body())
			}
		}
	}
}

// bodyReader fails as an engine does whose request body broke.
type bodyReader struct{}

func (bodyReader) RoundTrip(_ context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	_, err := io.ReadAll(out.Body)
	return nil, err
}

// A HEAD request whose body is spent cannot be sent again.
func TestRedirectOfASpentBody(t *testing.T) {
	far := wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
		_, _ = io.Copy(io.Discard, r.Body)
		wire.Reply(w, 302, "", nil, wire.Field{Name: "Location", Value: "/end"})
	})
	policy := rawPolicy(`<policies><inbound><base/></inbound><backend><forward-request follow-redirects="true"/></backend><outbound><base/></outbound><on-error/></policies>`)
	f := newFixture(t, far, snapshot(with(api("a", "a", "HEAD /x"), func(a *model.API) { a.Policy = policy })))
	r := wiretest.NewRequest("HEAD", "/a/x", "body")
	r.ContentLength = -1
	if got := wiretest.Serve(f.Gateway, r); got.Status() != 302 || len(f.backend.Calls()) != 1 {
		t.Errorf("%d after %d calls", got.Status(), len(f.backend.Calls()))
	}
}
