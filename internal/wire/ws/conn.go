package ws

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// Role of an end.
type Role bool

// Roles: a client masks what it sends, a server must not.
const (
	Server Role = false
	Client Role = true
)

// Conn is one end of a WebSocket without extensions. One goroutine may read
// while others write.
type Conn struct {
	rw    io.ReadWriter
	br    *bufio.Reader
	role  Role
	limit int64
	// Pinged, when set, is told of pings and pongs; pings are answered anyway.
	Pinged func(op Opcode, data []byte)

	mu   sync.Mutex // guards writing
	out  []byte
	sent bool // a close frame
}

// NewConn returns an end over rw after the handshake. A message longer than
// limit ends the connection with code 1009.
func NewConn(rw io.ReadWriter, role Role, limit int64) *Conn {
	return &Conn{rw: rw, br: bufio.NewReaderSize(rw, 4<<10), role: role, limit: limit}
}

// violation is what the other end did against the protocol.
type violation struct {
	code Code
	text string
}

func (v *violation) Error() string { return v.text }

func fail(code Code, format string, args ...any) error {
	return &violation{code, fmt.Sprintf(format, args...)}
}

// Read returns the next message. Pings are answered, a close frame is answered
// and returned as *CloseError; what breaks the protocol is answered with the
// close frame it deserves. An end without a close frame is io.ErrUnexpectedEOF.
func (c *Conn) Read() (Opcode, []byte, error) {
	op, data, err := c.message()
	var v *violation
	if errors.As(err, &v) {
		_ = c.Close(v.code, v.text)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return op, data, err
}

func (c *Conn) message() (Opcode, []byte, error) {
	var op Opcode
	var data []byte
	for {
		h, err := c.header()
		if err != nil {
			return 0, nil, err
		}
		if h.Opcode.IsControl() {
			if err := c.control(h); err != nil {
				return 0, nil, err
			}
			continue
		}
		switch {
		case op == 0 && h.Opcode == Continuation:
			return 0, nil, fail(ProtocolError, "continuation of nothing")
		case op != 0 && h.Opcode != Continuation:
			return 0, nil, fail(ProtocolError, "new message inside another")
		case h.Length > c.limit-int64(len(data)):
			return 0, nil, fail(TooBig, "message above %d bytes", c.limit)
		}
		if op == 0 {
			op = h.Opcode
		}
		if data, err = c.payload(data, h); err != nil {
			return 0, nil, err
		}
		if h.Fin {
			if op == Text && !utf8.Valid(data) {
				return 0, nil, fail(InvalidData, "text that is not UTF-8")
			}
			return op, data, nil
		}
	}
}

// header reads and judges one frame header.
func (c *Conn) header() (Header, error) {
	n := 2
	for {
		p, err := c.br.Peek(n)
		if err != nil {
			return Header{}, err
		}
		if want := headerLength(p); want > n {
			n = want
			continue
		}
		h, n, err := ParseHeader(p)
		if err != nil {
			return Header{}, fail(ProtocolError, "%v", err)
		}
		_, _ = c.br.Discard(n)
		switch {
		case h.Reserved != 0:
			return h, fail(ProtocolError, "reserved bits without an extension")
		case h.Masked == bool(c.role):
			return h, fail(ProtocolError, "frames from the client must be masked, those from the server must not")
		case h.Opcode > Pong || h.Opcode > Binary && h.Opcode < Close:
			return h, fail(ProtocolError, "unknown opcode %d", h.Opcode)
		case h.Opcode.IsControl() && (!h.Fin || h.Length > MaxControl):
			return h, fail(ProtocolError, "control frame in pieces or above %d bytes", MaxControl)
		}
		return h, nil
	}
}

// payload appends the payload of h to data. It grows with what arrives, not
// with what the header promises.
func (c *Conn) payload(data []byte, h Header) ([]byte, error) {
	start := len(data)
	for left := h.Length; left > 0; {
		at, n := len(data), min(left, 64<<10)
		data = append(data, make([]byte, n)...)
		if _, err := io.ReadFull(c.br, data[at:]); err != nil {
			return nil, err
		}
		left -= n
	}
	if h.Masked {
		Mask(data[start:], h.Key, 0)
	}
	return data, nil
}

func (c *Conn) control(h Header) error {
	data, err := c.payload(nil, h)
	if err != nil {
		return err
	}
	if h.Opcode != Close {
		if c.Pinged != nil {
			c.Pinged(h.Opcode, data)
		}
		if h.Opcode == Ping {
			return c.Write(Pong, data)
		}
		return nil
	}
	e, err := parseClose(data)
	if err != nil {
		return err
	}
	code := e.Code
	if code == NoStatus {
		code = Normal
	}
	_ = c.Close(code, "")
	return e
}

// Write sends one frame that is a whole message, or a control frame.
func (c *Conn) Write(op Opcode, data []byte) error {
	return c.WriteFrame(Header{Fin: true, Opcode: op}, data)
}

// WriteFrame sends one frame; length and mask of h are filled in.
func (c *Conn) WriteFrame(h Header, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent {
		return &CloseError{Code: Abnormal, Reason: "a close frame was sent"}
	}
	h.Length, h.Masked = int64(len(data)), bool(c.role)
	if h.Masked {
		h.Key = newKey()
	}
	c.out = append(AppendHeader(c.out[:0], h), data...)
	if h.Masked {
		Mask(c.out[len(c.out)-len(data):], h.Key, 0)
	}
	_, err := c.rw.Write(c.out)
	if cap(c.out) > 64<<10 {
		c.out = nil
	}
	return err
}

// Close sends a close frame, once. The connection stays open for the answer.
func (c *Conn) Close(code Code, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent {
		return nil
	}
	c.sent = true
	_, err := c.rw.Write(AppendClose(nil, code, reason, bool(c.role)))
	return err
}
