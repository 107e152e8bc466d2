package bundle

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/sources/internal/tree"
)

const (
	maxFile  = 4 << 20
	maxFiles = 1000
)

func rootKeys() []string {
	return []string{"bundle", "include", "variables", "resources", "targets", "workspace", "permissions", "sync", "artifacts",
		"run_as", "presets", "experimental", "scripts", "python", "environments"}
}

// gather reads the bundle file and what it includes into one document.
func (l *loader) gather(file string) *tree.Node {
	l.opts.Folder(filepath.Dir(file))
	doc := l.readFile(file)
	if doc == nil {
		return nil
	}
	root := tree.Read(doc, "", &l.out)
	for i, it := range root.List("include") {
		if it.Kind != tree.String {
			l.out.Add(diag.SourceType, it.Pos, "", "'include[%d]' must be a text, not %s", i, it.Kind)
			continue
		}
		for _, name := range l.expand(filepath.Dir(file), it) {
			if name == filepath.Clean(file) {
				continue
			}
			if part := l.readFile(name); part != nil {
				l.unique(doc, part)
				doc = merge(doc, part.Without("include", "bundle"))
			}
		}
	}
	return doc
}

func (l *loader) readFile(name string) *tree.Node {
	data, err := read(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.out.Add(diag.SourceUnreadable, diag.Pos{File: name}, "", "cannot be read: %s", err)
		return nil
	}
	if len(data) > maxFile {
		l.out.Add(diag.SourceTooLarge, diag.Pos{File: name}, "", "the file is larger than 4 MiB")
		return nil
	}
	doc := tree.ParseYAML(data, name, "", &l.out)
	if doc == nil {
		return nil
	}
	r := tree.Read(doc, "", &l.out)
	l.known(r, "", rootKeys()...)
	return r.Node()
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// expand lists the files of one include pattern, which stays below the bundle.
func (l *loader) expand(dir string, it *tree.Node) []string {
	pattern := it.Text
	if !filepath.IsLocal(pattern) {
		l.out.Add(diag.ServingInclude, it.Pos, "include", "'%s' leads out of the bundle's folder", pattern)
		return nil
	}
	full := filepath.Join(dir, filepath.FromSlash(pattern))
	found, err := filepath.Glob(full)
	if err != nil {
		l.out.Add(diag.ServingInclude, it.Pos, "include", "'%s' is not a file pattern", pattern)
		return nil
	}
	if folders, err := filepath.Glob(filepath.Dir(full)); err == nil {
		for _, f := range folders {
			l.opts.Folder(f)
		}
	}
	if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
		l.out.Add(diag.ServingInclude, it.Pos, "include", "file '%s' does not exist", pattern)
	}
	if len(found) > maxFiles {
		l.out.Add(diag.ServingInclude, it.Pos, "include", "'%s' matches more than %d files", pattern, maxFiles)
		return nil
	}
	slices.Sort(found)
	return slices.DeleteFunc(found, func(name string) bool {
		ext := filepath.Ext(name)
		return ext != ".yml" && ext != ".yaml" && ext != ".json"
	})
}

// unique reports resources that two files define.
func (l *loader) unique(doc, part *tree.Node) {
	for _, kind := range []string{"model_serving_endpoints", "secret_scopes"} {
		have := doc.Get("resources").Get(kind)
		more := part.Get("resources").Get(kind)
		if have == nil || more == nil {
			continue
		}
		for _, m := range more.Members {
			if first := have.Get(m.Name); first != nil {
				l.out.Add(diag.ServingDuplicate, m.Pos, kind+"/"+m.Name, "'%s' is defined twice (%s)", m.Name, first.Pos)
			}
		}
	}
}

// merge lays over on top of base as bundles do: objects member by member, lists
// one after the other, everything else replaced.
func merge(base, over *tree.Node) *tree.Node {
	switch {
	case base.IsNull():
		return over
	case over.IsNull():
		return base
	case base.Kind == tree.List && over.Kind == tree.List:
		return &tree.Node{Kind: tree.List, Pos: base.Pos, Items: slices.Concat(base.Items, over.Items)}
	case base.Kind != tree.Object || over.Kind != tree.Object:
		return over
	}
	out := &tree.Node{Kind: tree.Object, Pos: base.Pos, Members: slices.Clone(base.Members)}
	for _, m := range over.Members {
		i := slices.IndexFunc(out.Members, func(o tree.Member) bool { return o.Name == m.Name })
		if i < 0 {
			out.Members = append(out.Members, m)
			continue
		}
		out.Members[i] = tree.Member{Name: m.Name, Pos: m.Pos, Value: merge(out.Members[i].Value, m.Value)}
	}
	return out
}

// chooseTarget finds the target and lays its resources and variables on top.
func (l *loader) chooseTarget() bool {
	l.target = "default"
	targets := tree.Read(l.root.Get("targets"), "targets", &l.out)
	known := targets.Node().Names()
	switch {
	case l.opts.Target != "":
		l.target = l.opts.Target
		if targets.Node().Get(l.target) == nil {
			l.out.Add(diag.ServingTarget, l.root.Pos, "targets", "the bundle has no target '%s'", l.target).Hint = diag.DidYouMean(l.target, known)
			return false
		}
	case len(known) == 0:
		return true
	default:
		if !l.defaultTarget(targets) {
			return false
		}
	}
	t := targets.Sub(l.target)
	if t.String("mode") == "development" {
		l.out.Add(diag.ServingNotActive, t.Pos("mode"), "targets."+l.target, "mode development is not applied: names get no prefix")
	}
	over := &tree.Node{Kind: tree.Object, Pos: l.root.Pos}
	if t.Node() != nil {
		for _, m := range t.Node().Members {
			if m.Name == "resources" {
				over.Members = append(over.Members, m)
			}
		}
	}
	l.root = merge(l.root, over)
	return true
}

func (l *loader) defaultTarget(targets tree.Reader) bool {
	known := targets.Node().Names()
	var chosen []string
	for _, name := range known {
		if targets.Sub(name).Bool("default", false) {
			chosen = append(chosen, name)
		}
	}
	if len(chosen) == 0 && len(known) == 1 {
		chosen = known
	}
	if len(chosen) != 1 {
		l.out.Add(diag.ServingTarget, targets.Node().Pos, "targets", "the bundle has %d targets and %d of them are default", len(known), len(chosen)).
			WithHint("choose one of %s", strings.Join(known, ", "))
		return false
	}
	l.target = chosen[0]
	return true
}
