package std

import (
	"context"
	"io"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

// The gateway uses its Outgoing again for the next request. Here the answer
// comes while the body is still being sent; the race detector sees a transport
// that goes on looking at the message.
func TestTransportLetsGoOfTheMessage(t *testing.T) {
	addr, _ := start(t, wire.ServerConfig{}, func(_ context.Context, r *wire.Request, w wire.Responder) {
		_ = w.WriteHead(200, "", nil, -1)
		_ = w.Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Header.Get("X-Mark"))
	})
	tr := transport(t, wire.TransportConfig{})
	pr, pw := io.Pipe()
	out := &wire.Outgoing{Method: "POST", Scheme: "http", Authority: addr, Target: "/", Body: pr, ContentLength: -1, Header: wire.Header{{Name: "X-Mark", Value: "first"}}}
	in, err := tr.RoundTrip(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	out.Header[0] = wire.Field{Name: "X-Mark", Value: "second"}
	*out = wire.Outgoing{Header: out.Header, Body: strings.NewReader("not this")}
	_, _ = io.WriteString(pw, "body")
	_ = pw.Close()
	if b, err := io.ReadAll(in.Body); string(b) != "first" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}
