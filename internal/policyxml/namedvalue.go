package policyxml

import "strings"

// Ref is a {{name}} in a text: text[Start:End] is the reference with its braces.
type Ref struct {
	Name       string
	Start, End int
}

// NamedValues returns the references to named values in text. Braces around
// anything but a display name (letters, digits, '.', '-', '_') are left alone:
// they are C# or liquid.
func NamedValues(text string) []Ref {
	var refs []Ref
	for i := 0; ; {
		k := strings.Index(text[i:], "{{")
		if k < 0 {
			return refs
		}
		start := i + k
		end := start + 2
		for end < len(text) && isDisplayName(text[end]) {
			end++
		}
		if end == start+2 || !strings.HasPrefix(text[end:], "}}") {
			i = start + 1 // "{{{x}}" holds a reference after its first brace
			continue
		}
		i = end + 2
		refs = append(refs, Ref{Name: text[start+2 : end], Start: start, End: i})
	}
}

func isDisplayName(c byte) bool {
	return c == '.' || c == '-' || c == '_' || ('0' <= c && c <= '9') || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z')
}

// Substitute replaces the references that lookup knows. The others stay as they
// are and are returned. Values are not searched for references again, as in APIM.
func Substitute(text string, lookup func(name string) (value string, ok bool)) (out string, missing []Ref) {
	var b strings.Builder
	last := 0
	for _, r := range NamedValues(text) {
		v, ok := lookup(r.Name)
		if !ok {
			missing = append(missing, r)
			continue
		}
		b.WriteString(text[last:r.Start])
		b.WriteString(v)
		last = r.End
	}
	if last == 0 {
		return text, missing
	}
	b.WriteString(text[last:])
	return b.String(), missing
}

// mask makes every reference an identifier of the same length, so that the C#
// scanner neither sees its braces as blocks nor its name as tokens ("{{2nd-try}}").
func mask(text string) string {
	refs := NamedValues(text)
	if len(refs) == 0 {
		return text
	}
	b := []byte(text)
	for _, r := range refs {
		for i := r.Start; i < r.End; i++ {
			b[i] = '_'
		}
	}
	return string(b)
}
