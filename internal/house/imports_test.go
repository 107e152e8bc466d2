package house_test

import (
	"bufio"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "sallyport/internal/"

// banned packages, by the rooms that alone may import them. A room "" is nobody.
var banned = []struct {
	prefix string
	only   []string
	why    string
}{
	{"net/http", []string{"wire"}, "engines live below wire; use wire's types"},
	{"golang.org/x/net/http2", []string{"wire"}, "engines live below wire"},
	{"github.com/prometheus", []string{"telemetry"}, "metrics go through telemetry"},
	{"go.opentelemetry.io", []string{"telemetry"}, "tracing goes through telemetry"},
	{"github.com/spf13", []string{"app"}, "commands live in app"},
	{"flag", []string{"app"}, "flags are read in app and passed down"},
	{"github.com/Azure", []string{"identity"}, "credentials live in identity"},
	{"github.com/pb33f", []string{"imports"}, "descriptions are read in imports"},
	{"github.com/fsnotify", []string{"app"}, "files are watched by app/rollout"},
	{"github.com/golang-jwt", []string{"sandbox", "identity"}, "tokens are made by the sandbox and checked by identity"},
}

// exprBanned keeps the language room a language.
var exprBanned = []string{"net/http", "net", "os", "log/slog"}

type edge struct{ from, to string }

// imports parses only the import clauses of all non-test files below internal.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	root := filepath.Join("..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		for _, im := range f.Imports {
			found[filepath.ToSlash(dir)] = append(found[filepath.ToSlash(dir)], strings.Trim(im.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readRules(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open("deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rules := map[string][]string{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		room, allowed, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("deps.txt: no colon in %q", line)
		}
		rules[room] = strings.Fields(allowed)
	}
	return rules
}

// roomOf is the room of a folder: the longest rule that names it.
func roomOf(dir string, rules map[string][]string) string {
	for d := dir; d != "." && d != "/"; d = filepath.ToSlash(filepath.Dir(d)) {
		if _, ok := rules[d]; ok {
			return d
		}
	}
	return ""
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	rules, used := readRules(t), map[edge]bool{}
	for dir, paths := range imports(t) {
		if dir == "house" || strings.HasSuffix(dir, "test") {
			continue
		}
		room := roomOf(dir, rules)
		if room == "" {
			t.Errorf("%s is not a room of deps.txt", dir)
			continue
		}
		for _, p := range paths {
			if !strings.HasPrefix(p, module) {
				continue
			}
			to := roomOf(strings.TrimPrefix(p, module), rules)
			if to == room || to == "" {
				continue
			}
			used[edge{room, to}] = true
			if !slices.Contains(rules[room], to) && !slices.Contains(rules[room], "*") {
				t.Errorf("%s imports %s: room %s may not import room %s", dir, p, room, to)
			}
		}
	}
	for room, allowed := range rules {
		for _, to := range allowed {
			if to != "*" && !used[edge{room, to}] {
				t.Errorf("deps.txt allows %s to import %s, but nothing does: remove it", room, to)
			}
		}
	}
}

func TestBannedPackages(t *testing.T) {
	seen := map[string]bool{}
	for dir, paths := range imports(t) {
		top, _, _ := strings.Cut(dir, "/")
		for _, p := range paths {
			for _, b := range banned {
				if p != b.prefix && !strings.HasPrefix(p, b.prefix+"/") {
					continue
				}
				seen[b.prefix] = true
				if !slices.Contains(b.only, top) {
					t.Errorf("%s imports %s: %s", dir, p, b.why)
				}
			}
			if top == "expr" && slices.Contains(exprBanned, p) {
				t.Errorf("%s imports %s: the language knows nothing of the world", dir, p)
			}
		}
	}
	// A rule about a package that nobody imports any more has rotted.
	rotten := []string{}
	for _, b := range banned {
		if !seen[b.prefix] && b.prefix != "flag" && b.prefix != "golang.org/x/net/http2" && b.prefix != "go.opentelemetry.io" {
			rotten = append(rotten, b.prefix)
		}
	}
	sort.Strings(rotten)
	if len(rotten) > 0 {
		t.Errorf("rules about packages that nobody imports: %v", rotten)
	}
}
