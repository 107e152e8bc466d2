package settings

import (
	"errors"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// origin is where a value stands, for findings.
type origin struct {
	pos  diag.Pos
	path string // the setting, with the name or index inside it
	name string // how the user wrote it: the path, or the environment variable
	dir  string // what relative paths are relative to
	hide bool   // the value may be a secret: never show it
}

func (o origin) in(member string) origin {
	o.path, o.name = o.path+"."+member, o.name+"."+member
	return o
}

// parseValue reads s as a k. shown is the value as the user wrote it, before
// variables were filled in: what comes from the environment is never repeated.
func parseValue[T any](l *loader, k kind[T], at origin, s, shown string) (T, bool) {
	v, err := k.parse(s, at.dir)
	if err == nil {
		return v, true
	}
	if at.hide {
		shown = "something else"
	} else {
		shown = "'" + shown + "'"
	}
	var f *diag.Finding
	if errors.Is(err, errWant) {
		f = l.out.Add(diag.SettingsType, at.pos, at.path, "%s: expected %s, found %s", at.name, k.want, shown)
	} else {
		f = l.out.Add(diag.SettingsValue, at.pos, at.path, "%s: %s %s", at.name, shown, err)
	}
	if k.hint != nil && !at.hide {
		f.Hint = k.hint(s)
	}
	return v, false
}

// single is one value.
type single[T any] struct {
	k     kind[T]
	place func(*Settings) *T
}

func (f single[T]) fromYAML(l *loader, at origin, v node) {
	if x, ok := scalar(l, f.k, at, v); ok {
		*f.place(l.s) = x
	}
}

func (f single[T]) fromText(l *loader, at origin, s string) {
	if x, ok := parseValue(l, f.k, at, s, s); ok {
		*f.place(l.s) = x
	}
}

// listing is a list of values; as text they are separated by commas.
type listing[T any] struct {
	k     kind[T]
	place func(*Settings) *[]T
}

func (f listing[T]) fromYAML(l *loader, at origin, v node) {
	items, ok := l.sequence(at, v, "a list of values, each "+f.k.want)
	if !ok {
		return
	}
	all := make([]T, 0, len(items))
	for _, it := range items {
		at.pos = l.pos(it)
		if x, ok := scalar(l, f.k, at, it); ok {
			all = append(all, x)
		}
	}
	*f.place(l.s) = all
}

func (f listing[T]) fromText(l *loader, at origin, s string) {
	all := []T{}
	for p := range strings.SplitSeq(s, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if x, ok := parseValue(l, f.k, at, p, p); ok {
			all = append(all, x)
		}
	}
	*f.place(l.s) = all
}

// mapping is values by name; as text it is a list of name=value.
type mapping[T any] struct {
	k     kind[T]
	place func(*Settings) *map[string]T
}

func (f mapping[T]) fromYAML(l *loader, at origin, v node) {
	members, ok := l.mapping(at, v, "names with values, each "+f.k.want)
	if !ok {
		return
	}
	all := make(map[string]T, len(members))
	for _, m := range members {
		in := at.in(m.name)
		in.pos = l.pos(m.value)
		if x, ok := scalar(l, f.k, in, m.value); ok {
			all[m.name] = x
		}
	}
	*f.place(l.s) = all
}

func (f mapping[T]) fromText(l *loader, at origin, s string) {
	all := map[string]T{}
	l.pairs(at, s, "name=value", func(name, value string) {
		in := at
		in.path += "." + name
		if x, ok := parseValue(l, f.k, in, value, value); ok {
			all[name] = x
		}
	})
	*f.place(l.s) = all
}

// scopes are secrets by scope and key; as text a list of scope/key=value.
type scopes struct {
	k     kind[secret.Text]
	place func(*Settings) *map[string]map[string]secret.Text
}

func (f scopes) fromYAML(l *loader, at origin, v node) {
	members, ok := l.mapping(at, v, "scopes with their secrets")
	if !ok {
		return
	}
	all := make(map[string]map[string]secret.Text, len(members))
	for _, m := range members {
		in := at.in(m.name)
		in.pos = l.pos(m.value)
		var keys map[string]secret.Text
		inner := mapping[secret.Text]{f.k, func(*Settings) *map[string]secret.Text { return &keys }}
		inner.fromYAML(l, in, m.value)
		if keys != nil {
			all[m.name] = keys
		}
	}
	*f.place(l.s) = all
}

func (f scopes) fromText(l *loader, at origin, s string) {
	all := map[string]map[string]secret.Text{}
	l.pairs(at, s, "scope/key=value", func(name, value string) {
		scope, key, ok := strings.Cut(name, "/")
		if !ok || scope == "" || key == "" {
			l.out.Add(diag.SettingsType, at.pos, at.path, "%s: expected entries of the form scope/key=value", at.name)
			return
		}
		if all[scope] == nil {
			all[scope] = map[string]secret.Text{}
		}
		all[scope][key] = secret.New(value)
	})
	*f.place(l.s) = all
}

// tokenList is the list of tokens; as text a list of name=value.
type tokenList struct{ place func(*Settings) *[]Token }

func (f tokenList) fromYAML(l *loader, at origin, v node) {
	items, ok := l.sequence(at, v, "a list of tokens, each with name and value")
	if !ok {
		return
	}
	all := []Token{}
	for _, it := range items {
		at.pos = l.pos(it)
		if t, ok := f.token(l, at, it); ok {
			all = append(all, t)
		}
	}
	*f.place(l.s) = all
}

func (f tokenList) token(l *loader, at origin, v node) (t Token, ok bool) {
	members, ok := l.mapping(at, v, "a token with name and value")
	for _, m := range members {
		in := at.in(m.name)
		in.pos = l.pos(m.value)
		switch m.name {
		case "name":
			t.Name, _ = scalar(l, text(), in, m.value)
		case "value":
			t.Value, _ = scalar(l, secretText(), in, m.value)
		default:
			in.pos = m.pos
			l.out.Add(diag.SettingsUnknown, in.pos, in.path, "a token has no '%s'", m.name).Hint = diag.DidYouMean(m.name, []string{"name", "value"})
		}
	}
	return t, ok
}

func (f tokenList) fromText(l *loader, at origin, s string) {
	all := []Token{}
	l.pairs(at, s, "name=value", func(name, value string) { all = append(all, Token{name, secret.New(value)}) })
	*f.place(l.s) = all
}

// pairs reads entries of the form name=value, separated by commas; by line
// ends when there is one, so that values may hold commas.
func (l *loader) pairs(at origin, s, form string, add func(name, value string)) {
	sep := ","
	if strings.Contains(s, "\n") {
		sep = "\n"
	}
	seen := map[string]bool{}
	for p := range strings.SplitSeq(s, sep) {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		name, value, ok := strings.Cut(p, "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok || name == "":
			l.out.Add(diag.SettingsType, at.pos, at.path, "%s: expected entries of the form %s", at.name, form)
		case seen[name]:
			l.out.Add(diag.SettingsDuplicate, at.pos, at.path, "%s: '%s' is written twice", at.name, name)
		default:
			seen[name] = true
			add(name, strings.TrimSpace(value))
		}
	}
}
