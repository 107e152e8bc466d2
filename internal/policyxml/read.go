package policyxml

import (
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
)

// reader walks a document once, from left to right. It goes on after an error
// where the document says clearly enough how to; once it had to guess, it no
// longer complains about tags that do not match.
type reader struct {
	*source
	format   Format
	at       int // raw offset
	findings diag.List
	root     *Node
	open     []*Node // from the root to the innermost element
	tag      string  // element whose start tag is being read
	nodes    int
	guesses  int
	errors   int
	warnings int
	unsure   bool
	stopped  bool
	ruler    ruler
}

func (r *reader) document() {
	for !r.stopped && r.at < len(r.raw) {
		if r.raw[r.at] == '<' {
			r.markup()
		} else {
			r.run()
		}
	}
	switch {
	case r.stopped:
	case len(r.open) > 0 && !r.unsure:
		n := r.open[len(r.open)-1]
		r.findings.Add(diag.PolicyTag, n.Pos, n.Name, "The element '%s' is not closed.", n.Name).WithHint("add </%s>", n.Name)
	case r.root == nil && !r.findings.HasErrors():
		r.report(diag.PolicyXML, 0, "Root element is missing.").WithHint("a policy document begins with <policies>, a fragment with <fragment>")
	}
	for len(r.open) > 0 {
		r.pop(len(r.raw))
	}
}

// report adds a finding at a raw offset.
func (r *reader) report(code diag.Code, at int, format string, args ...any) *diag.Finding {
	if r.stopped {
		return &diag.Finding{}
	}
	if code.Severity() != diag.Error {
		if r.warnings++; r.warnings > maxWarnings {
			return &diag.Finding{}
		}
	} else if r.errors++; r.errors > maxErrors {
		r.stopped = true
		return r.findings.Add(diag.PolicyReadStopped, r.place(at), "", "Reading stopped after %d errors.", maxErrors)
	}
	path := r.tag
	if path == "" && len(r.open) > 0 {
		path = r.open[len(r.open)-1].Name
	}
	return r.findings.Add(code, r.place(at), path, format, args...)
}

// stop is report for errors after which nothing can be read.
func (r *reader) stop(code diag.Code, at int, format string, args ...any) *diag.Finding {
	f := r.report(code, at, format, args...)
	r.stopped = true
	return f
}

func (r *reader) place(raw int) diag.Pos { return r.ruler.pos(r.source, raw) }

// peek returns the byte at the current place, 0 at the end.
func (r *reader) peek() byte {
	if r.at >= len(r.raw) {
		return 0
	}
	return r.raw[r.at]
}

func (r *reader) peekRune() rune {
	c, _ := utf8.DecodeRuneInString(r.raw[r.at:])
	return c
}

// index returns the raw offset of the first s at or after from, -1 when there is none.
func (r *reader) index(from int, s string) int {
	k := strings.Index(r.raw[from:], s)
	if k < 0 {
		return -1
	}
	return from + k
}

// space skips white space and reports whether there was any.
func (r *reader) space() bool {
	n := len(r.raw) - r.at - len(strings.TrimLeft(r.raw[r.at:], blanks))
	r.at += n
	return n > 0
}

func (r *reader) name() string {
	rest := r.raw[r.at:]
	n := strings.IndexFunc(rest, func(c rune) bool { return !isNameChar(c) })
	if n < 0 {
		n = len(rest)
	}
	r.at += n
	return rest[:n]
}

func (r *reader) markup() {
	rest := r.raw[r.at:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		r.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		r.cdata()
	case len(rest) >= 9 && strings.EqualFold(rest[:9], "<!doctype"):
		r.stop(diag.PolicyDoctype, r.at, "A document type declaration is not allowed.").WithHint("remove the DOCTYPE")
	case strings.HasPrefix(rest, "<?"):
		if k := r.index(r.at, "?>"); k >= 0 {
			r.at = k + 2
			return
		}
		r.stop(diag.PolicyXML, r.at, "The processing instruction is not closed; '?>' expected.")
	case strings.HasPrefix(rest, "</"):
		r.endTag()
	default:
		r.at++
		if isNameStart(r.peekRune()) {
			r.startTag()
			return
		}
		r.report(diag.PolicyXML, r.at-1, "'<' begins no tag here.").WithHint("write &lt; for the character itself")
	}
}

func (r *reader) comment() {
	start := r.at
	end := r.index(start+4, "-->")
	if end < 0 {
		r.stop(diag.PolicyXML, start, "The comment is not closed; '-->' expected.")
		return
	}
	body := r.raw[start+4 : end]
	if k := strings.Index(body+"-", "--"); k >= 0 && r.format == XML {
		r.report(diag.PolicyXML, start+4+k, "An XML comment cannot contain '--'.")
	} else if k >= 0 {
		r.report(diag.PolicyComment, start+4+k, "An XML comment cannot contain '--'; Azure may refuse the document.")
	}
	r.add(&Node{Kind: Comment, Text: body, Pos: r.place(start), origin: origin{r.source, start + 4, true}}, start)
	r.at = end + 3
}

func (r *reader) cdata() {
	start := r.at + len("<![CDATA[")
	end := r.index(start, "]]>")
	if end < 0 {
		r.stop(diag.PolicyXML, r.at, "The CDATA section is not closed; ']]>' expected.")
		return
	}
	if len(r.open) == 0 {
		r.outside(r.at)
	}
	n := &Node{Kind: Text, CDATA: true, Pos: r.place(start), origin: origin{r.source, start, true}}
	n.Text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(r.raw[start:end])
	r.add(n, r.at)
	if r.format == RawXML {
		n.Expr = r.inspect(mask(n.Text), n.origin)
	}
	r.at = end + 3
}

// add hangs n into the tree; false when the document has become too large.
func (r *reader) add(n *Node, at int) bool {
	r.nodes++
	if r.nodes > maxNodes {
		r.stop(diag.PolicyTooComplex, at, "The document has more than %d elements, texts and comments.", maxNodes)
		return false
	}
	if len(r.open) > 0 {
		p := r.open[len(r.open)-1]
		p.Children = append(p.Children, n)
	}
	return true
}

func (r *reader) outside(at int) {
	r.report(diag.PolicyXML, at, "Data at the root level is invalid: text outside the root element.")
}
