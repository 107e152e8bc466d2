package ranges

import (
	"slices"
	"strings"
	"time"

	"sallyport/internal/diag"
)

// Largest documents taken. The genuine Databricks feed has about 100 KB, a
// service tag file of 2025 about 4 MB and it grows with every Azure region.
const (
	MaxFeedBytes    = 5 << 20
	MaxTagFileBytes = 16 << 20
)

// Parse reads a Databricks feed or an Azure service tag file; which one it is
// shows in its fields. Unknown fields are ignored. With an error among the
// findings there is no feed; the lists themselves are checked by Feed.Group.
func Parse(data []byte, origin Origin) (*Feed, diag.List) {
	p := &parser{feed: &Feed{Origin: origin, index: map[string][]int{}}, lines: newLines(data, origin.Source)}
	if len(data) > MaxTagFileBytes {
		p.found.Add(diag.RangesTooLarge, diag.Pos{File: origin.Source}, "", "the document has %d bytes, at most %d are taken", len(data), MaxTagFileBytes)
		return nil, p.found
	}
	var err error
	if p.cursor, err = newCursor(data); err != nil {
		p.found.Add(diag.RangesMalformed, p.lines.pos(p.off), "", "not valid JSON: %v", err)
		return nil, p.found
	}
	p.root(len(data))
	if p.found.HasErrors() {
		return nil, p.found
	}
	for i, g := range p.feed.groups {
		key := canonicalName(g.name)
		p.feed.index[key] = append(p.feed.index[key], i)
	}
	return p.feed, p.found
}

type parser struct {
	cursor
	feed  *Feed
	lines *lines
	found diag.List

	version                string
	sawPrefixes, sawValues bool
}

func (p *parser) root(size int) {
	isObject := p.object(func(key string) {
		switch key {
		case "timestampSeconds":
			if n, ok := p.integer(); ok && n > 0 {
				p.feed.Published = time.Unix(n, 0).UTC()
			}
		case "schemaVersion":
			p.version = p.word()
		case "changeNumber":
			p.feed.ChangeNumber, _ = p.integer()
		case "cloud":
			p.feed.Cloud, _ = p.text()
		case "prefixes":
			p.sawPrefixes = true
			p.list("prefixes", p.databricksGroup)
		case "values":
			p.sawValues = true
			p.list("values", p.serviceTag)
		default:
			p.skip()
		}
	})
	start := diag.Pos{File: p.feed.Source, Line: 1, Col: 1}
	switch {
	case !isObject || !p.sawPrefixes && !p.sawValues:
		p.found.Add(diag.RangesMalformed, start, "", "neither a Databricks feed ('prefixes') nor an Azure service tag file ('values')")
	case p.sawPrefixes && p.sawValues:
		p.found.Add(diag.RangesMalformed, start, "", "both 'prefixes' and 'values' are present: a Databricks feed or an Azure service tag file is expected")
	case p.sawPrefixes && size > MaxFeedBytes:
		p.found.Add(diag.RangesTooLarge, start, "", "the feed has %d bytes, at most %d are taken", size, MaxFeedBytes)
	case p.sawPrefixes && p.version == "":
		p.found.Add(diag.RangesSchemaVersion, start, "schemaVersion", "schemaVersion is missing; a Databricks feed says \"1.0\"")
	case p.sawPrefixes && major(p.version) != "1":
		p.found.Add(diag.RangesSchemaVersion, start, "schemaVersion", "schemaVersion %q is not supported, only 1.x is", clip(p.version))
	}
}

func major(version string) string {
	m, _, _ := strings.Cut(version, ".")
	return m
}

// word consumes a string, or a number written without quotes.
func (p *parser) word() string {
	p.space()
	start := p.off
	if s, ok := p.text(); ok {
		return s
	}
	return string(p.data[start:p.off])
}

