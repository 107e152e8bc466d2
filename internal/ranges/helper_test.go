package ranges

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/diag"
)

// eastUS returns one of the embedded lists.
func eastUS(t testing.TB, direction string) Group {
	t.Helper()
	feed, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	g, found := feed.Select("azure", "eastus", direction)
	if len(found) > 0 {
		t.Fatalf("findings: %v", found)
	}
	return g
}

// feedJSON writes a feed with one outbound group of Azure East US.
func feedJSON(prefixes ...string) string {
	for i, p := range prefixes {
		prefixes[i] = fmt.Sprintf("%q", p)
	}
	return `{"timestampSeconds":1770871875,"schemaVersion":"1.0","prefixes":[` +
		`{"platform":"azure","region":"eastus","service":"Databricks","type":"outbound","ipv4Prefixes":[` + strings.Join(prefixes, ",") + `],"ipv6Prefixes":[]}]}`
}

func parse(t testing.TB, doc string) *Feed {
	t.Helper()
	feed, found := Parse([]byte(doc), Origin{Source: "feed.json"})
	if len(found) > 0 {
		t.Fatalf("findings: %v", found)
	}
	return feed
}

func group(t testing.TB, prefixes ...string) Group {
	t.Helper()
	g, found := parse(t, feedJSON(prefixes...)).Select("azure", "eastus", "outbound")
	if found.HasErrors() {
		t.Fatalf("findings: %v", found)
	}
	return g
}

// lint parses, and checks every list.
func lint(doc string) diag.List {
	feed, found := Parse([]byte(doc), Origin{Source: "feed.json"})
	if feed != nil {
		found = append(found, feed.Check()...)
	}
	return found
}

func codes(l diag.List) []string {
	out := []string{}
	for _, f := range l {
		out = append(out, string(f.Code))
	}
	return out
}

func text(l diag.List) string {
	var b strings.Builder
	for _, f := range l {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// shelf serves documents by URL, within the size the caller allows.
type shelf map[string]string

var errTooLarge = errors.New("response is too large")

func (s shelf) Get(_ context.Context, url string, maxBytes int64) ([]byte, error) {
	doc, ok := s[url]
	switch {
	case !ok:
		return nil, fmt.Errorf("get %s: 404 Not Found", url)
	case int64(len(doc)) > maxBytes:
		return nil, errTooLarge
	}
	return []byte(doc), nil
}
