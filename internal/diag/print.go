package diag

import (
	"bufio"
	"io"
	"strings"
	"unicode"
)

// maxShown is how many characters of a source line are printed at most.
const maxShown = 120

// Write prints the findings for people: each on a line, below it the source
// line with a caret under the column, and the hint. source returns the text of
// a file, false when it is not at hand. A summary is the caller's.
func Write(w io.Writer, list List, source func(file string) (text string, ok bool), color bool) error {
	p := printer{Writer: bufio.NewWriter(w), source: source, color: color, files: map[string][]string{}}
	for _, f := range list {
		p.finding(f)
	}
	return p.Flush()
}

// printer needs no error checks: bufio.Writer keeps the first one for Flush.
type printer struct {
	*bufio.Writer
	source func(string) (string, bool)
	color  bool
	files  map[string][]string // lines of the files asked for so far
}

// Styles of the terminal (ANSI).
const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	cyan   = "\x1b[1;36m"
	reset  = "\x1b[0m"
)

func tint(s Severity) string {
	switch s {
	case Error:
		return red
	case Warning:
		return yellow
	default:
		return cyan
	}
}

func (p *printer) finding(f Finding) {
	where := f.Pos.String()
	if where == "" {
		where = f.Path
	}
	if where != "" {
		p.put(bold, where+": ")
	}
	p.put(tint(f.Severity), f.Severity.String()+" "+string(f.Code))
	p.put("", ": "+f.Message)
	p.put("", "\n")
	if line, ok := p.line(f.Pos); ok {
		shown, indent := excerpt(line, f.Col)
		p.put("", "    "+shown)
		p.put("", "\n")
		p.put("", "    "+indent)
		p.put(tint(f.Severity), "^")
		p.put("", "\n")
	}
	if f.Hint != "" {
		p.put(bold, "  hint: ")
		p.put("", f.Hint)
		p.put("", "\n")
	}
}

// put writes s in a style; "\n" alone is the printer's own line end.
func (p *printer) put(style, s string) {
	if s != "\n" {
		s = strings.Map(visible, s)
	}
	if p.color && style != "" {
		s = style + s + reset
	}
	_, _ = p.WriteString(s)
}

// visible keeps text that comes from files from steering the terminal or
// breaking the layout.
func visible(r rune) rune {
	switch {
	case r == '\t':
		return r
	case r == '\n':
		return ' '
	case r < 0x20:
		return '\u2400' + r // the pictures of control characters
	case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r):
		return unicode.ReplacementChar
	}
	return r
}

func (p *printer) line(pos Pos) (string, bool) {
	if p.source == nil || pos.Line < 1 || pos.Col < 1 {
		return "", false
	}
	lines, known := p.files[pos.File]
	if !known {
		if text, ok := p.source(pos.File); ok {
			lines = splitLines(text)
		}
		p.files[pos.File] = lines
	}
	if pos.Line > len(lines) {
		return "", false
	}
	return lines[pos.Line-1], true
}

// splitLines ends lines as positions count them: at LF, CR LF or a lone CR. A
// byte order mark is no column.
func splitLines(text string) []string {
	text = strings.TrimPrefix(text, "\uFEFF")
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}

// excerpt returns the part of a line to show around a column, and what puts a
// caret below that column. Tabs stay tabs, so that both lines widen alike.
func excerpt(line string, col int) (shown, indent string) {
	rs := []rune(line)
	at := min(col-1, len(rs))
	from, to := 0, len(rs)
	if len(rs) > maxShown {
		from = max(0, min(at-maxShown/2, len(rs)-maxShown))
		to = from + maxShown
	}
	blank := func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case unicode.Is(unicode.Mn, r): // stands on the character before it
			return -1
		}
		return ' '
	}
	shown, indent = string(rs[from:to]), strings.Map(blank, string(rs[from:at]))
	if from > 0 {
		shown, indent = "…"+shown, " "+indent
	}
	if to < len(rs) {
		shown += "…"
	}
	return shown, indent
}
