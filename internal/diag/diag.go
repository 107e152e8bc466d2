// Package diag holds findings: what is wrong (or worth knowing) about a
// configuration, with a stable code, a position and a hint.
// It knows nothing of APIM, files or HTTP; every other room may import it.
// Start at Finding; List collects, Write prints, Catalogue explains the codes.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity of a finding. An error refuses the resource it names.
type Severity uint8

// Severities, most severe first.
const (
	Error Severity = iota
	Warning
	Info
)

// String returns the word used in text, JSON and SARIF output.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "info"
	}
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Pos is a place in a file. Line and Col count from 1; 0 means "unknown".
// Col counts characters (runes), as editors do.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"column,omitempty"`
}

// String prints file:line:col, leaving out what is unknown.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	s := fmt.Sprintf("%d:%d", p.Line, p.Col)
	if p.File == "" {
		return s
	}
	return p.File + ":" + s
}

// Finding is one statement about a configuration.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Pos      `json:"position"`
	Path     string `json:"path,omitempty"` // what it is about: a resource ("apis/chat") or an element path
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"` // what to do about it
}

// String prints a finding on one line: position, severity, code, message, hint.
func (f Finding) String() string {
	var b strings.Builder
	if p := f.Pos.String(); p != "" {
		b.WriteString(p + ": ")
	}
	fmt.Fprintf(&b, "%s %s: %s", f.Severity, f.Code, f.Message)
	if f.Hint != "" {
		b.WriteString(" (" + f.Hint + ")")
	}
	return b.String()
}

// List is a set of findings in the making. The zero value is ready.
type List []Finding

// Add appends a finding at pos whose severity is the code's own.
func (l *List) Add(code Code, pos Pos, path, format string, args ...any) *Finding {
	*l = append(*l, Finding{Code: code, Severity: code.Severity(), Pos: pos, Path: path, Message: fmt.Sprintf(format, args...)})
	return &(*l)[len(*l)-1]
}

// WithHint sets the hint of the finding that Add returned.
func (f *Finding) WithHint(format string, args ...any) *Finding {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// HasErrors reports whether any finding is an error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(f Finding) bool { return f.Severity == Error })
}

// Count returns how many findings have severity s.
func (l List) Count(s Severity) int {
	n := 0
	for _, f := range l {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Sort orders by file, line, column, severity, code and removes exact repeats.
func (l *List) Sort() {
	slices.SortStableFunc(*l, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	*l = slices.Compact(*l)
}

// Err returns nil when there is no error among the findings, otherwise an
// error that names the first one and how many follow.
func (l List) Err() error {
	n := l.Count(Error)
	for _, f := range l {
		if f.Severity != Error {
			continue
		}
		if n == 1 {
			return fmt.Errorf("%s", f)
		}
		return fmt.Errorf("%s (and %d more)", f, n-1)
	}
	return nil
}
