package model

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// namedValues checks that {{name}} can be written and means one value.
func (v *validator) namedValues() {
	owners := map[string]*NamedValue{}
	for _, n := range v.s.NamedValues {
		res := "namedValues/" + n.ID
		pos := n.Places.At("displayName", n.Pos)
		if n.DisplayName == "" {
			continue // the source has reported it
		}
		v.length(pos, res, "displayName", n.DisplayName, 256)
		if i := strings.IndexFunc(n.DisplayName, func(r rune) bool { return !isNamedValueRune(r) }); i >= 0 {
			r, _ := utf8.DecodeRuneInString(n.DisplayName[i:])
			v.out.Add(diag.RuleNamedValue, pos, res, "display name '%s' must not hold %q; letters, digits, '-', '.' and '_' are allowed", n.DisplayName, r)
		}
		if first := owners[fold(n.DisplayName)]; first != nil {
			v.out.Add(diag.RuleNamedValueTwice, pos, res, "{{%s}} is named value '%s' already (%s)", n.DisplayName, first.ID, first.Places.At("displayName", first.Pos))
		} else {
			owners[fold(n.DisplayName)] = n
		}
		if size := utf8.RuneCountInString(n.Value.Reveal()); size > 4096 { // counted, never shown
			v.out.Add(diag.RuleLength, n.Places.At("value", n.Pos), res, "the value has %d characters, at most 4096 are allowed", size)
		}
		if len(n.Tags) > 32 {
			v.out.Add(diag.RuleLength, n.Pos, res, "a named value has at most 32 tags, not %d", len(n.Tags))
		}
	}
}

// isNamedValueRune is ^[A-Za-z0-9-._]+$ of NamedValueCreateContract.
func isNamedValueRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_'
}

func (v *validator) backends() {
	for _, b := range v.s.Backends {
		res := "backends/" + b.ID
		v.length(b.Places.At("title", b.Pos), res, "title", b.Title, 300)
		v.length(b.Places.At("description", b.Pos), res, "description", b.Description, 2000)
		v.length(b.Places.At("url", b.Pos), res, "url", b.URL, 2000)
		if strings.EqualFold(b.Type, "Pool") {
			v.pool(b, res)
			continue
		}
		if b.URL == "" {
			v.out.Add(diag.RuleBackendURL, b.Pos, res, "backend '%s' has no url", b.ID)
		} else if problem := urlProblem(b.URL, []string{"http", "https", "ws", "wss"}); problem != "" {
			v.out.Add(diag.RuleBackendURL, b.Places.At("url", b.Pos), res, "url %s", problem)
		}
		var raw struct{ Protocol string }
		if json.Unmarshal(b.Properties, &raw) == nil && raw.Protocol != "" && raw.Protocol != "http" {
			known := []string{"http", "soap"}
			f := v.out.Add(diag.RuleProtocol, b.Places.At("protocol", b.Pos), res, "backend protocol '%s' is not known", raw.Protocol)
			if f.Hint = diag.DidYouMean(raw.Protocol, known); raw.Protocol == "soap" {
				f.Message, f.Hint = "backends of protocol 'soap' are not supported yet", ""
			}
		}
	}
}

func (v *validator) pool(b *Backend, res string) {
	if len(b.Pool) == 0 {
		v.out.Add(diag.RulePool, b.Places.At("pool", b.Pos), res, "pool '%s' has no members", b.ID)
	}
	known := names(v.s.Backends, func(x *Backend) string { return x.ID })
	seen := map[string]bool{}
	for _, m := range b.Pool {
		pos := m.Pos
		if pos == (diag.Pos{}) {
			pos = b.Pos
		}
		member := v.backendByID[fold(m.BackendID)]
		switch {
		case member == nil:
			v.out.Add(diag.RulePool, pos, res, "pool member '%s' does not exist", m.BackendID).Hint = diag.DidYouMean(m.BackendID, known)
		case strings.EqualFold(member.Type, "Pool"):
			v.out.Add(diag.RulePool, pos, res, "pool member '%s' is a pool itself", m.BackendID)
		case seen[fold(m.BackendID)]:
			v.out.Add(diag.RulePool, pos, res, "pool member '%s' is listed twice", m.BackendID)
		}
		seen[fold(m.BackendID)] = true
		if m.Priority < 0 || m.Priority > 100 || m.Weight < 0 || m.Weight > 100 {
			v.out.Add(diag.RulePool, pos, res, "priority and weight of a pool member are 0 to 100")
		}
	}
}
