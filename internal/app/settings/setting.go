package settings

import (
	"strings"
	"unicode"

	"sallyport/internal/secret"
)

// setting is one line of the table.
type setting struct {
	path string // "gateway.limits.headers"
	typ  string // for the reference
	def  string // as it would be written in the environment
	doc  string
	fill filler
}

// filler puts a value into Settings; the shapes below implement it.
type filler interface {
	// fromYAML reads a node of the file.
	fromYAML(l *loader, at origin, v node)
	// fromText reads the form of environment variables, flags and defaults.
	fromText(l *loader, at origin, s string)
}

func one[T any](path string, k kind[T], def, doc string, place func(*Settings) *T) setting {
	return setting{path, k.typ, def, doc, single[T]{k, place}}
}

func list[T any](path string, k kind[T], def, doc string, place func(*Settings) *[]T) setting {
	return setting{path, "list of " + k.typ, def, doc, listing[T]{k, place}}
}

func named[T any](path string, k kind[T], doc string, place func(*Settings) *map[string]T) setting {
	return setting{path, "map of " + k.typ, "", doc, mapping[T]{k, place}}
}

func scoped(path string, k kind[secret.Text], doc string, place func(*Settings) *map[string]map[string]secret.Text) setting {
	return setting{path, "map of maps of " + k.typ, "", doc, scopes{k, place}}
}

func tokens(path, doc string, place func(*Settings) *[]Token) setting {
	return setting{path, "list of {name, value}", "", doc, tokenList{place}}
}

// envPrefix begins every environment variable that is a setting.
const envPrefix = "SALLYPORT_"

// envName is the environment variable of a setting: gateway.tls.certFile is
// SALLYPORT_GATEWAY_TLS_CERT_FILE.
func envName(path string) string {
	var b strings.Builder
	b.WriteString(envPrefix)
	for _, c := range path {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c):
			b.WriteByte('_')
			b.WriteRune(c)
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
	}
	return b.String()
}

// clientVariables are read by clients and by commands that talk to a running
// gateway ('sallyport demo --print-env' prints them). They are no settings,
// and no mistake either.
func clientVariables() []string {
	return []string{
		"SALLYPORT_GATEWAY_URL", "SALLYPORT_MANAGEMENT_URL", "SALLYPORT_SERVING_URL",
		"SALLYPORT_API_KEY", "SALLYPORT_MODEL_KEY", "SALLYPORT_TOKEN",
	}
}
