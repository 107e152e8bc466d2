package apiops

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// policy reads policy.xml of a folder and its override. Policies of an
// override file stand on their own: an artifact need not exist.
func (l *loader) policy(f *folder, over []*entry, res string, s *sum) *model.PolicyDoc {
	var doc *model.PolicyDoc
	if name := f.file("policy.xml"); name != "" {
		if text, ok := l.readText(name, res); ok {
			doc = &model.PolicyDoc{Text: text, Format: model.RawXML, File: l.shown(name)}
		}
	}
	if d := l.overridePolicy(over, res); d != nil {
		doc = d
	}
	s.policy(res, doc)
	return doc
}

func (l *loader) overridePolicy(over []*entry, res string) *model.PolicyDoc {
	e := take(over, "policy")
	l.reportUnused(over, "policy", []string{"policy"})
	if e == nil || e.properties == nil {
		return nil
	}
	r := tree.Read(e.properties, res, &l.out)
	r.Known("value", "format")
	format := r.OneOf("format", string(model.XML), string(model.XML), string(model.RawXML), "xml-link", "rawxml-link")
	if strings.HasSuffix(format, "-link") {
		l.out.Add(diag.SourceValue, r.Pos("format"), res, "policy format '%s' is not supported: the text must be in the file", format)
		return nil
	}
	text := r.Need("value")
	if text == "" {
		return nil
	}
	// The text starts somewhere inside the file; its own lines count from there.
	file := r.Pos("value").File + "#" + res
	return &model.PolicyDoc{Text: text, Format: model.PolicyFormat(format), File: file}
}
