package builtin

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"sallyport/internal/exchange"
)

var update = flag.Bool("update", false, "write what happened into the archives")

// TestArchives runs testdata/<policy>/*.txtar. An archive holds
//
//	policy.xml  a policy document
//	fixture     lines that set the scene; see fixture
//	request     the caller's request as HTTP/1.1 text
//	backend     the backend's answer as HTTP/1.1 text, or "refused"/"timeout"
//	want        what the backend got ("request: …"), what failed
//	            ("failure: …") and what the caller got
//	trace       optional: what a trace of the request shows, a line a step
//	findings    what checking the document said; with an error it does not run
//
// The backend section is inherited from the default document when it is
// missing. With -update the last three are rewritten.
func TestArchives(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), "testdata/"), ".txtar")
		t.Run(name, func(t *testing.T) { runArchive(t, file) })
	}
}

func runArchive(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range ar.Files {
		sections[f.Name] = string(f.Data)
	}
	_, traced := sections["trace"]
	got := play(t, sections, traced)
	if *update {
		rewrite(t, file, ar, got)
		return
	}
	for _, name := range []string{"want", "trace", "findings"} {
		if diff := cmp.Diff(sections[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// play runs an archive and returns the sections it results in.
func play(t *testing.T, sections map[string]string, traced bool) map[string]string {
	s := newScene(t, sections["fixture"])
	doc := s.compile(sections["policy.xml"])
	got := map[string]string{"findings": findingLines(doc.findings)}
	if doc.findings.HasErrors() {
		return got
	}
	s.request(sections["request"])
	s.backend = sections["backend"]
	if traced {
		s.startTrace()
	}
	s.run(doc)
	got["want"] = s.out.String() + s.reply()
	if traced {
		got["trace"] = s.trace.String()
	}
	return got
}

func rewrite(t *testing.T, file string, ar *txtar.Archive, got map[string]string) {
	kept := ar.Files[:0]
	for _, f := range ar.Files {
		switch f.Name {
		case "want", "trace", "findings":
		default:
			kept = append(kept, f)
		}
	}
	ar.Files = kept
	for _, name := range []string{"findings", "want", "trace"} {
		if got[name] != "" {
			ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(got[name])})
		}
	}
	if err := os.WriteFile(file, bytes.TrimLeft(txtar.Format(ar), "\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Archives must fail when behaviour changes: this one is wrong on purpose.
func TestArchiveNoticesADifference(t *testing.T) {
	got := play(t, map[string]string{
		"policy.xml": `<policies><inbound><set-method>PUT</set-method></inbound></policies>`,
		"request":    "GET /a HTTP/1.1\nHost: gw.test\n",
		"backend":    "HTTP/1.1 200 OK\n",
	}, false)
	if want := "request: PUT https://backend.test/base/a\n"; !strings.HasPrefix(got["want"], want) {
		t.Errorf("got %q, want it to begin with %q", got["want"], want)
	}
	if strings.Contains(got["want"], "failure:") || got["findings"] != "" {
		t.Errorf("unexpected failure or finding: %v", got)
	}
}

var _ exchange.Forwarder = (*scene)(nil)
