package databricks

import "io"

// eventFilter passes an event stream on and leaves out the lines that clients
// of this surface cannot read: comments and the fields event, id and retry.
// MLflow's predict_stream splits every non-empty line at its first colon and
// raises unless the name is "data". All other bytes, line ends included, pass
// untouched and at once; at most six bytes are ever held back. A blank line
// that ends a block of which nothing was kept goes with it.
type eventFilter struct {
	w io.Writer
	// What the block so far consists of.
	kept, cut bool
	state     lineState
	// wasCut is the fate of the line that a CR ended; an LF behind it shares it.
	wasCut bool
	held   [maxHeld]byte // a line's beginning that may still turn out to be cut
	nheld  int

	events int // blocks with something kept
	bytes  int64
	err    error
}

type lineState uint8

const (
	lineStart lineState = iota // at the first byte of a line, or holding some
	lineKept
	lineCut
	lineCR // behind a CR
)

const maxHeld = len("event") + 1

// verdict on a line's beginning.
type verdict uint8

const (
	undecided verdict = iota
	keepLine
	cutLine
)

// judge looks at the beginning of a non-blank line; a CR or LF may end it.
func judge(line []byte) verdict {
	var name string
	switch line[0] {
	case ':':
		return cutLine
	case 'e':
		name = "event"
	case 'i':
		name = "id"
	case 'r':
		name = "retry"
	default:
		return keepLine
	}
	for k := range len(name) {
		if k == len(line) {
			return undecided
		}
		if line[k] != name[k] {
			return keepLine
		}
	}
	if len(line) == len(name) {
		return undecided
	}
	switch line[len(name)] {
	case ':', '\r', '\n':
		return cutLine
	}
	return keepLine
}

// feed handles p and reports whether anything was written. Chunks without a
// line to leave out are written as they are, in one piece.
func (f *eventFilter) feed(p []byte) (wrote bool, err error) {
	before := f.bytes
	from := 0 // p[from:i] is to be kept
	for i := 0; i < len(p); {
		switch c := p[i]; f.state {
		case lineCR:
			f.state = lineStart
			if c == '\n' {
				if f.wasCut {
					f.put(p[from:i])
					from = i + 1
				}
				i++
			}
		case lineStart:
			if f.nheld == 0 && (c == '\n' || c == '\r') {
				from = f.blank(p, from, i)
				i++
				continue
			}
			i, from = f.begin(p, from, i)
		case lineKept:
			for i < len(p) && p[i] != '\n' && p[i] != '\r' {
				i++
			}
			if i < len(p) {
				f.endLine(p[i], false)
				i++
			}
		case lineCut:
			i++
			from = i
			if c == '\n' || c == '\r' {
				f.endLine(c, true)
			}
		}
	}
	f.put(p[from:])
	return f.bytes > before, f.err
}

// begin judges the line at i. Undecided bytes are held back: p is used up.
func (f *eventFilter) begin(p []byte, from, i int) (nextI, nextFrom int) {
	line := p[i:min(len(p), i+maxHeld)]
	if f.nheld > 0 {
		n := copy(f.held[f.nheld:], line)
		line = f.held[:f.nheld+n]
	}
	switch judge(line) {
	case keepLine:
		if f.nheld > 0 {
			f.put(f.held[:f.nheld]) // from is i: a held line begins its chunk
			f.nheld = 0
		}
		f.kept, f.state = true, lineKept
		return i, from
	case cutLine:
		f.put(p[from:i])
		f.nheld = 0
		f.cut, f.state = true, lineCut
		return i, i
	}
	f.put(p[from:i])
	if f.nheld == 0 {
		copy(f.held[:], line)
	}
	f.nheld = len(line)
	return len(p), len(p)
}

// blank handles the blank line at i and returns the new from.
func (f *eventFilter) blank(p []byte, from, i int) int {
	drop := f.cut && !f.kept
	if f.kept {
		f.events++
	}
	f.kept, f.cut = false, false
	f.endLine(p[i], drop)
	if drop {
		f.put(p[from:i])
		return i + 1
	}
	return from
}

func (f *eventFilter) endLine(end byte, cut bool) {
	f.state, f.wasCut = lineStart, cut
	if end == '\r' {
		f.state = lineCR
	}
}

// finish writes what is still held back when the stream ends inside a line.
func (f *eventFilter) finish() (wrote bool, err error) {
	before := f.bytes
	if f.nheld > 0 {
		switch string(f.held[:f.nheld]) {
		case "event", "id", "retry": // complete names without a value
		default:
			f.kept = true
			f.put(f.held[:f.nheld])
		}
		f.nheld = 0
	}
	if f.kept {
		f.events++
		f.kept = false
	}
	return f.bytes > before, f.err
}

func (f *eventFilter) put(b []byte) {
	if len(b) == 0 || f.err != nil {
		return
	}
	n, err := f.w.Write(b)
	f.bytes += int64(n)
	f.err = err
}
