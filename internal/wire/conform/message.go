package conform

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sallyport/internal/wire"
)

// message is a request or an answer as it stood on the wire, read by a parser
// that forgives nothing, so that what an engine sends is checked by the way.
type message struct {
	Start   string
	Header  wire.Header
	Body    string
	Trailer wire.Header
	Chunks  []int // sizes, the last without
	Framing string
	Interim []message // 1xx in front of an answer
}

// Ways a body can be framed.
const (
	noBody    = "none"
	byLength  = "length"
	byChunks  = "chunked"
	untilDone = "close"
)

var (
	errShortLine = errors.New("a line does not end with CR LF")
	errFraming   = errors.New("Content-Length and Transfer-Encoding together")
)

func (m *message) status() int {
	_, rest, _ := strings.Cut(m.Start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(code)
	return n
}

func (m *message) reason() string {
	parts := strings.SplitN(m.Start, " ", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// closes reports whether the sender announced the end of the connection.
func (m *message) closes() bool { return wire.HasToken(m.Header.Joined("Connection"), "close") }

func line(br *bufio.Reader) (string, error) {
	s, err := br.ReadString('\n')
	if err != nil {
		if err == io.EOF && s != "" {
			err = io.ErrUnexpectedEOF
		}
		return s, err
	}
	s, ok := strings.CutSuffix(s, "\r\n")
	if !ok || strings.ContainsAny(s, "\r\x00") {
		return s, errShortLine
	}
	return s, nil
}

func readHead(br *bufio.Reader) (*message, error) {
	m := &message{}
	var err error
	if m.Start, err = line(br); err != nil {
		return m, err
	}
	m.Header, err = readFields(br)
	return m, err
}

func readFields(br *bufio.Reader) (wire.Header, error) {
	var h wire.Header
	for {
		s, err := line(br)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || s == "" {
			return h, err
		}
		name, value, ok := strings.Cut(s, ":")
		if !ok || !wire.ValidName(name) {
			return h, fmt.Errorf("header line %q", s)
		}
		h.Add(name, strings.Trim(value, " \t"))
	}
}

// readAnswer reads an answer with the interim ones in front of it.
func readAnswer(br *bufio.Reader, method string) (*message, error) {
	var interim []message
	for {
		m, err := readHead(br)
		if err != nil {
			return m, err
		}
		switch s := m.status(); {
		case s >= 100 && s < 200 && s != 101:
			interim = append(interim, *m)
			continue
		case !wire.BodyAllowed(method, s):
			m.Framing = noBody
		default:
			err = m.readBody(br, untilDone)
		}
		m.Interim = interim
		return m, err
	}
}

func readRequest(br *bufio.Reader) (*message, error) {
	m, err := readHead(br)
	if err == nil {
		err = m.readBody(br, noBody)
	}
	return m, err
}

func (m *message) readBody(br *bufio.Reader, otherwise string) error {
	length, sized := m.Header.Lookup("Content-Length")
	coding := m.Header.Get("Transfer-Encoding")
	switch {
	case sized && coding != "" || m.Header.Count("Content-Length") > 1 || m.Header.Count("Transfer-Encoding") > 1:
		return errFraming
	case coding == "chunked":
		m.Framing = byChunks
		return m.readChunks(br)
	case coding != "":
		return fmt.Errorf("transfer coding %q", coding)
	case sized:
		m.Framing = byLength
		n, err := strconv.ParseUint(length, 10, 40)
		if err != nil {
			return err
		}
		b := make([]byte, n)
		k, err := io.ReadFull(br, b)
		m.Body = string(b[:k])
		return err
	case otherwise == untilDone:
		m.Framing = untilDone
		b, err := io.ReadAll(br)
		m.Body = string(b)
		return err
	}
	m.Framing = noBody
	return nil
}

func (m *message) readChunks(br *bufio.Reader) error {
	var body strings.Builder
	defer func() { m.Body = body.String() }()
	for {
		s, err := line(br)
		if err != nil {
			return unexpected(err)
		}
		n, err := strconv.ParseUint(s, 16, 40)
		if err != nil {
			return err
		}
		if n == 0 {
			m.Trailer, err = readFields(br)
			return err
		}
		m.Chunks = append(m.Chunks, int(n))
		if _, err := io.CopyN(&body, br, int64(n)); err != nil {
			return unexpected(err)
		}
		s, err = line(br)
		if err != nil {
			return unexpected(err)
		}
		if s != "" {
			return fmt.Errorf("%q behind a chunk", s)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