func (p *parser) list(name string, element func()) {
	p.space()
	at := p.off
	if !p.array(element) {
		p.field(at, name, "'%s' must be a list", name)
	}
}

func (p *parser) databricksGroup() {
	p.space()
	at := p.off
	g := rawGroup{pos: p.lines.pos(at)}
	var platform, region, direction string
	isObject := p.object(func(key string) {
		switch key {
		case "platform":
			platform = p.string(key)
		case "region":
			region = p.string(key)
		case "type":
			direction = p.string(key)
		case "service":
			g.service, _ = p.text()
		case "ipv4Prefixes", "ipv6Prefixes":
			p.prefixes(key, &g)
		default:
			p.skip()
		}
	})
	if !isObject {
		p.field(at, "prefixes", "a group must be an object")
		return
	}
	for _, f := range []struct{ name, value string }{{"platform", platform}, {"region", region}, {"type", direction}} {
		if f.value == "" || strings.ContainsAny(f.value, "/:") {
			p.field(at, "prefixes", "group has no usable '%s'", f.name)
			return
		}
	}
	g.name = databricksFamily + "/" + strings.ToLower(platform+"/"+region+"/"+direction)
	if !slices.Contains(platforms(), strings.ToLower(platform)) {
		p.warn(at, g.name, "unknown platform %q; the group is left out", clip(platform))
		return
	}
	if !slices.Contains(directions(), strings.ToLower(direction)) {
		p.warn(at, g.name, "unknown type %q; the group is left out", clip(direction))
		return
	}
	p.feed.groups = append(p.feed.groups, g)
}

func (p *parser) serviceTag() {
	p.space()
	at := p.off
	g := rawGroup{pos: p.lines.pos(at)}
	var name string
	sawPrefixes := false
	isObject := p.object(func(key string) {
		switch key {
		case "name":
			name = p.string(key)
		case "properties":
			p.space()
			propertiesAt := p.off
			if !p.object(func(key string) {
				switch key {
				case "addressPrefixes":
					sawPrefixes = true
					p.prefixes(key, &g)
				case "systemService":
					g.service, _ = p.text()
				default:
					p.skip()
				}
			}) {
				p.field(propertiesAt, "values", "'properties' must be an object")
			}
		default:
			p.skip()
		}
	})
	switch {
	case !isObject:
		p.field(at, "values", "a service tag must be an object")
	case name == "" || strings.ContainsAny(name, "/:"):
		p.field(at, "values", "service tag has no usable 'name'")
	case !sawPrefixes:
		p.field(at, "values", "service tag '%s' has no 'properties.addressPrefixes'", clip(name))
	default:
		g.name = azureTagFamily + "/" + name
		p.feed.groups = append(p.feed.groups, g)
	}
}

func (p *parser) prefixes(key string, g *rawGroup) {
	if p.kind() == 'n' { // null: some writers have it for "none"
		p.skip()
		return
	}
	p.list(key, func() {
		p.space()
		pos := p.lines.pos(p.off)
		at := p.off
		text, ok := p.text()
		if !ok {
			p.field(at, key, "'%s' must be a list of strings", key)
			return
		}
		g.entries = append(g.entries, entry{strings.TrimSpace(text), int32(pos.Line), int32(pos.Col)})
	})
}

// string consumes a value that has to be a string.
func (p *parser) string(key string) string {
	p.space()
	at := p.off
	s, ok := p.text()
	if !ok {
		p.field(at, key, "'%s' must be a string", key)
	}
	return s
}

func (p *parser) field(at int, path, format string, args ...any) {
	if len(p.found) < maxFindings {
		p.found.Add(diag.RangesField, p.lines.pos(at), path, format, args...)
	}
}

// warn leaves room for field errors, which must not be lost.
func (p *parser) warn(at int, path, format string, args ...any) {
	if len(p.found) < maxFindings/2 {
		p.found.Add(diag.RangesPlatform, p.lines.pos(at), path, format, args...)
	}
}
