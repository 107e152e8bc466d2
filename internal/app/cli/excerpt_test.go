package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExcerptsShowNoValues(t *testing.T) {
	for in, want := range map[string]string{
		"      primaryKey: s3cret":                  "      primaryKey: …",
		"      primaryKey: [s3cret]":                "      primaryKey: …",
		`  { "header": { "X-Plain": ["s3cret"] } }`: `  { "header": …`,
		"\ts3cret":                           "\t…",
		"  - s3cret":                         "  - …",
		"namedValues:":                       "namedValues:",
		`  "properties": {`:                  `  "properties": {`,
		"  },":                               "  },",
		"":                                   "",
		"    provider: custom":               "    provider: custom",
		`    "state": "active", "key": "s3"`: `    "state": …`,
		"  scope: {a: s3cret}":               "  scope: …",
		"  custom_provider_url: http://h/p?api-version=2024-10-21": "  custom_provider_url: http://h/p?api-version=2024-10-21",
		"  custom_provider_url: http://h/p?api-key=s3cret":         "  custom_provider_url: …",
		"  custom_provider_url: http://u:s3cret@h/p":               "  custom_provider_url: …",
	} {
		if got := shownPart(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := keysOnly("a: s3cret\r\nb: 1\n"); got != "a: …\r\nb: …\n" {
		t.Errorf("%q", got)
	}
}

func TestExcerptsOfPoliciesAreWhole(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"policy.xml": "key: value", "specification.yaml": "key: value", "sallyport.yaml": "key: …", "backendInformation.json": "key: …"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("key: value"), 0o600); err != nil {
			t.Fatal(err)
		}
		x := excerpts{}
		for range 2 {
			if got, ok := x.text(file); !ok || got != want {
				t.Errorf("%s: %q %v, want %q", name, got, ok, want)
			}
		}
	}
	if _, ok := (excerpts{}).text(filepath.Join(dir, "nowhere")); ok {
		t.Error("a file that is not there has no excerpt")
	}
}

func TestExcerptKeepsLines(t *testing.T) {
	text := "a:\n  b: 1\n\n  - c\n"
	if got := keysOnly(text); strings.Count(got, "\n") != strings.Count(text, "\n") {
		t.Errorf("%q", got)
	}
}
