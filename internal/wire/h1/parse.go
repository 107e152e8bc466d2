//go:build linux

package h1

import (
	"bytes"
	"errors"
	"strings"

	"sallyport/internal/wire"
)

// refusal is what is wrong with a message, and how a server answers it.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func bad(why string) *refusal { return &refusal{400, why} }

var (
	errTargetTooLong  = &refusal{414, "the request target is too long"}
	errHeadTooLarge   = &refusal{431, "the header lines are too large"}
	errTooManyHeaders = &refusal{431, "there are too many header lines"}
	errUnknownCoding  = &refusal{501, "the transfer coding is not supported"}
	errVersion        = &refusal{505, "the HTTP version is not supported"}
	errConnect        = &refusal{405, "a gateway opens no tunnels"}
	errExpectation    = &refusal{417, "the expectation cannot be met"}

	errBareLF      = bad("a line ends without CR")
	errStartLine   = bad("the start line is not valid")
	errHeaderName  = bad("a header name is not valid")
	errHeaderValue = bad("a header value has control bytes")
	errFold        = bad("header lines must not be folded")
	errLength      = bad("Content-Length is not one decimal number")
	errLengths     = bad("there are several Content-Length lines")
	errBothLengths = bad("Content-Length and Transfer-Encoding exclude each other")
	errCodings     = bad("there are several Transfer-Encoding lines")
	errOldCoding   = bad("HTTP/1.0 has no Transfer-Encoding")
	errHost        = bad("there must be one valid Host")
	errAmbiguous   = bad("a header name differs from a framing header only by an underscore")
)

// scanner finds the end of a head as its bytes arrive, looking at each once.
type scanner struct {
	pos   int // begin of the line being read
	first int // length of the start line with its end, 0 before
}

// next looks at buf, which grows between calls. It returns the length of the
// head with its blank line, 0 when more bytes are needed.
func (s *scanner) next(buf []byte, maxTarget, maxHeaders int) (int, error) {
	for {
		i := bytes.IndexByte(buf[s.pos:], '\n')
		if i < 0 {
			return 0, s.tooLarge(len(buf), maxTarget, maxHeaders)
		}
		if i == 0 || buf[s.pos+i-1] != '\r' {
			return 0, errBareLF
		}
		blank := i == 1
		s.pos += i + 1
		switch {
		case s.first == 0:
			s.first = s.pos
			if err := s.tooLarge(s.pos, maxTarget, maxHeaders); err != nil {
				return 0, err
			}
			if blank {
				return 0, errStartLine
			}
		case blank:
			return s.pos, s.tooLarge(s.pos, maxTarget, maxHeaders)
		}
	}
}

// lineSlack is what a start line has beside its target.
const lineSlack = 64

func (s *scanner) tooLarge(n, maxTarget, maxHeaders int) error {
	if s.first == 0 {
		if n > maxTarget+lineSlack {
			return errTargetTooLong
		}
		return nil
	}
	if n-s.first > maxHeaders+2 {
		return errHeadTooLarge
	}
	return nil
}

// framing is what the header lines say of the body and the connection.
type framing struct {
	length   int64 // -1 = none given
	chunked  bool
	close    bool
	keep     bool // keep-alive, for HTTP/1.0
	upgrade  bool // Connection lists upgrade
	expect   bool
	hosts    int
	host     string
	codings  int
	lengths  int
	trailers string
}

// parseHeader reads header lines up to the blank line into h. text is the head
// behind the start line; every line in it ends with CR LF.
func parseHeader(text string, h wire.Header, max int, f *framing) (wire.Header, error) {
	f.length = -1
	for {
		end := strings.IndexByte(text, '\n') // the scanner has seen the CR before it
		if end <= 1 {
			return h, nil
		}
		line := text[:end-1]
		text = text[end+1:]
		if len(h) >= max {
			return h, errTooManyHeaders
		}
		colon := strings.IndexByte(line, ':')
		if colon <= 0 {
			if line[0] == ' ' || line[0] == '\t' {
				return h, errFold
			}
			return h, errHeaderName
		}
		name := line[:colon]
		if !wire.ValidName(name) {
			if line[0] == ' ' || line[0] == '\t' {
				return h, errFold
			}
			return h, errHeaderName
		}
		value := trim(line[colon+1:])
		if !wire.ValidValue(value) {
			return h, errHeaderValue
		}
		if err := f.note(name, value); err != nil {
			return h, err
		}
		h = append(h, wire.Field{Name: name, Value: value})
	}
}

