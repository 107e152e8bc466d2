package openapi

import (
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"

	"sallyport/internal/model"
)

// maxID is how much of an operationId APIM keeps; the rest is for "-1", "-2".
const maxID = 76

const maxDisplayName = 300

// nameOperation gives the operation its id and display name.
func (c *converter) nameOperation(op *model.Operation, n *yaml.Node, path string) {
	written := text(n, "operationId")
	base := normalize(written)
	if base == "" {
		base = normalize(strings.ToLower(op.Method + path))
	}
	op.ID = base
	for i := 1; c.ids[strings.ToLower(op.ID)]; i++ {
		op.ID = base + "-" + strconv.Itoa(i)
	}
	c.ids[strings.ToLower(op.ID)] = true

	op.DisplayName = strings.TrimSpace(text(n, "summary"))
	if op.DisplayName == "" {
		op.DisplayName = written
	}
	if op.DisplayName == "" {
		op.DisplayName = op.ID
	}
	if r := []rune(op.DisplayName); len(r) > maxDisplayName {
		op.DisplayName = string(r[:maxDisplayName])
	}
}

// normalize keeps letters, digits, '_' and '-' and writes every run of other
// characters as one '-'. The documented form is lower case; ids seen in logs
// keep case and '_', and both are compared without case.
func normalize(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
			continue
		}
		gap = true
	}
	id := b.String()
	if len(id) > maxID {
		id = id[:maxID]
	}
	return strings.Trim(id, "-")
}
