package house_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/app/cli"
)

// repository is the root of the repository, seen from this package.
const repository = "../.."

// block is a fenced block of a document.
type block struct {
	file string
	line int // of the opening fence
	info string
	text string
}

// documents returns the text of every Markdown file by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(repository, path)
		docs[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md", "docs/configuration.md"} {
		if docs[must] == "" {
			t.Errorf("%s is missing or empty", must)
		}
	}
	return docs
}

// blocks returns the fenced blocks of a document, and its text without them.
func blocks(t *testing.T, file, text string) (fenced []block, prose string) {
	t.Helper()
	var open *block
	var rest strings.Builder
	for i, line := range strings.Split(text, "\n") {
		info, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{file: file, line: i + 1, info: info}
		case isFence:
			fenced = append(fenced, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			rest.WriteString(line)
		}
		if open == nil {
			rest.WriteByte('\n')
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block is never closed", file, open.line)
	}
	return fenced, rest.String()
}

// run executes a command line of ours in this process.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// generated matches the lines of the Makefile that write documents.
var generated = regexp.MustCompile(`\./cmd/sallyport (.+) > (docs/\S+\.md)`)

func TestGeneratedDocumentsAreFresh(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := generated.FindAllStringSubmatch(string(makefile), -1)
	if len(found) < 3 {
		t.Fatalf("the Makefile generates %d documents, at least 3 are known", len(found))
	}
	for _, m := range found {
		code, want, stderr := run(strings.Fields(m[1])...)
		if code != 0 {
			t.Errorf("sallyport %s: exit code %d, %s", m[1], code, stderr)
			continue
		}
		have, err := os.ReadFile(filepath.Join(repository, m[2]))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(have), want); diff != "" {
			t.Errorf("%s is stale; run 'make generate' (-have +want):\n%s", m[2], diff)
		}
	}
}

// machine matches what belongs to the machine of an author: folders, and hosts
// that packages were fetched from.
var machine = regexp.MustCompile(`(?i)(^|[\s"'(=:])/(work|home|root|Users|tmp)/|https?://[^\s)]*(registry|goproxy|artifactory|nexus|mirror)[.:/]`)

func TestDocumentsNameNoMachine(t *testing.T) {
	for file, text := range documents(t) {
		for i, line := range strings.Split(text, "\n") {
			if m := machine.FindString(line); m != "" {
				t.Errorf("%s:%d: %q belongs to a machine, not to a document", file, i+1, strings.TrimSpace(m))
			}
		}
	}
}

var (
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notInWords = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the fragments that lead to the headings of a document.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		words := notInWords.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(strings.TrimSpace(words), " ", "-"))
	}
	return all
}

func TestLinksResolve(t *testing.T) {
	docs := documents(t)
	for file, text := range docs {
		_, prose := blocks(t, file, text)
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			to := m[1]
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			path, fragment, _ := strings.Cut(to, "#")
			target := file
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(file), path))
			}
			if _, err := os.Stat(filepath.Join(repository, target)); err != nil {
				t.Errorf("%s: the link %q leads nowhere", file, to)
				continue
			}
			if fragment != "" && !slices.Contains(anchors(docs[target]), fragment) {
				t.Errorf("%s: %s has no heading for %q", file, target, to)
			}
		}
	}
}

var (
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	testName  = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	inTheTree = regexp.MustCompile(`^(internal|cmd|examples|tools|e2e|\.ci)/[A-Za-z0-9_./-]+$`)
)

// TestNamesInDocumentsExist keeps documents true to the code: every test and
// every path that they name between back quotes is there.
func TestNamesInDocumentsExist(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range documents(t) {
		_, prose := blocks(t, file, text)
		for _, m := range quoted.FindAllStringSubmatch(prose, -1) {
			name := m[1]
			if testName.MatchString(name) && !tests[name] {
				t.Errorf("%s: there is no test %s", file, name)
			}
			if inTheTree.MatchString(name) {
				if _, err := os.Stat(filepath.Join(repository, name)); err != nil {
					t.Errorf("%s: there is no %s", file, name)
				}
			}
		}
	}
}

// TestDecisionsAreComplete wants every note to be short and to say context,
// choice, consequences and a test that proves it, and to be listed.
func TestDecisionsAreComplete(t *testing.T) {
	docs := documents(t)
	index := docs["docs/decisions/README.md"]
	for file, text := range docs {
		name, isDecision := strings.CutPrefix(file, "docs/decisions/")
		if !isDecision || name == "README.md" {
			continue
		}
		if n := strings.Count(text, "\n"); n > 40 {
			t.Errorf("%s has %d lines, at most 40", file, n)
		}
		if !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/decisions/README.md does not list %s", name)
		}
		rest := text
		for _, h := range []string{"\n## Context\n", "\n## Choice\n", "\n## Consequences\n", "\n## Proof\n"} {
			_, after, ok := strings.Cut(rest, h)
			if !ok {
				t.Errorf("%s has no heading %q in its place", file, strings.TrimSpace(h))
				break
			}
			rest = after
		}
		if !slices.ContainsFunc(quoted.FindAllStringSubmatch(rest, -1), func(m []string) bool { return testName.MatchString(m[1]) }) {
			t.Errorf("%s names no test", file)
		}
	}
}

// TestArchitectureRepeatsTheRules compares the import table with deps.txt, and
// wants a line for every room.
func TestArchitectureRepeatsTheRules(t *testing.T) {
	text := documents(t)["docs/architecture.md"]
	fenced, prose := blocks(t, "docs/architecture.md", text)
	i := slices.IndexFunc(fenced, func(b block) bool { return b.info == "deps" })
	if i < 0 {
		t.Fatal("docs/architecture.md has no block 'deps'")
	}
	shown := map[string][]string{}
	for line := range strings.Lines(fenced[i].text) {
		room, allowed, _ := strings.Cut(strings.TrimSpace(line), ":")
		shown[room] = strings.Fields(allowed)
	}
	rules := readRules(t)
	if diff := cmp.Diff(shown, rules); diff != "" {
		t.Errorf("the import table is not that of deps.txt (-document +deps.txt):\n%s", diff)
	}
	for room := range rules {
		if top, _, _ := strings.Cut(room, "/"); !strings.Contains(prose, "| `"+top+"`") {
			t.Errorf("docs/architecture.md has no line for room %s", top)
		}
	}
}
