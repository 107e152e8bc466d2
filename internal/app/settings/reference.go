package settings

import (
	"fmt"
	"strings"
)

// Reference is the settings reference in Markdown, made of the table.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Settings

Settings come from the file given with ` + "`-c`" + `, from environment variables and from flags; the later win.
Paths in the file are relative to the file. A value in the file may hold ` + "`${NAME}` or `${NAME:-default}`" + `,
which are filled in from the environment; ` + "`$${`" + ` is a literal ` + "`${`" + `. Durations are written as ` + "`200ms`, `30s`, `5m`" + `,
sizes as ` + "`65536`, `64KiB`, `16MiB`" + `. In the environment a list is separated by commas, a map is a list of
` + "`name=value`" + ` (` + "`scope/key=value`" + ` for ` + "`serving.secrets`" + `), separated by commas or, when a value holds one, by line ends.
An empty variable counts as not set. Unknown names are errors in the file and warnings in the environment.
`)
	group := ""
	for _, st := range table() {
		if g, _, _ := strings.Cut(st.path, "."); g != group {
			group = g
			fmt.Fprintf(&b, "\n## %s\n\n| Setting | Environment | Type | Default | Meaning |\n|---|---|---|---|---|\n", g)
		}
		def := ""
		if st.def != "" {
			def = "`" + st.def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", st.path, envName(st.path), strings.ReplaceAll(st.typ, "|", "\\|"), def, st.doc)
	}
	return b.String()
}
