package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ScanTemplate finds the {name} parts of a URL template or of a piece of one.
// literal is the rest in lower case with {} for each part: templates are
// matched without case.
func ScanTemplate(s string) (literal string, names []string, err error) {
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(strings.ToLower(s))
			break
		}
		if s[i] == '}' {
			return "", nil, errors.New("has a '}' without '{'")
		}
		b.WriteString(strings.ToLower(s[:i]))
		end := strings.IndexAny(s[i+1:], "{}/?")
		if end < 0 || s[i+1+end] != '}' {
			return "", nil, errors.New("has a '{' that is not closed within its segment")
		}
		name := s[i+1 : i+1+end]
		if name == "" {
			return "", nil, errors.New("has a parameter without a name")
		}
		if slices.Contains(names, name) {
			return "", nil, fmt.Errorf("holds parameter '%s' twice", name)
		}
		names = append(names, name)
		b.WriteString("{}")
		s = s[i+end+2:]
	}
	return b.String(), names, nil
}

// RequestKey identifies the requests that method and template answer: names of
// path parameters and the order of the query play no part. Two operations of an
// API must not have the same key.
func RequestKey(method, template string) (string, error) {
	path, query, _ := strings.Cut(template, "?")
	literal, _, err := ScanTemplate(path)
	if err != nil {
		return "", err
	}
	var parts []string
	if query != "" {
		parts = strings.Split(query, "&")
	}
	for i, q := range parts {
		name, value, _ := strings.Cut(q, "=")
		if strings.HasPrefix(value, "{") {
			value = "{}"
		}
		parts[i] = strings.ToLower(name) + "=" + value
	}
	slices.Sort(parts)
	return method + " " + literal + "?" + strings.Join(parts, "&"), nil
}
