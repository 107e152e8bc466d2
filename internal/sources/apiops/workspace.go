package apiops

import (
	"encoding/json"
	"io/fs"
	"path"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// readWorkspaces keeps everything below workspaces/: the same tree again, which
// is not served yet.
func (l *loader) readWorkspaces(dir string) {
	l.each(dir, "workspaces", func(f *folder, id string) {
		take(l.over.top("workspaces"), id)
		l.out.Add(diag.SourceNotServed, diag.Pos{File: l.shown(f.name)}, f.res, "workspaces are not served yet: everything in this one is kept without effect")
		err := fs.WalkDir(l.fs, f.name, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				l.addReadError(diag.Pos{File: l.shown(name)}, f.res, err)
			case name != f.name && ignored(d.Name()):
				if d.IsDir() {
					return fs.SkipDir
				}
			case d.IsDir():
				l.dirs[l.shown(name)] = true
			default:
				l.keepFile(name, f.res)
			}
			return nil
		})
		if err != nil {
			l.addReadError(diag.Pos{File: l.shown(f.name)}, f.res, err)
		}
	})
}

// keepFile keeps one file of a workspace: an information file as its
// properties, anything else as its text. Kind and ID follow the folders.
func (l *loader) keepFile(name, res string) {
	dir, file := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if strings.HasSuffix(file, "Information.json") {
		n := l.readJSON(name, res)
		if n == nil {
			return
		}
		props := n.Get("properties")
		if props == nil {
			props = &tree.Node{Kind: tree.Object, Pos: n.Pos}
		}
		raw, sealed := seal(props)
		l.keep(&model.Resource{Kind: path.Dir(dir), ID: path.Base(dir), Properties: raw, Sealed: sealed, Pos: props.Pos})
		return
	}
	if text, ok := l.readText(name, res); ok {
		l.keepText(dir, file, text, l.at(name))
	}
}

// keepText keeps a document that is not JSON properties.
func (l *loader) keepText(kind, id, text string, pos diag.Pos) {
	raw, err := json.Marshal(map[string]string{"value": text})
	if err != nil {
		panic("BUG: a text has no JSON form: " + err.Error())
	}
	l.keep(&model.Resource{Kind: kind, ID: id, Properties: raw, Pos: pos})
}
