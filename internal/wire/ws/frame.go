// Package ws is the framing of WebSocket (RFC 6455): frame headers, the
// opening handshake, close frames, where one frame ends in bytes that pass by,
// and a connection that reads and writes whole messages.
// It must not know the gateway, nor make or accept connections itself.
// Start at Header; Tracker is what the gateway needs, Conn what an end needs.
package ws

import (
	"encoding/binary"
	"errors"
	"math"
)

// Opcode says what a frame carries.
type Opcode byte

// Opcodes; those from 8 on are control frames.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// IsControl reports whether frames of o are control frames, which may stand
// between the fragments of a message.
func (o Opcode) IsControl() bool { return o >= 8 }

// MaxHeader is the length of the longest frame header.
const MaxHeader = 14

// MaxControl is the longest payload of a control frame (RFC 6455 §5.5).
const MaxControl = 125

// ErrLength says that a payload length has its highest bit set (RFC 6455 §5.2).
var ErrLength = errors.New("frame length above 2^63-1")

// Header is the header of one frame.
type Header struct {
	Fin      bool
	Reserved byte // RSV1 to RSV3 in the lowest three bits; extensions use them
	Opcode   Opcode
	Masked   bool
	Key      [4]byte
	Length   int64
}

// ParseHeader reads the header at the beginning of p and returns its length,
// 0 when p does not hold all of it yet. What the fields mean is not judged;
// that a length uses more bytes than it needs is accepted.
func ParseHeader(p []byte) (h Header, n int, err error) {
	if n = headerLength(p); n == 0 || len(p) < n {
		return Header{}, 0, nil
	}
	h = Header{Fin: p[0]&0x80 != 0, Reserved: p[0] >> 4 & 7, Opcode: Opcode(p[0] & 0xf), Masked: p[1]&0x80 != 0}
	switch short := p[1] & 0x7f; short {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
	case 127:
		length := binary.BigEndian.Uint64(p[2:])
		if length > math.MaxInt64 {
			return Header{}, 0, ErrLength
		}
		h.Length = int64(length)
	default:
		h.Length = int64(short)
	}
	if h.Masked {
		copy(h.Key[:], p[n-4:n])
	}
	return h, n, nil
}

// headerLength is the length of the header that p begins with, 0 when two
// bytes are not there yet to tell it.
func headerLength(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	n := 2
	switch p[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if p[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// AppendHeader appends h to b, the length in the shortest form.
func AppendHeader(b []byte, h Header) []byte {
	first := byte(h.Opcode)&0xf | h.Reserved&7<<4
	if h.Fin {
		first |= 0x80
	}
	var mask byte
	if h.Masked {
		mask = 0x80
	}
	switch {
	case h.Length < 126:
		b = append(b, first, mask|byte(h.Length))
	case h.Length <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, first, mask|126), uint16(h.Length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, mask|127), uint64(h.Length))
	}
	if h.Masked {
		b = append(b, h.Key[:]...)
	}
	return b
}

// Mask masks p, or takes its mask off again. offset is where p begins within
// the payload.
func Mask(p []byte, key [4]byte, offset int64) {
	at := int(offset & 3)
	for len(p) > 0 && at != 0 {
		p[0] ^= key[at]
		p, at = p[1:], (at+1)&3
	}
	word := uint64(binary.LittleEndian.Uint32(key[:]))
	word |= word << 32
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
}
