package sse

import (
	"bytes"
	"fmt"
)

// Limits of one event; zero fields mean the defaults.
const (
	DefaultMaxLine  = 4 << 20 // images come back as base64 in one data line
	DefaultMaxEvent = 8 << 20
)

// Options of a Scanner or Reader. The zero value is usable.
type Options struct {
	MaxLine  int // bytes of one line without its end
	MaxEvent int // bytes of one event with everything
	// SkipComments leaves out events with Comment set.
	SkipComments bool
}

// TooLongError says that a line or an event passed its limit.
type TooLongError struct {
	What  string // "line" or "event"
	Limit int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("read event stream: %s longer than %d bytes", e.What, e.Limit)
}

// Event is one block of a stream, up to and including its blank line. The
// slices belong to the scanner and are valid until its next call.
type Event struct {
	Event []byte // field "event"; nil when absent, which means "message"
	Data  []byte // the data lines joined by LF
	ID    []byte // field "id" of this block only, nil when absent
	// Raw is the exact bytes. The Raw of all events of a stream, comments
	// included, joined together are the stream.
	Raw []byte
	// Comment: the block has no data line, so a browser would dispatch nothing.
	// Keep-alive comments, stray blank lines, lone id or retry fields.
	Comment bool
	// Partial: the stream ended before the blank line. The HTML standard drops
	// such a block; several model servers end with "data: [DONE]" and one LF.
	Partial bool
}

// Done reports whether the event is the end mark of OpenAI-style streams.
func (e *Event) Done() bool {
	return !e.Comment && string(bytes.TrimSpace(e.Data)) == "[DONE]"
}

// Scanner is the push form: Feed it the bytes of a stream as they pass, in any
// pieces. It copies what it needs and allocates only while its buffers grow.
type Scanner struct {
	opt  Options
	emit func(*Event)

	buf     []byte // raw bytes of the block so far
	line    int    // where the current line begins in buf
	lineLen int    // its length, counted also while dropping
	joined  []byte // data lines, when there is more than one

	event, id, data span
	lines           int // data lines seen in this block

	begun  bool // the first line of the stream is behind us
	cr     bool // the last byte was a CR that may belong to a CRLF
	lone   bool // the line before ended in a CR alone
	skipLF bool // a CR ended a block at once; an LF directly behind it is its tail
	drop   bool // the block is too long: swallow it to its blank line

	ev  Event
	err error // the limit passed last, until reported
}

type span struct {
	from, to int
	set      bool
}

func (s span) of(b []byte) []byte {
	if !s.set {
		return nil
	}
	return b[s.from:s.to:s.to]
}

// NewScanner returns a scanner that calls emit for each event.
func NewScanner(opt Options, emit func(*Event)) *Scanner {
	if opt.MaxLine <= 0 {
		opt.MaxLine = DefaultMaxLine
	}
	if opt.MaxEvent <= 0 {
		opt.MaxEvent = DefaultMaxEvent
	}
	return &Scanner{opt: opt, emit: emit}
}

// Reset prepares the scanner for another stream and keeps its buffers.
func (s *Scanner) Reset() {
	buf, joined := s.buf[:0], s.joined[:0]
	*s = Scanner{opt: s.opt, emit: s.emit, buf: buf, joined: joined}
}

// Feed scans p. An event beyond a limit is dropped whole and reported as
// *TooLongError after the rest of p was scanned; the scanner stays usable.
func (s *Scanner) Feed(p []byte) error {
	for len(p) > 0 {
		n, ok := s.scan(p)
		p = p[n:]
		if ok {
			s.emit(&s.ev)
		}
	}
	return s.takeErr()
}

// Finish tells that the stream has ended; what is left over becomes a last
// event marked Partial.
func (s *Scanner) Finish() error {
	if s.finish() {
		s.emit(&s.ev)
	}
	return s.takeErr()
}

func (s *Scanner) takeErr() error {
	err := s.err
	s.err = nil
	return err
}

// scan consumes bytes of p until one event to report is complete or p is used
// up. The event stays valid until the next call.
func (s *Scanner) scan(p []byte) (n int, ok bool) {
	for n < len(p) {
		if s.skipLF {
			s.skipLF = false
			if p[n] == '\n' {
				s.keep(p[n : n+1])
				s.line = len(s.buf)
				n++
				continue
			}
		}
		if s.cr {
			s.cr = false
			eol := 1
			if p[n] == '\n' {
				s.keep(p[n : n+1])
				n++
				eol = 2
			}
			if s.endLine(eol, eol == 1) {
				return n, true
			}
			continue
		}
		i := lineEnd(p[n:])
		if i < 0 {
			s.take(p[n:])
			return len(p), false
		}
		s.take(p[n : n+i])
		s.keep(p[n+i : n+i+1])
		n += i + 1
		switch {
		case p[n-1] == '\n':
			ok = s.endLine(1, false)
		case s.lone && s.lineLen == 0:
			// In a stream whose lines end in CR alone, waiting for the byte
			// after the blank line would hold the event back until the next one.
			s.skipLF = true
			ok = s.endLine(1, true)
		default:
			s.cr = true
		}
		if ok {
			return n, true
		}
	}
	return n, false
}

