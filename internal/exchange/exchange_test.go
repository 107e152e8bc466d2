package exchange_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
)

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestBodyModes(t *testing.T) {
	src := &closer{Reader: strings.NewReader("hello")}
	var b exchange.Body
	b.SetStream(src, 5)
	if b.Mode() != exchange.BodyStream || b.Size() != 5 || b.Bytes() != nil {
		t.Fatalf("stream: %v %d", b.Mode(), b.Size())
	}
	if ok, err := b.Buffer(4); ok || err != nil {
		t.Errorf("a body above the limit: ok %v, %v", ok, err)
	}
	src = &closer{Reader: strings.NewReader("hello")}
	b.SetStream(src, -1)
	if ok, err := b.Buffer(5); !ok || err != nil || string(b.Bytes()) != "hello" || b.Size() != 5 || !src.closed {
		t.Errorf("buffered: %v %v %q, source closed %v", ok, err, b.Bytes(), src.closed)
	}
	for range 2 {
		if r, data, n := b.Take(); r != nil || string(data) != "hello" || n != 5 {
			t.Errorf("taken %v %q, %d bytes", r, data, n)
		}
	}
	src = &closer{Reader: strings.NewReader("x")}
	b.SetStream(src, 1)
	if r, data, n := b.Take(); r != io.Reader(src) || data != nil || n != 1 || b.Mode() != exchange.BodyConsumed {
		t.Errorf("a stream can be taken once: %v %q %d, mode %v", r, data, n, b.Mode())
	}
	if r, data, n := b.Take(); r != nil || data != nil || n != 0 {
		t.Error("a consumed body is empty")
	}
	src = &closer{Reader: strings.NewReader("x")}
	b.SetStream(src, 1)
	if b.SetBytes([]byte("new")); !src.closed || string(b.Bytes()) != "new" {
		t.Error("replacing a body closes the stream it replaces")
	}
}

func TestBaseURL(t *testing.T) {
	for _, c := range []struct{ base, path, query, want string }{
		{"https://h", "", "", "/"},
		{"https://h/", "/x", "", "/x"},
		{"https://h/base", "/x", "a=1", "/base/x?a=1"},
		{"https://h/base/", "x", "", "/base/x"},
		{"https://h/base", "", "a=1", "/base?a=1"},
		{"https://h/a%2Fb", "/c%20d", "", "/a%2Fb/c%20d"},
		{"wss://h/r", "/x", "", "/r/x"},
	} {
		b, err := exchange.ParseBaseURL(c.base)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Target(c.path, c.query); got != c.want {
			t.Errorf("%s + %s?%s = %s, want %s", c.base, c.path, c.query, got, c.want)
		}
	}
	for _, bad := range []string{"", "h/x", "ftp://h", "https://", "https://u:p@h", "https://h?x=1", "https://h#f", "https://h\x00", "/base"} {
		if b, err := exchange.ParseBaseURL(bad); err == nil {
			t.Errorf("%q was read as %v", bad, b)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows credentials: %v", err)
		}
	}
}

func TestQuery(t *testing.T) {
	const q = "a=1&Sub%2Dkey=x+y&b=%2F&a=2&flag"
	if v, ok := exchange.QueryGet(q, "sub-KEY"); !ok || v != "x y" {
		t.Errorf("got %q %v", v, ok)
	}
	if _, ok := exchange.QueryGet(q, "c"); ok {
		t.Error("found what is not there")
	}
	if got := exchange.QueryDel(q, "a"); got != "Sub%2Dkey=x+y&b=%2F&flag" {
		t.Errorf("deleted: %s", got)
	}
	if got := exchange.QueryDel(q, "nope"); got != q {
		t.Errorf("nothing to delete, still changed: %s", got)
	}
	if got := exchange.QueryAdd("a=1", "ä b", "x&y z"); got != "a=1&%C3%A4+b=x%26y%20z" {
		t.Errorf("added: %s", got)
	}
}

func TestFailureBodies(t *testing.T) {
	for want, f := range map[string]*exchange.Failure{
		`{ "statusCode": 404, "message": "Resource not found" }`:                          exchange.OperationNotFound(),
		`{ "statusCode": 403, "message": "Forbidden" }`:                                   exchange.CallerIP("CallerIpNotAllowed", "Caller IP address 1.2.3.4 is not allowed. Access denied."),
		`{ "statusCode": 418, "message": "it's <b>\"hot\"</b>\n" }`:                       exchange.CheckHeader("HeaderNotFound", "", 418, "it's <b>\"hot\"</b>\n"),
		`{ "statusCode": 500, "message": "Internal server error", "activityId": "id-1" }`: exchange.Internal(errors.New("nil map")),
		`{ "statusCode": 413, "message": "Request body is too large" }`:                   exchange.RequestTooLarge("forward-request"),
	} {
		if got := string(f.AppendBody(nil, "id-1")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for kind, reason := range map[wire.ErrorKind]string{wire.KindTimeout: "Timeout", wire.KindConnect: "BackendConnectionFailure", wire.KindAborted: "BackendConnectionFailure", wire.KindDenied: "BackendConnectionFailure"} {
		f := exchange.BackendFailed("forward-request", fmt.Errorf("wrapped: %w", &wire.Error{Kind: kind, Op: "dial", Err: errors.New("secret detail")}))
		if f.Reason != reason || f.Status != 500 || strings.Contains(string(f.AppendBody(nil, "x")), "secret detail") {
			t.Errorf("kind %d: %+v", kind, f)
		}
	}
}

func TestResetKeepsNothing(t *testing.T) {
	x := &exchange.Exchange{ID: "1"}
	x.Request.Header.Add("a", "b")
	x.Params = append(x.Params, exchange.Param{Name: "p", Value: "v"})
	x.SetVar("token", "s3cret")
	x.SetReplyHeader("r", "1")
	x.Reset()
	if _, ok := x.Var("token"); ok || len(x.Request.Header) != 0 || len(x.Params) != 0 || len(x.ReplyHeader()) != 0 || x.ID != "" {
		t.Errorf("something of the last request is left: %+v", x)
	}
	if h := x.Request.Header[:1]; h[0].Value != "" {
		t.Error("the old header is still in the buffer")
	}
}
