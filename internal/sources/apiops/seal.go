package apiops

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/secret"
	"sallyport/internal/sources/internal/tree"
)

// onlyReferences matches a text that consists of named value references, which
// are safe to show.
var onlyReferences = regexp.MustCompile(`^(\{\{[^{}]+\}\}\s*)+$`)

// seal takes the secret values out of ARM properties: the result can be shown
// and logged, the secrets are kept by JSON pointer so that nothing is lost.
func seal(n *tree.Node) (json.RawMessage, map[string]secret.Text) {
	found := map[string]secret.Text{}
	clean := sealNode(n, nil, found)
	if len(found) == 0 {
		found = nil
	}
	return clean.JSON(), found
}

func sealNode(n *tree.Node, at []string, found map[string]secret.Text) *tree.Node {
	out := *n
	switch n.Kind {
	case tree.Object:
		out.Members = slices.Clone(n.Members)
		for i, m := range out.Members {
			out.Members[i].Value = sealNode(m.Value, append(at, m.Name), found)
		}
	case tree.List:
		out.Items = slices.Clone(n.Items)
		for i, it := range out.Items {
			out.Items[i] = sealNode(it, append(at, strconv.Itoa(i)), found)
		}
	case tree.String:
		if n.Text != "" && isSecret(at) && !onlyReferences.MatchString(n.Text) {
			found[pointer(at)] = secret.New(n.Text)
			out.Text = secret.Redacted
		}
	}
	return &out
}

// isSecret tells which ARM properties hold secrets: credentials of backends and
// loggers, keys, passwords, and values of named values.
func isSecret(at []string) bool {
	if len(at) == 0 {
		return false
	}
	switch strings.ToLower(at[len(at)-1]) {
	case "password", "connectionstring", "instrumentationkey", "primarykey", "secondarykey", "clientsecret":
		return true
	case "value":
		return len(at) == 1
	}
	if !strings.EqualFold(at[0], "credentials") || len(at) < 3 {
		return false
	}
	switch strings.ToLower(at[1]) {
	case "header", "query":
		return true
	case "authorization":
		return strings.EqualFold(at[2], "parameter")
	}
	return false
}

func pointer(at []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, p := range at {
		b.WriteString("/" + escape.Replace(p))
	}
	return b.String()
}
