package settings

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"sallyport/internal/diag"
)

// node is a place in the settings file.
type node = *yaml.Node

// member is one key of a mapping.
type member struct {
	name  string
	pos   diag.Pos
	value node
}

// maxFile and maxAliases bound what a settings file may cost.
const (
	maxFile    = 1 << 20
	maxAliases = 1000
)

// document returns the root of a settings file, nil when it is empty or wrong.
func (l *loader) document(data []byte) node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	start := diag.Pos{File: l.s.File, Line: 1, Col: 1}
	switch {
	case len(data) > maxFile:
		l.out.Add(diag.SettingsSyntax, start, "", "the file is larger than 1 MiB")
		return nil
	case !utf8.Valid(data):
		l.out.Add(diag.SettingsSyntax, start, "", "the file is not UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 0:
		return nil
	case err != nil:
		l.syntaxError(err, start)
		return nil
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		l.syntaxError(err, start)
		return nil
	default:
		l.out.Add(diag.SettingsSyntax, diag.Pos{File: l.s.File, Line: max(second.Line, 1), Col: max(second.Column, 1)}, "", "the file holds more than one YAML document")
		return nil
	}
	return doc.Content[0]
}

func (l *loader) syntaxError(err error, pos diag.Pos) {
	message := "the file cannot be read as YAML"
	var le *yaml.LoadError
	if errors.As(err, &le) {
		message = diag.WithoutQuotes(le.Message)
		if le.Mark.Line > 0 {
			pos.Line, pos.Col = le.Mark.Line, max(le.Mark.Column, 1)
		}
	}
	l.out.Add(diag.SettingsSyntax, pos, "", "%s", message)
}

func (l *loader) pos(v node) diag.Pos {
	return diag.Pos{File: l.s.File, Line: v.Line, Col: v.Column}
}

// follow resolves an alias. Aliases are counted rather than traced: that also
// ends those that contain themselves.
func (l *loader) follow(v node) node {
	for v.Kind == yaml.AliasNode && v.Alias != nil && l.aliases < maxAliases {
		l.aliases++
		v = v.Alias
	}
	return v
}

// mapping returns the members of v; a null is an empty mapping, since that is
// what a section with all its lines commented out is.
func (l *loader) mapping(at origin, v node, want string) ([]member, bool) {
	v = l.follow(v)
	if isNull(v) {
		return nil, true
	}
	if v.Kind != yaml.MappingNode {
		l.wrongType(at, want, v)
		return nil, false
	}
	var all []member
	seen := map[string]bool{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		k := l.follow(v.Content[i])
		switch {
		case k.ShortTag() == "!!merge":
			l.out.Add(diag.SettingsSyntax, l.pos(v.Content[i]), at.path, "merge keys ('<<') are not supported in settings")
		case k.Kind != yaml.ScalarNode || k.Value == "":
			l.out.Add(diag.SettingsSyntax, l.pos(v.Content[i]), at.path, "a name must be a text")
		case seen[k.Value]:
			l.out.Add(diag.SettingsDuplicate, l.pos(v.Content[i]), at.path, "'%s' is written twice", k.Value)
		default:
			seen[k.Value] = true
			all = append(all, member{k.Value, l.pos(v.Content[i]), v.Content[i+1]})
		}
	}
	return all, true
}

func (l *loader) sequence(at origin, v node, want string) ([]node, bool) {
	v = l.follow(v)
	if isNull(v) {
		return nil, true
	}
	if v.Kind != yaml.SequenceNode {
		l.wrongType(at, want, v)
		return nil, false
	}
	return v.Content, true
}

// scalar reads v as a k, with variables filled in.
func scalar[T any](l *loader, k kind[T], at origin, v node) (T, bool) {
	var zero T
	v = l.follow(v)
	if v.Kind != yaml.ScalarNode || isNull(v) {
		l.wrongType(at, k.want, v)
		return zero, false
	}
	s, filled, err := interpolate(v.Value, l.env)
	if err != nil {
		l.out.Add(diag.SettingsInterpolation, at.pos, at.path, "%s: %s", at.name, err)
		return zero, false
	}
	tag := v.ShortTag()
	isText := tag == "!!str" || tag == "!!timestamp"
	if !filled && tag != k.tag && (!isText || k.only) {
		f := l.wrongType(at, k.want, v)
		if k.hint != nil && !at.hide {
			f.Hint = k.hint(s)
		}
		if k.want == "text" {
			f.Hint = "put the value in quotes"
		}
		return zero, false
	}
	return parseValue(l, k, at, s, v.Value)
}

func isNull(v node) bool { return v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null" }

func (l *loader) wrongType(at origin, want string, v node) *diag.Finding {
	found := "something else"
	switch v.Kind {
	case yaml.MappingNode:
		found = "a mapping"
	case yaml.SequenceNode:
		found = "a list"
	case yaml.AliasNode:
		found = "an alias that leads nowhere"
	case yaml.ScalarNode:
		found = map[string]string{"!!null": "nothing", "!!bool": "true or false", "!!int": "a number", "!!float": "a number", "!!str": "text", "!!timestamp": "text"}[v.ShortTag()]
		if found == "" {
			found = "a value with the tag " + v.ShortTag()
		}
		if !at.hide && v.Value != "" && !isNull(v) {
			found = "'" + v.Value + "' (" + found + ")"
		}
	}
	return l.out.Add(diag.SettingsType, at.pos, at.path, "%s: expected %s, found %s", at.name, want, found)
}
