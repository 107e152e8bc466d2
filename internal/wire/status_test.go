package wire_test

import (
	"net/http"
	"testing"

	"sallyport/internal/wire"
)

// TestStatusTextAgreesWithNetHTTP compares with the standard library, but for
// phrases that RFC 9110 has renamed and two codes it does not register.
func TestStatusTextAgreesWithNetHTTP(t *testing.T) {
	renamed := map[int]string{413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content", 418: "", 510: ""}
	for code := -1; code < 1000; code++ {
		want := http.StatusText(code)
		if r, ok := renamed[code]; ok {
			want = r
		}
		if got := wire.StatusText(code); got != want {
			t.Errorf("StatusText(%d) = %q, want %q", code, got, want)
		}
	}
}

func TestBodyAllowed(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		want   bool
	}{
		{"GET", 200, true}, {"HEAD", 200, false}, {"GET", 204, false}, {"POST", 304, false}, {"GET", 101, false}, {"GET", 404, true},
	} {
		if got := wire.BodyAllowed(c.method, c.status); got != c.want {
			t.Errorf("BodyAllowed(%s, %d) = %v", c.method, c.status, got)
		}
	}
}
