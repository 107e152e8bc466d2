package ranges

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/diag"
)

func TestLoadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "feed one.json")
	if err := os.WriteFile(name, []byte(feedJSON("20.42.4.208/32")), 0o600); err != nil {
		t.Fatal(err)
	}
	stamp := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := os.Chtimes(name, stamp, stamp); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{name, (&url.URL{Scheme: "file", Path: name}).String(), "file://localhost" + (&url.URL{Path: name}).EscapedPath()} {
		feed, found, err := Load(context.Background(), source, nil)
		if err != nil || len(found) > 0 {
			t.Fatalf("%s: %v %v", source, found, err)
		}
		if g, _ := feed.Select("azure", "eastus", "outbound"); g.Set.Count() != 1 || !g.Taken.Equal(stamp) || g.Source != name {
			t.Errorf("%s: %+v", source, g.Info)
		}
	}
	if err := os.WriteFile(name, []byte("{\"prefixes\":\n[}"), 0o600); err != nil {
		t.Fatal(err)
	}
	feed, found, err := Load(context.Background(), name, nil)
	if feed != nil || len(found) != 1 || found[0].Code != diag.RangesMalformed || err == nil || !strings.Contains(err.Error(), ":2:2: ") {
		t.Errorf("malformed: %v %v %v", feed, found, err)
	}
	if _, _, err := Load(context.Background(), name+".no", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestLoadRefusesLargeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "big.json")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<32), f.Close()); err != nil { // sparse: takes no space
		t.Fatal(err)
	}
	_, found, err := Load(context.Background(), name, nil)
	if err == nil || len(found) != 1 || found[0].Code != diag.RangesTooLarge {
		t.Errorf("%v %v", found, err)
	}
}

func TestLoadURL(t *testing.T) {
	const signed = "https://store.example/ip-ranges.json?sig=topsecret"
	web := shelf{
		"https://feed.example/ip-ranges.json": feedJSON("20.42.4.208/32"),
		"http://127.0.0.1:9/ip-ranges.json":   feedJSON("20.42.4.208/32"),
		"http://[::1]:9/ip-ranges.json":       feedJSON("20.42.4.208/32"),
		"http://localhost/ip-ranges.json":     feedJSON("20.42.4.208/32"),
		signed:                                feedJSON("20.42.4.208/32"),
		"https://feed.example/big":            strings.Repeat(" ", MaxTagFileBytes+1),
	}
	for source := range web {
		feed, _, err := Load(context.Background(), source, web)
		if strings.HasSuffix(source, "big") {
			if !errors.Is(err, errTooLarge) {
				t.Errorf("the Getter was not told the limit: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if feed.Taken.IsZero() || strings.Contains(feed.Source, "?") {
			t.Errorf("%s: %+v", source, feed.Origin)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for source, want := range map[string]string{
		"http://feed.example/ip-ranges.json":        "plain http",
		"http://127.0.0.1.feed.example/x":           "plain http",
		"https://user:hunter2@feed.example/x":       "credentials in the URL",
		"ftp://feed.example/x":                      "scheme 'ftp' is not supported",
		"file://server/share/x":                     "on another host",
		"https://feed.example/missing?sig=hunter2":  "fetch https://feed.example/missing: get https://feed.example/missing?…: 404",
		"https://feed.example/%zz?sig=hunter2":      "is not a URL",
		"http://user:hunter2@feed.example/x?hunter": "plain http",
	} {
		feed, _, err := Load(context.Background(), source, shelf{})
		if err == nil || feed != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("secret in error: %v", err)
		}
	}
	if _, _, err := Load(context.Background(), "https://feed.example/x", nil); err == nil {
		t.Error("fetched without a Getter")
	}
}

// failing wraps the way net/http does, the URL with its query included.
type failing struct{ err error }

func (f failing) Get(_ context.Context, u string, _ int64) ([]byte, error) {
	return nil, &url.Error{Op: "Get", URL: u, Err: f.err}
}

func TestLoadKeepsTheCauseAndHidesTheQuery(t *testing.T) {
	_, _, err := Load(context.Background(), "https://feed.example/x?sig=hunter2", failing{context.DeadlineExceeded})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	_, _, err = Load(context.Background(), "https://feed.example/x?sig=hunter2", failing{errors.Join(errors.New("at sig=hunter2"), context.Canceled)})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
