package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

func TestHeader(t *testing.T) {
	h := wire.Header{{Name: "A", Value: "1"}, {Name: "b", Value: "2"}, {Name: "a", Value: "3"}}
	if h.Get("a") != "1" || h.Count("A") != 2 || h.Joined("A") != "1, 3" || h.Has("c") || h.Get("c") != "" {
		t.Errorf("reading %v", h)
	}
	if d := cmp.Diff([]string{"1", "3"}, h.Values("A")); d != "" {
		t.Error(d)
	}
	h.Set("a", "9")
	if d := cmp.Diff(wire.Header{{Name: "A", Value: "9"}, {Name: "b", Value: "2"}}, h); d != "" {
		t.Errorf("Set keeps the place of the first and drops the rest: %s", d)
	}
	h.Set("new", "x")
	h.Del("B")
	if d := cmp.Diff(wire.Header{{Name: "A", Value: "9"}, {Name: "new", Value: "x"}}, h); d != "" {
		t.Error(d)
	}
	c := h.Clone()
	c.Set("A", "other")
	if h.Get("A") != "9" {
		t.Error("a clone shares its lines")
	}
	if n := testing.AllocsPerRun(100, func() { _ = h.Get("NEW") }); n != 0 {
		t.Errorf("Get allocates %v times", n)
	}
}

func TestHopByHop(t *testing.T) {
	for _, name := range []string{"Connection", "keep-alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection"} {
		if !wire.HopByHop(name) {
			t.Errorf("%s is hop-by-hop", name)
		}
	}
	for _, name := range []string{"Content-Length", "Host", "Authorization", "Via", "TEx", "Trailers", ""} {
		if wire.HopByHop(name) {
			t.Errorf("%q is not hop-by-hop", name)
		}
	}
}

func TestValid(t *testing.T) {
	for name, ok := range map[string]bool{"x-a": true, "X_a.b~": true, "": false, "a b": false, "a:b": false, "a\n": false, "ä": false, "a\x7f": false, "(a)": false} {
		if wire.ValidName(name) != ok {
			t.Errorf("ValidName(%q) = %v", name, !ok)
		}
	}
	for value, ok := range map[string]bool{"": true, "a b\tc": true, "ä": true, "a\r\nb: c": false, "a\nb": false, "a\x00": false, "\x7f": false} {
		if wire.ValidValue(value) != ok {
			t.Errorf("ValidValue(%q) = %v", value, !ok)
		}
	}
}

func TestKindOf(t *testing.T) {
	e := &wire.Error{Kind: wire.KindDenied, Op: "dial", Err: errors.New("no")}
	for want, err := range map[wire.ErrorKind]error{
		wire.KindDenied: fmt.Errorf("outer: %w", e), wire.KindTimeout: context.DeadlineExceeded, wire.KindCanceled: fmt.Errorf("x: %w", context.Canceled), wire.KindOther: errors.New("plain"),
	} {
		if got := wire.KindOf(err); got != want {
			t.Errorf("%v: kind %d, want %d", err, got, want)
		}
	}
}

func TestReadBody(t *testing.T) {
	b, err := wire.ReadBody(context.Background(), strings.NewReader("12345"), 5)
	if string(b) != "12345" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if _, err := wire.ReadBody(context.Background(), strings.NewReader("123456"), 5); wire.KindOf(err) != wire.KindTooLarge {
		t.Errorf("above the limit: %v", err)
	}
	if b, err := wire.ReadBody(context.Background(), nil, 5); b != nil || err != nil {
		t.Errorf("no body: %q %v", b, err)
	}
}
