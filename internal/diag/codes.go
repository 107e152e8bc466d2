package diag

import "slices"

// Code names a kind of finding. Codes are stable: they are searched for,
// suppressed and linked to, so one is never given a second meaning.
type Code string

// CodeInfo explains a code; the findings catalogue in docs is made of these.
type CodeInfo struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // one line: what is wrong
	Help     string   `json:"help"`  // what to do about it
}

// Catalogue returns every code, sorted. Each area of the house adds its own in
// a file named after it (codes_policy.go, codes_settings.go …).
func Catalogue() []CodeInfo {
	all := slices.Concat(settingsCodes(), sourceCodes(), policyCodes(), checkCodes(), builtinCodes(), servingCodes(), rangesCodes())
	slices.SortFunc(all, func(a, b CodeInfo) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return all
}

var severities = func() map[Code]Severity {
	m := map[Code]Severity{}
	for _, c := range Catalogue() {
		m[c.Code] = c.Severity
	}
	return m
}()

// Severity is the severity a code has in the catalogue; Error for one that is
// not listed, so that a forgotten entry can only be too strict.
func (c Code) Severity() Severity { return severities[c] }
