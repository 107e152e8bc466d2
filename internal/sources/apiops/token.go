package apiops

import (
	"bytes"
	"regexp"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/sources/internal/tree"
)

// Tokens are replaced after YAML has been read, so that a value can hold any
// character. Until then the brackets are four private-use characters: an
// unquoted {#NAME#} is not YAML, and the same number of characters keeps
// columns right.
const (
	openMask  = "\uE000\uE001"
	closeMask = "\uE002\uE003"
)

// token is {#NAME#} or {#NAME:default#}, on one line.
var token = regexp.MustCompile(`\{#(.*?)#\}`)

// tokenName is what an environment variable can be called.
var tokenName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// parseOverride reads an override file and fills in its tokens.
func (l *loader) parseOverride(data []byte, file string) *tree.Node {
	for line, rest := 1, data; ; line++ {
		text, more, found := bytes.Cut(rest, []byte("\n"))
		if i := bytes.IndexAny(text, openMask+closeMask); i >= 0 {
			l.out.Add(diag.SourceYAMLSyntax, diag.Pos{File: file, Line: line, Col: len([]rune(string(text[:i]))) + 1}, "", "private-use characters U+E000 to U+E003 cannot be used here")
			return nil
		}
		if !found {
			break
		}
		rest = more
	}
	masked := token.ReplaceAll(data, []byte(openMask+"$1"+closeMask))
	n := tree.ParseYAML(masked, file, "", &l.out)
	if n != nil {
		n = l.fill(n)
	}
	return n
}

// fill replaces the tokens in all scalar values of n.
func (l *loader) fill(n *tree.Node) *tree.Node {
	out := *n
	switch n.Kind {
	case tree.String:
		l.fillText(&out)
	case tree.List:
		out.Items = make([]*tree.Node, len(n.Items))
		for i, it := range n.Items {
			out.Items[i] = l.fill(it)
		}
	case tree.Object:
		out.Members = make([]tree.Member, len(n.Members))
		for i, m := range n.Members {
			m.Value = l.fill(m.Value)
			out.Members[i] = m
		}
	}
	return &out
}

func (l *loader) fillText(n *tree.Node) {
	var b strings.Builder
	rest := n.Text
	for {
		before, after, found := strings.Cut(rest, openMask)
		b.WriteString(before)
		if !found {
			break
		}
		inner, tail, _ := strings.Cut(after, closeMask)
		b.WriteString(l.tokenValue(inner, n.Pos))
		n.Filled = true
		rest = tail
	}
	if i := strings.Index(b.String(), "{#"); i >= 0 && !n.Filled {
		l.out.Add(diag.OverrideToken, n.Pos, "", "'{#' opens a token that is not closed").WithHint("write {#NAME#} or {#NAME:default#}")
	}
	n.Text = b.String()
}

func (l *loader) tokenValue(inner string, pos diag.Pos) string {
	name, def, hasDef := strings.Cut(inner, ":")
	if !tokenName.MatchString(name) {
		l.out.Add(diag.OverrideToken, pos, "", "'{#%s#}' is not a token", inner).WithHint("write {#NAME#} or {#NAME:default#}; names hold letters, digits, '_', '-' and '.'")
		return ""
	}
	if v, ok := l.opts.Tokens(name); ok {
		return v
	}
	if !hasDef {
		l.out.Add(diag.OverrideToken, pos, "", "token '%s' has no value", name).WithHint("set the environment variable %s, or write a default: {#%s:default#}", name, name)
	}
	return def
}

// unmask shows a text that still holds masked tokens as it was written.
func unmask(s string) string {
	return strings.NewReplacer(openMask, "{#", closeMask, "#}").Replace(s)
}
