package apiops

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
	"sallyport/internal/sources/internal/tree"
)

// maxFile is APIM's own limit for inline specifications; nothing else in a
// configuration folder comes near it.
const maxFile = 4 << 20

var errTooLarge = errors.New("larger than 4 MiB")

func readLimited(open func() (fs.File, error)) ([]byte, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var size int64
	if info, err := f.Stat(); err == nil { // the size is a hint: the file may grow under the hand
		size = min(max(info.Size(), 0), maxFile)
	}
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, maxFile+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxFile {
		return nil, errTooLarge
	}
	return data.Bytes(), nil
}

// shown is the name of a file or folder as people know it.
func (l *loader) shown(name string) string {
	if l.root == "" {
		return name
	}
	return filepath.Join(l.root, filepath.FromSlash(name))
}

func (l *loader) at(name string) diag.Pos { return diag.Pos{File: l.shown(name), Line: 1, Col: 1} }

// read returns the content of a file; what goes wrong is a finding about res.
func (l *loader) read(name, res string) ([]byte, bool) {
	data, err := readLimited(func() (fs.File, error) { return l.fs.Open(name) })
	l.files[l.shown(name)] = true
	if err == nil {
		return data, true
	}
	l.addReadError(diag.Pos{File: l.shown(name)}, res, err)
	return nil, false
}

func (l *loader) addReadError(pos diag.Pos, res string, err error) {
	if errors.Is(err, errTooLarge) {
		l.out.Add(diag.SourceTooLarge, pos, res, "the file is %s", err)
		return
	}
	// The path is in the position already; a path error would repeat it.
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	l.out.Add(diag.SourceUnreadable, pos, res, "cannot be read: %s", err)
}

// readText is read for text: without byte order mark, and checked to be UTF-8.
func (l *loader) readText(name, res string) (string, bool) {
	data, ok := l.read(name, res)
	if !ok {
		return "", false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		l.out.Add(diag.SourceUnreadable, l.at(name), res, "the file is not UTF-8 text")
		return "", false
	}
	return string(data), true
}

// readJSON parses a JSON file; nil when that is impossible.
func (l *loader) readJSON(name, res string) *tree.Node {
	data, ok := l.read(name, res)
	if !ok {
		return nil
	}
	return tree.ParseJSON(data, l.shown(name), res, &l.out)
}

// folder is one folder being read: what is asked for is known, what is left
// over at the end is reported.
type folder struct {
	l       *loader
	name    string // slash-separated, relative to the root
	res     string // resource the folder stands for
	entries map[string]bool
	asked   []string
}

// open lists a folder. The value in entries tells whether it is a folder.
func (l *loader) open(name, res string) *folder {
	f := &folder{l: l, name: name, res: res, entries: map[string]bool{}}
	l.dirs[l.shown(name)] = true
	list, err := fs.ReadDir(l.fs, name)
	if err != nil {
		l.addReadError(diag.Pos{File: l.shown(name)}, res, err)
		return f
	}
	for _, e := range list {
		if ignored(e.Name()) {
			continue
		}
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			// Mounted configuration (Kubernetes) consists of symbolic links.
			info, err := fs.Stat(l.fs, path.Join(name, e.Name()))
			isDir = err == nil && info.IsDir()
		}
		f.entries[e.Name()] = isDir
	}
	return f
}

// ignored tells what belongs to people and tools, not to the configuration.
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.EqualFold(path.Ext(name), ".md") || name == "README"
}

// file returns the path of the first of names that is a file here, or "".
func (f *folder) file(names ...string) string {
	return f.find(false, names)
}

// dir returns the path of the folder called name, or "".
func (f *folder) dir(name string) string {
	return f.find(true, []string{name})
}

func (f *folder) find(dir bool, names []string) string {
	found := ""
	for _, n := range names {
		f.asked = append(f.asked, n)
		if isDir, ok := f.entries[n]; ok && isDir == dir {
			delete(f.entries, n)
			if found == "" {
				found = path.Join(f.name, n)
			}
		}
	}
	return found
}

// dirs takes all folders that are here, sorted.
func (f *folder) dirs() []string {
	var names []string
	for n, isDir := range f.entries {
		if isDir {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		delete(f.entries, n)
	}
	return names
}

// rest reports everything that was not asked for.
func (f *folder) rest() {
	for _, n := range slices.Sorted(maps.Keys(f.entries)) {
		what := "file"
		if f.entries[n] {
			what = "folder"
		}
		fd := f.l.out.Add(diag.SourceUnknownEntry, diag.Pos{File: f.l.shown(path.Join(f.name, n))}, f.res, "%s '%s' is not part of the layout and has no effect", what, n)
		if fd.Hint = diag.DidYouMean(n, f.asked); fd.Hint == "" && len(f.asked) > 0 {
			fd.Hint = "known here: " + strings.Join(f.asked, ", ")
		}
	}
}

// each opens every resource folder of a kind: apis/chat, apis/echo …
func (l *loader) each(parent, resKind string, do func(f *folder, id string)) {
	list := l.open(parent, resKind)
	for _, id := range list.dirs() {
		res := resKind + "/" + id
		l.checkID(resKind, id, res, l.shown(path.Join(parent, id)))
		l.ids[resKind] = append(l.ids[resKind], id)
		runtime.Gosched() // a load takes long; requests that wait for the processor go first
		do(l.open(path.Join(parent, id), res), id)
	}
	list.rest()
}

// infoFile reads the information file of a resource folder, under any of the
// names the generations gave it.
func (f *folder) infoFile(names ...string) *tree.Node {
	name := f.file(names...)
	if name == "" {
		f.l.out.Add(diag.SourceNoInformation, diag.Pos{File: f.l.shown(f.name)}, f.res, "the folder has no %s", names[0])
		return nil
	}
	n := f.l.readJSON(name, f.res)
	if n == nil {
		return nil
	}
	if n.Kind != tree.Object {
		f.l.out.Add(diag.SourceType, n.Pos, f.res, "an object is expected here, not %s", n.Kind)
		return nil
	}
	return n
}

// properties reads the information file and lays the override on top. The
// result is the "properties" object, or nil with a finding.
func (f *folder) properties(over *entry, names ...string) *tree.Node {
	n := f.infoFile(names...)
	if n == nil {
		return nil
	}
	if over != nil && over.properties != nil {
		n = tree.Merge(n, &tree.Node{Kind: tree.Object, Pos: n.Pos, Members: []tree.Member{{Name: "properties", Pos: over.pos, Value: over.properties}}})
	}
	props := n.Get("properties")
	if props.IsNull() {
		f.l.out.Add(diag.SourceMissing, n.Pos, f.res, "property 'properties' is required").
			WithHint("ARM properties are written inside it: %s", `{"properties": {…}}`)
		return nil
	}
	if props.Kind != tree.Object {
		f.l.out.Add(diag.SourceType, props.Pos, f.res, "property 'properties' must be an object, not %s", props.Kind)
		return nil
	}
	return props
}
