package apiops

import (
	"encoding/json"
	"path"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// link connects a resource to another one by name: a folder of its own in
// newer generations, an entry of a list in older ones.
type link struct {
	name string
	pos  diag.Pos
}

// links reads sub/{name}/{file} and sub.json ([{"name": …}]).
func (f *folder) links(sub string, files ...string) []link {
	var out []link
	if dir := f.dir(sub); dir != "" {
		list := f.l.open(dir, f.res)
		for _, name := range list.dirs() {
			lf := f.l.open(path.Join(dir, name), f.res)
			pos := diag.Pos{File: f.l.shown(lf.name)}
			if file := lf.file(files...); file != "" {
				pos = f.l.at(file)
				f.l.readJSON(file, f.res)
			} else {
				f.l.out.Add(diag.SourceNoInformation, pos, f.res, "the folder has no %s", files[0])
			}
			lf.rest()
			out = append(out, link{name, pos})
		}
		list.rest()
	}
	if file := f.file(sub + ".json"); file != "" {
		out = append(out, f.listedLinks(file)...)
	}
	return out
}

// listedLinks reads the list files of v3 to v5.
func (f *folder) listedLinks(file string) []link {
	n := f.l.readJSON(file, f.res)
	if n == nil {
		return nil
	}
	if n.Kind != tree.List {
		f.l.out.Add(diag.SourceType, n.Pos, f.res, "a list of objects with a name is expected here, not %s", n.Kind)
		return nil
	}
	var out []link
	for _, it := range n.Items {
		if r := tree.Read(it, f.res, &f.l.out); r.Need("name") != "" {
			out = append(out, link{r.String("name"), r.Pos("name")})
		}
	}
	return out
}

// keepLink keeps a link that nothing acts on yet.
func (l *loader) keepLink(kind, id string, at link) {
	l.keep(&model.Resource{Kind: kind, ID: id, Properties: json.RawMessage("{}"), Pos: at.pos})
}

func (l *loader) keep(r *model.Resource) {
	if r != nil {
		l.snap.Kept = append(l.snap.Kept, r)
	}
}

func (l *loader) noPolicy(f *folder) {
	l.out.Add(diag.SourceNoInformation, diag.Pos{File: l.shown(f.name)}, f.res, "the folder has no policy.xml")
}