// lineEnd returns the index of the first CR or LF. Streams with CR are rare,
// so the second search runs over one line only.
func lineEnd(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i >= 0 {
		p = p[:i]
	}
	if j := bytes.IndexByte(p, '\r'); j >= 0 {
		return j
	}
	return i
}

// take adds bytes of the current line.
func (s *Scanner) take(p []byte) {
	s.lineLen += len(p)
	if !s.drop && s.lineLen > s.opt.MaxLine {
		s.refuse("line", s.opt.MaxLine)
	}
	s.keep(p)
}

// keep adds bytes to the raw block.
func (s *Scanner) keep(p []byte) {
	if !s.drop && len(s.buf)+len(p) > s.opt.MaxEvent {
		s.refuse("event", s.opt.MaxEvent)
	}
	if !s.drop {
		s.buf = append(s.buf, p...)
	}
}

func (s *Scanner) refuse(what string, limit int) {
	s.drop = true
	if s.err == nil {
		s.err = &TooLongError{What: what, Limit: limit}
	}
}

// endLine handles the line whose last eol bytes are its end; true when it
// completed an event to report.
func (s *Scanner) endLine(eol int, lone bool) bool {
	blank := s.lineLen == 0
	if !s.drop {
		line := s.buf[s.line : len(s.buf)-eol]
		if !s.begun {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			blank = len(line) == 0
		}
		if !blank {
			s.field(line, len(s.buf)-eol-len(line))
		}
	}
	s.begun, s.lineLen, s.lone = true, 0, lone
	if blank {
		return s.endBlock(false)
	}
	s.line = len(s.buf)
	return false
}

// field handles one line; at is where it begins in buf.
func (s *Scanner) field(line []byte, at int) {
	colon := bytes.IndexByte(line, ':')
	if colon == 0 {
		return
	}
	name, v := line, span{len(line) + at, len(line) + at, true}
	if colon > 0 {
		name = line[:colon]
		v.from = at + colon + 1
		if colon+1 < len(line) && line[colon+1] == ' ' {
			v.from++
		}
	}
	switch string(name) {
	case "data":
		s.dataLine(v)
	case "event":
		s.event = v
	case "id":
		// The standard ignores an id with a NUL in it.
		if bytes.IndexByte(v.of(s.buf), 0) < 0 {
			s.id = v
		}
	}
}

func (s *Scanner) dataLine(v span) {
	switch s.lines++; s.lines {
	case 1:
		s.data = v
	case 2:
		s.joined = append(s.joined[:0], s.data.of(s.buf)...)
		fallthrough
	default:
		s.joined = append(s.joined, '\n')
		s.joined = append(s.joined, v.of(s.buf)...)
	}
}

// endBlock makes the block the current event and starts the next one; false
// when there is nothing to report.
func (s *Scanner) endBlock(partial bool) bool {
	e := Event{Raw: s.buf[:len(s.buf):len(s.buf)], Comment: s.lines == 0, Partial: partial}
	e.Event, e.ID, e.Data = s.event.of(s.buf), s.id.of(s.buf), s.data.of(s.buf)
	if s.lines > 1 {
		e.Data = s.joined[:len(s.joined):len(s.joined)]
	}
	ok := !s.drop && !(e.Comment && s.opt.SkipComments)
	s.ev = e
	s.buf, s.line, s.lineLen, s.lines, s.drop = s.buf[:0], 0, 0, 0, false
	s.event, s.id, s.data = span{}, span{}, span{}
	return ok
}

// finish ends the stream; true when an event is left to report.
func (s *Scanner) finish() bool {
	if s.cr {
		s.cr = false
		if s.endLine(1, true) {
			return true
		}
	}
	if len(s.buf) == 0 {
		s.endBlock(true)
		return false
	}
	if s.lineLen > 0 && s.endLine(0, false) {
		s.ev.Partial = true // nothing but a byte order mark
		return true
	}
	if len(s.buf) == 0 {
		return false
	}
	return s.endBlock(true)
}
