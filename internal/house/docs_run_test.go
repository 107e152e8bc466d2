package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/app/node"
	"sallyport/internal/app/settings"
	"sallyport/internal/diag"
	"sallyport/internal/egress"
	"sallyport/internal/model"
	"sallyport/internal/plan"
)

// words splits a command line as a shell does, as far as documents need it:
// quotes, comments, and the end of the first command.
func words(line string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	started := false
	end := func() {
		if started {
			all = append(all, word.String())
		}
		word.Reset()
		started = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, started = c, true
		case c == ' ':
			end()
		case c == '#' && !started, c == '|', c == '>', c == ';', c == ')':
			end()
			return all
		default:
			word.WriteRune(c)
			started = true
		}
	}
	end()
	return all
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		`sallyport version # what is it`:         {"sallyport", "version"},
		`sallyport trace /a -d '{"b": "c d"}'`:   {"sallyport", "trace", "/a", "-d", `{"b": "c d"}`},
		`sallyport validate "a b" > out.sarif`:   {"sallyport", "validate", "a b"},
		`sallyport findings -o json | head -n 3`: {"sallyport", "findings", "-o", "json"},
	} {
		if got := words(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// ours matches our command in a line of a shell block, also inside $(…).
var ours = regexp.MustCompile(`(?:^|\$\()(?:sallyport|go run \./cmd/sallyport)((?: .*)?)$`)

// commands returns the arguments of every call of ours in shell blocks.
func commands(t *testing.T) map[string][][]string {
	t.Helper()
	found := map[string][][]string{}
	for file, text := range documents(t) {
		fenced, _ := blocks(t, file, text)
		for _, b := range fenced {
			if b.info != "sh" {
				continue
			}
			script := strings.ReplaceAll(b.text, "\\\n", " ")
			for line := range strings.Lines(script) {
				if m := ours.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
					found[file] = append(found[file], words(strings.TrimSpace(m[1])))
				}
			}
		}
	}
	return found
}

var (
	usage    = regexp.MustCompile(`(?m)^Usage:\n  sallyport ?(.*)$`)
	helpFlag = regexp.MustCompile(`(?m)^ +(?:(-\w), )?(--[a-z-]+)( \w+)?  `)
)

// helpOf asks a command for its help and returns its name, whether it has
// commands below it, and its flags with what they take.
func helpOf(t *testing.T, args []string) (name []string, group bool, flags map[string]bool) {
	t.Helper()
	var plain []string
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			break
		}
		plain = append(plain, a)
	}
	code, out, stderr := run(append(slices.Clone(plain), "--help")...)
	m := usage.FindStringSubmatch(out)
	if code != 0 || m == nil {
		t.Errorf("sallyport %s --help: exit code %d, %s", strings.Join(plain, " "), code, stderr)
		return nil, false, nil
	}
	for w := range strings.FieldsSeq(m[1]) {
		if strings.HasPrefix(w, "[") || strings.ToUpper(w) == w {
			break
		}
		name = append(name, w)
	}
	flags = map[string]bool{}
	for _, f := range helpFlag.FindAllStringSubmatch(out, -1) {
		flags[f[2]] = f[3] != ""
		if f[1] != "" {
			flags[f[1]] = f[3] != ""
		}
	}
	return name, strings.Contains(m[1], "[command]"), flags
}

