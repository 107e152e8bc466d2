package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// excerpts gives findings the source lines that they are about. Output of
// validate ends up in build logs and that of serve in the log of the process,
// so a line that may hold a secret shows its key alone.
type excerpts map[string]string

// text is the text of a file, false when it cannot be read.
func (x excerpts) text(name string) (string, bool) {
	if text, ok := x[name]; ok {
		return text, true
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", false
	}
	text := string(b)
	if !harmless(name) {
		text = keysOnly(text)
	}
	x[name] = text
	return text, true
}

// harmless files have no place for secrets: in policies they are named values,
// a description of an API has none.
func harmless(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return filepath.Ext(base) == ".xml" || strings.HasPrefix(base, "specification.")
}

// keysOnly leaves of every line of a YAML or JSON file what stands before the
// first colon, and the whole line of keys that take no secret.
func keysOnly(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\r\n")
		b.WriteString(shownPart(body))
		b.WriteString(line[len(body):])
	}
	return b.String()
}

func shownPart(line string) string {
	if trimmed := strings.TrimSpace(line); trimmed == "" || strings.Trim(trimmed, "{}[],-") == "" {
		return line
	}
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return line[:len(line)-len(strings.TrimLeft(line, " \t-"))] + "…"
	}
	name := strings.Trim(key, " \t-\"'{")
	if slices.Contains([]string{"custom_provider_url", "provider", "task", "scope", "state"}, name) && plainValue(value) {
		return line
	}
	if value == "" || strings.Trim(value, " \t{[") == "" {
		return line
	}
	return key + ": …"
}

// plainValue reports a value that is alone on its line and, when it is a URL,
// carries no credentials.
func plainValue(v string) bool {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") || strings.Contains(v, "@") || strings.Contains(v, "\", ") {
		return false
	}
	_, query, _ := strings.Cut(v, "?")
	return query == "" || strings.HasPrefix(query, "api-version=") && !strings.Contains(query, "&")
}
