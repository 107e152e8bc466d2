package settings

import (
	"fmt"
	"strings"
)

// interpolate fills ${NAME} and ${NAME:-default} from env; the default also
// stands in for an empty variable, as in the shell. "$${" is a literal "${".
// Nothing in what is filled in is looked at again.
func interpolate(s string, env func(string) (string, bool)) (out string, filled bool, err error) {
	if !strings.Contains(s, "${") {
		return s, false, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), filled, nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		inner, rest, ok := strings.Cut(s[i+2:], "}")
		if !ok {
			return "", false, fmt.Errorf("'${' without '}'")
		}
		name, def, hasDefault := strings.Cut(inner, ":-")
		if !isVariable(name) {
			return "", false, fmt.Errorf("'${%s}' is not the name of an environment variable", name)
		}
		v, ok := env(name)
		switch {
		case hasDefault && v == "":
			v = def
		case !ok:
			return "", false, fmt.Errorf("the environment variable %s is not set", name)
		}
		b.WriteString(v)
		filled = true
		s = rest
	}
}

func isVariable(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLetter(c) && c != '_' && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return s != ""
}
