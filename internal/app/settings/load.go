package settings

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/diag"
)

// Options of Load. Env looks a variable up; Environ lists all of them
// (NAME=value) and is only used to report those that match no setting. When
// one of the two is missing it is derived from the other as far as it can be.
type Options struct {
	File      string // "" = no file
	Env       func(string) (string, bool)
	Environ   []string
	Overrides map[string]string // setting → text, from flags
}

// Load reads the settings. They are complete, with defaults in the place of
// what is wrong, but must not be used when the findings hold an error.
func Load(o Options) (*Settings, diag.List) {
	var data []byte
	var out diag.List
	if o.File != "" {
		var err error
		if data, err = readFile(o.File); err != nil {
			out.Add(diag.SettingsUnreadable, diag.Pos{File: o.File}, "", "%s", err)
		}
	}
	s, more := load(data, o)
	out = append(out, more...)
	out.Sort()
	return s, out
}

// readFile reads one byte past the limit, so that document can tell.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open settings file: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read settings file: %w", err)
	}
	return data, nil
}

// loader is one run of Load.
type loader struct {
	s       *Settings
	out     diag.List
	env     func(string) (string, bool)
	table   []setting
	set     map[string]origin // settings that were given a value, and where
	aliases int
}

func load(data []byte, o Options) (*Settings, diag.List) {
	l := &loader{s: &Settings{File: o.File}, env: o.Env, table: table(), set: map[string]origin{}}
	if o.File != "" {
		l.s.Dir = filepath.Dir(o.File)
	}
	if l.env == nil {
		l.env = lookupIn(o.Environ)
	}
	for _, st := range l.table {
		if st.def != "" {
			st.fill.fromText(l, origin{path: st.path, name: st.path, dir: l.s.Dir}, st.def)
		}
	}
	if root := l.document(data); root != nil {
		l.section("", l.top(), root)
	}
	l.environment(o.Environ)
	l.overrides(o.Overrides)
	l.rules()
	return l.s, l.out
}

func lookupIn(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range slices.Backward(environ) { // the last one wins
			if k, v, _ := strings.Cut(e, "="); k == name {
				return v, true
			}
		}
		return "", false
	}
}

func (l *loader) top() origin { return origin{dir: l.s.Dir} }

// section reads a mapping of the file whose names begin with prefix.
func (l *loader) section(prefix string, at origin, v node) {
	if at.name == "" {
		at.name, at.pos = "the file", l.pos(v)
	}
	members, _ := l.mapping(at, v, "a mapping of settings")
	for _, m := range members {
		path := prefix + m.name
		in := origin{pos: m.pos, path: path, name: path, dir: l.s.Dir}
		switch st, group := l.find(path); {
		case st != nil:
			in.pos, in.hide = l.pos(m.value), st.hides()
			l.set[path] = in
			st.fill.fromYAML(l, in, m.value)
		case group:
			in.pos = l.pos(m.value)
			l.section(path+".", in, m.value)
		default:
			l.unknown(prefix, in, m.name)
		}
	}
}

// find returns the setting named path, or tells that it names a group of them.
func (l *loader) find(path string) (st *setting, group bool) {
	for i := range l.table {
		if l.table[i].path == path {
			return &l.table[i], false
		}
		group = group || strings.HasPrefix(l.table[i].path, path+".")
	}
	return nil, group
}

func (s *setting) hides() bool {
	return strings.HasSuffix(s.typ, "secret") || s.path == "tokens"
}

// unknown reports a name of the file that is no setting: a slip of the keys,
// or a setting written in the wrong place.
func (l *loader) unknown(prefix string, at origin, name string) {
	var here, elsewhere []string
	for _, st := range l.table {
		if rest, ok := strings.CutPrefix(st.path, prefix); ok {
			word, _, _ := strings.Cut(rest, ".")
			here = append(here, word)
		}
		if strings.Contains(name, ".") { // a whole path, from a flag
			here = append(here, st.path)
		}
		if strings.HasSuffix(st.path, "."+name) {
			elsewhere = append(elsewhere, st.path)
		}
	}
	f := l.out.Add(diag.SettingsUnknown, at.pos, at.path, "there is no setting '%s'", at.path)
	if f.Hint = diag.DidYouMean(name, here); f.Hint == "" && len(elsewhere) > 0 {
		f.Hint = "did you mean '" + strings.Join(elsewhere, "' or '") + "'?"
	}
}

// environment applies SALLYPORT_ variables. An empty one counts as not set,
// because that is how container tools spell "nothing".
func (l *loader) environment(environ []string) {
	names := make([]string, 0, len(l.table))
	for _, st := range l.table {
		name := envName(st.path)
		names = append(names, name)
		if v, ok := l.env(name); ok && v != "" {
			at := origin{path: st.path, name: name, hide: st.hides()}
			l.set[st.path] = at
			st.fill.fromText(l, at, v)
		}
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(names, name) || slices.Contains(clientVariables(), name) {
			continue
		}
		l.out.Add(diag.SettingsEnvironment, diag.Pos{}, name, "the environment variable %s matches no setting", name).Hint = diag.DidYouMean(name, names)
	}
}

func (l *loader) overrides(values map[string]string) {
	for _, path := range sortedKeys(values) {
		st, _ := l.find(path)
		if st == nil {
			l.unknown("", origin{path: path}, path)
			continue
		}
		at := origin{path: path, name: "flag " + path, hide: st.hides()}
		l.set[path] = at
		st.fill.fromText(l, at, values[path])
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