// trim takes off the white space that may surround a value; most have one
// space in front.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// note takes up a header that frames the message.
func (f *framing) note(name, value string) error {
	switch len(name) {
	case len("Host"):
		if wire.EqualName(name, "Host") {
			f.hosts++
			f.host = value
		}
	case len("Expect"):
		if wire.EqualName(name, "Expect") {
			if !wire.EqualName(value, "100-continue") {
				return errExpectation
			}
			f.expect = true
		}
	case len("Trailer"):
		if wire.EqualName(name, "Trailer") {
			f.trailers = value
		}
	case len("Connection"):
		if wire.EqualName(name, "Connection") {
			f.connection(value)
		}
	case len("Content-Length"):
		return f.noteLength(name, value)
	case len("Transfer-Encoding"):
		return f.noteCoding(name, value)
	}
	return nil
}

func (f *framing) connection(value string) {
	if value == "keep-alive" {
		f.keep = true
		return
	}
	f.close = f.close || wire.HasToken(value, "close")
	f.keep = f.keep || wire.HasToken(value, "keep-alive")
	f.upgrade = f.upgrade || wire.HasToken(value, "upgrade")
}

func (f *framing) noteLength(name, value string) error {
	if !wire.EqualName(name, "Content-Length") {
		if sameButUnderscore(name, "Content-Length") {
			return errAmbiguous
		}
		return nil
	}
	if f.lengths++; f.lengths > 1 {
		return errLengths
	}
	n, ok := decimal(value)
	if !ok {
		return errLength
	}
	f.length = n
	return nil
}

func (f *framing) noteCoding(name, value string) error {
	if !wire.EqualName(name, "Transfer-Encoding") {
		if sameButUnderscore(name, "Transfer-Encoding") {
			return errAmbiguous
		}
		return nil
	}
	if f.codings++; f.codings > 1 {
		return errCodings
	}
	if !wire.EqualName(value, "chunked") {
		return errUnknownCoding
	}
	f.chunked = true
	return nil
}

// sameButUnderscore finds names that servers which map '-' to '_' (CGI, WSGI)
// take for the framing header.
func sameButUnderscore(name, framing string) bool {
	return strings.IndexByte(name, '_') >= 0 && wire.EqualName(strings.ReplaceAll(name, "_", "-"), framing)
}

// decimal reads digits only: no sign, no space, no list, and no overflow.
func decimal(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// check applies the rules across header lines (RFC 9112 §6).
func (f *framing) check(old bool) error {
	switch {
	case f.chunked && old:
		return errOldCoding
	case f.chunked && f.lengths > 0:
		return errBothLengths
	}
	return nil
}

var errReply = errors.New("the answer is not valid HTTP/1.1")

// parseStatus reads "HTTP/1.1 200 OK".
func parseStatus(line string) (proto string, status int, reason string, err error) {
	if len(line) < len("HTTP/1.1 200") || line[:7] != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return "", 0, "", errReply
	}
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return "", 0, "", errReply
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || status > 999 {
		return "", 0, "", errReply
	}
	if rest := line[12:]; rest != "" {
		if rest[0] != ' ' || !wire.ValidValue(rest) {
			return "", 0, "", errReply
		}
		reason = rest[1:]
	}
	proto = "HTTP/1.1"
	if line[7] == '0' {
		proto = "HTTP/1.0"
	}
	return proto, status, reason, nil
}

// parseRequestLine reads "GET /path HTTP/1.1".
func parseRequestLine(line string) (method, target string, old bool, err error) {
	i := strings.IndexByte(line, ' ')
	k := strings.LastIndexByte(line, ' ')
	if i <= 0 || k <= i+1 {
		return "", "", false, errStartLine
	}
	method, target = line[:i], line[i+1:k]
	if !wire.ValidName(method) || !validTarget(target) {
		return "", "", false, errStartLine
	}
	switch version := line[k+1:]; {
	case version == "HTTP/1.1":
		return method, target, false, nil
	case version == "HTTP/1.0":
		return method, target, true, nil
	case len(version) == 8 && version[:5] == "HTTP/" && isDigit(version[5]) && version[6] == '.' && isDigit(version[7]):
		return "", "", false, errVersion
	}
	return "", "", false, errStartLine
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// validTarget refuses white space and control bytes. Bytes above ASCII pass:
// clients that do not encode them exist, and every server reads them alike.
func validTarget(t string) bool {
	if !wire.ValidValue(t) || strings.IndexByte(t, ' ') >= 0 || strings.IndexByte(t, '\t') >= 0 {
		return false
	}
	path, _, _ := strings.Cut(t, "?")
	return validEscapes(path)
}

// validEscapes refuses a percent sign without two digits behind it, which each
// server on the way would read in its own way. Queries are left alone: clients
// that send "100%" there exist.
func validEscapes(path string) bool {
	for {
		i := strings.IndexByte(path, '%')
		if i < 0 {
			return true
		}
		if i+2 >= len(path) || !isHexDigit(path[i+1]) || !isHexDigit(path[i+2]) {
			return false
		}
		path = path[i+3:]
	}
}

func isHexDigit(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