// TestCommandsInDocumentsExist checks every command that a document tells
// people to run: the command is there, and so is each flag.
func TestCommandsInDocumentsExist(t *testing.T) {
	n := 0
	for file, calls := range commands(t) {
		for _, args := range calls {
			n++
			name, group, flags := helpOf(t, args)
			if len(args) < len(name) || !slices.Equal(args[:len(name)], name) {
				t.Errorf("%s: 'sallyport %s' is no command", file, strings.Join(args, " "))
				continue
			}
			if rest := args[len(name):]; group && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				t.Errorf("%s: 'sallyport %s' has no command '%s'", file, strings.Join(name, " "), rest[0])
			}
			for _, a := range args[len(name):] {
				flag, _, _ := strings.Cut(a, "=")
				if _, known := flags[flag]; strings.HasPrefix(a, "-") && !known {
					t.Errorf("%s: 'sallyport %s' has no flag %s", file, strings.Join(name, " "), flag)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands found in the documents: is the search broken?", n)
	}
}

// harmless are commands that can be run as they stand: they answer at once and
// open no connection.
func harmless(args []string) bool {
	if len(args) == 0 || slices.Contains(args, "--feed") {
		return false
	}
	switch args[0] {
	case "version", "ranges", "policies", "findings", "settings", "completion":
		return true
	case "validate":
		_, err := os.Stat(args[1])
		return err == nil
	case "demo":
		return slices.Contains(args, "--print-env")
	}
	return false
}

func TestHarmlessCommandsInDocumentsRun(t *testing.T) {
	calls := commands(t)
	t.Chdir(repository)
	n := 0
	for file, all := range calls {
		for _, args := range all {
			if !harmless(args) {
				continue
			}
			n++
			if code, _, stderr := run(args...); code != 0 {
				t.Errorf("%s: 'sallyport %s': exit code %d, %s", file, strings.Join(args, " "), code, stderr)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d commands were run: is the search broken?", n)
	}
}

// policyOf makes a document of what a block shows: a document as it stands, a
// fragment included in one, or statements in inbound.
func policyOf(text string) (doc string, fragment *model.Fragment) {
	frame := func(inbound string) string {
		return "<policies><inbound>" + inbound + "</inbound><backend><base /></backend><outbound><base /></outbound><on-error><base /></on-error></policies>"
	}
	switch trimmed := strings.TrimSpace(text); {
	case strings.HasPrefix(trimmed, "<policies"):
		return text, nil
	case strings.HasPrefix(trimmed, "<fragment"):
		return frame(`<base /><include-fragment fragment-id="shown" />`),
			&model.Fragment{ID: "shown", Policy: model.PolicyDoc{Text: text, Format: model.RawXML, File: "shown.xml"}}
	}
	return frame(text), nil
}

// TestPoliciesInDocumentsCompile builds every XML block of the hand-written
// documents on the example's configuration. A block marked "xml refused" must
// be refused.
func TestPoliciesInDocumentsCompile(t *testing.T) {
	set, fs := settings.Load(settings.Options{File: filepath.Join(repository, "examples/foundry-databricks/sallyport.yaml")})
	if fs.HasErrors() {
		t.Fatal(fs.Err())
	}
	d, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	deps, err := node.Deps(d, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for file, text := range documents(t) {
		fenced, _ := blocks(t, file, text)
		for _, b := range fenced {
			if !strings.HasPrefix(b.info, "xml") || file == "docs/policies.md" { // its examples are tested with the specs
				continue
			}
			n++
			c := node.ReadConfiguration(set, func(string) (string, bool) { return "", false })
			doc, fragment := policyOf(b.text)
			c.Snapshot.APIs[0].Policy = &model.PolicyDoc{Text: doc, Format: model.RawXML, File: "shown.xml"}
			if fragment != nil {
				c.Snapshot.Fragments = append(c.Snapshot.Fragments, fragment)
			}
			_, report := plan.Build(nil, c.Snapshot, deps)
			if refused := report.Findings.HasErrors(); refused != (b.info == "xml refused") {
				t.Errorf("%s:%d: refused is %v, findings:\n%v", file, b.line, refused, report.Findings)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d policies found in the documents: is the search broken?", n)
	}
}

// TestSettingsInDocumentsLoad loads every YAML block that begins with the name
// of the settings file.
func TestSettingsInDocumentsLoad(t *testing.T) {
	n := 0
	for file, text := range documents(t) {
		fenced, _ := blocks(t, file, text)
		for _, b := range fenced {
			if b.info != "yaml" || !strings.HasPrefix(b.text, "# sallyport.yaml\n") {
				continue
			}
			n++
			name := filepath.Join(t.TempDir(), "sallyport.yaml")
			if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, fs := settings.Load(settings.Options{File: name}); fs.Count(diag.Error)+fs.Count(diag.Warning) > 0 {
				t.Errorf("%s:%d: %v", file, b.line, fs)
			}
		}
	}
	if n == 0 {
		t.Error("no settings found in the documents: is the search broken?")
	}
}
