package apiops

import (
	"strings"

	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// place notes where the named properties were written.
func place(r tree.Reader, names ...string) model.Places {
	var out model.Places
	for _, n := range names {
		if r.Has(n) {
			out = append(out, model.Place{Name: n, Pos: r.Pos(n)})
		}
	}
	return out
}

// resource reads a resource that is kept as its ARM properties.
func (f *folder) resource(kind, id string, over *entry, files ...string) *model.Resource {
	props := f.properties(over, files...)
	if props == nil {
		return nil
	}
	raw, sealed := seal(props)
	return &model.Resource{Kind: kind, ID: id, Properties: raw, Sealed: sealed, Pos: props.Pos}
}

// resources reads a folder of such resources.
func (l *loader) resources(dir, kind string, over []*entry, needs []string, files ...string) []*model.Resource {
	var out []*model.Resource
	l.each(dir, kind, func(f *folder, id string) {
		defer f.rest()
		props := f.properties(take(over, id), files...)
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		for _, n := range needs {
			r.Need(n)
		}
		raw, sealed := seal(props)
		out = append(out, &model.Resource{Kind: kind, ID: id, Properties: raw, Sealed: sealed, Pos: l.at(f.name)})
	})
	return out
}

func (l *loader) readGroups(dir string) {
	l.snap.Groups = l.resources(dir, "groups", l.over.top("groups"), []string{"displayName"}, "groupInformation.json")
}

func (l *loader) readLoggers(dir string) {
	l.snap.Loggers = l.resources(dir, "loggers", l.over.top("loggers"), []string{"loggerType"}, "loggerInformation.json")
}

func (l *loader) readDiagnostics(dir string) {
	l.snap.Diagnostics = l.resources(dir, "diagnostics", l.over.top("diagnostics"), nil, "diagnosticInformation.json")
}

// readTags reads tags with the links of v7 (tags/x/apis/y). Links of older
// generations are read with the API and the product.
func (l *loader) readTags(dir string) {
	l.each(dir, "tags", func(f *folder, id string) {
		defer f.rest()
		if r := f.resource("tags", id, take(l.over.top("tags"), id), "tagInformation.json"); r != nil {
			l.snap.Tags = append(l.snap.Tags, r)
		}
		for _, link := range f.links("apis", "tagApiInformation.json") {
			l.tagAPI(link.name, id)
		}
		for _, link := range f.links("products", "tagProductInformation.json") {
			l.keepLink("products/"+link.name+"/tags", id, link)
		}
	})
}

// tagAPI adds a tag to every revision that the folder name means: the current
// one for "x", the revision for "x;rev=2".
func (l *loader) tagAPI(api, tag string) {
	for _, a := range l.snap.APIs {
		if strings.EqualFold(a.Name(), api) {
			a.Tags = append(a.Tags, tag)
		}
	}
}

func (l *loader) readGateways(dir string) {
	l.each(dir, "gateways", func(f *folder, id string) {
		defer f.rest()
		if r := f.resource("gateways", id, take(l.over.top("gateways"), id), "gatewayInformation.json"); r != nil {
			l.snap.Gateways = append(l.snap.Gateways, r)
		}
		for _, link := range f.links("apis", "gatewayApiInformation.json") {
			l.keepLink("gateways/"+id+"/apis", link.name, link)
		}
	})
}

func (l *loader) readVersionSets(dir string) {
	l.each(dir, "apiVersionSets", func(f *folder, id string) {
		defer f.rest()
		props := f.properties(take(l.over.top("versionSets"), id), "versionSetInformation.json", "apiVersionSetInformation.json")
		if props == nil {
			return
		}
		r := tree.Read(props, f.res, &l.out)
		r.Known("displayName", "description", "versioningScheme", "versionQueryName", "versionHeaderName")
		l.snap.VersionSets = append(l.snap.VersionSets, &model.VersionSet{
			ID: id, DisplayName: r.Need("displayName"), Description: r.String("description"),
			Scheme:    model.VersioningScheme(r.OneOf("versioningScheme", "", "Segment", "Query", "Header")),
			QueryName: r.String("versionQueryName"), HeaderName: r.String("versionHeaderName"),
			Pos: props.Pos, Places: place(r, "displayName", "versioningScheme", "versionQueryName", "versionHeaderName"),
		})
		if !r.Has("versioningScheme") {
			r.Missing("versioningScheme")
		}
	})
}

func (l *loader) readFragments(dir string) {
	l.each(dir, "policyFragments", func(f *folder, id string) {
		defer f.rest()
		fr := &model.Fragment{ID: id, Pos: l.at(f.name)}
		over := take(l.over.top("policyFragments"), id)
		doc := l.policy(f, nil, f.res, nil)
		var props *tree.Node
		// The information file holds no more than a description.
		if _, ok := f.entries["policyFragmentInformation.json"]; ok {
			props = f.properties(over, "policyFragmentInformation.json")
		} else if over != nil {
			props = over.properties
		}
		f.asked = append(f.asked, "policyFragmentInformation.json")
		r := tree.Read(props, f.res, &l.out)
		fr.Description = r.String("description")
		if over != nil && over.properties.Get("value") != nil {
			if d := l.overridePolicy([]*entry{{name: "policy", properties: over.properties.Without("description")}}, f.res); d != nil {
				doc = d
			}
		}
		if doc == nil {
			l.noPolicy(f)
			return
		}
		fr.Policy = *doc
		fr.Pos.File = doc.File
		l.snap.Fragments = append(l.snap.Fragments, fr)
	})
}
