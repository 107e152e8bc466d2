package diag_test

import (
	"testing"

	"sallyport/internal/diag"
)

func TestWithoutQuotes(t *testing.T) {
	for in, want := range map[string]string{
		"unknown anchor 's3cret' referenced":            "unknown anchor '…' referenced",
		"did not find expected ',' or ']'":              "did not find expected ',' or ']'",
		`found "s3cret" and ` + "`s3cret` and 's3cret'": "found '…' and '…' and '…'",
		"nothing": "nothing",
	} {
		if got := diag.WithoutQuotes(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
