package apiops

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// forbidden holds the characters that no ARM resource name of APIM may have.
const forbidden = "*#&+:<>?"

// fragmentID is the rule of PolicyFragmentContract: word characters, with '-'
// allowed inside.
var fragmentID = regexp.MustCompile(`^(\w+|\w[\w-]+\w)$`)

// maxID returns the longest id of a kind (ARM path parameters of APIM).
func maxID(kind string) int {
	switch kind[strings.LastIndexByte(kind, '/')+1:] {
	case "apis", "products", "groups", "subscriptions", "namedValues", "loggers":
		return 256
	default:
		return 80
	}
}

// checkID reports ids that ARM would not accept.
func (l *loader) checkID(kind, id, res, file string) {
	pos := diag.Pos{File: file}
	if kind == "policyFragments" && !fragmentID.MatchString(id) {
		l.out.Add(diag.SourceID, pos, res, "id '%s' may hold only letters, digits and '_', with '-' inside", id)
	}
	bare := id
	if kind == "apis" {
		bare, _, _ = strings.Cut(id, ";rev=")
	}
	if i := strings.IndexAny(bare, forbidden); i >= 0 {
		l.out.Add(diag.SourceID, pos, res, "id '%s' holds '%c'; ids must not hold any of %s", id, bare[i], forbidden)
	}
	if n := utf8.RuneCountInString(id); n > maxID(kind) {
		l.out.Add(diag.SourceID, pos, res, "the id has %d characters, at most %d are allowed", n, maxID(kind))
	}
}

// reference is what an ARM id, full or relative, leads to.
type reference struct {
	kind string // "apis", "products" …; "" = the service itself
	id   string
}

// parseReference understands /apis/x, apis/x, full ARM ids of the service's
// resources, and the service's own id.
func parseReference(s string) (reference, bool) {
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if s == "" {
		return reference{}, false
	}
	if s == "/" {
		return reference{}, true
	}
	if strings.EqualFold(parts[0], "subscriptions") && len(parts) > 2 || strings.EqualFold(parts[0], "providers") {
		i := serviceEnd(parts)
		if i < 0 {
			return reference{}, false
		}
		parts = parts[i:]
	}
	switch len(parts) {
	case 0:
		return reference{}, true
	case 1:
		return reference{kind: parts[0]}, parts[0] != ""
	case 2:
		return reference{kind: parts[0], id: parts[1]}, parts[0] != "" && parts[1] != ""
	default:
		return reference{}, false
	}
}

// serviceEnd finds the end of …/Microsoft.ApiManagement/service/{name}.
func serviceEnd(parts []string) int {
	for i := 0; i+2 < len(parts); i++ {
		if strings.EqualFold(parts[i], "Microsoft.ApiManagement") && strings.EqualFold(parts[i+1], "service") {
			return i + 3
		}
	}
	return -1
}

// referenceID reads a reference that must be of one kind: "/apiVersionSets/x".
// A bare id is accepted, as APIM itself does for some properties.
func referenceID(s, kind string) (string, bool) {
	if !strings.Contains(s, "/") {
		return s, true
	}
	r, ok := parseReference(s)
	if !ok || !strings.EqualFold(r.kind, kind) || r.id == "" {
		return "", false
	}
	return r.id, true
}

// withoutRevision cuts ";rev=N" off an API id.
func withoutRevision(id string) string {
	bare, _, _ := strings.Cut(id, ";rev=")
	return bare
}
