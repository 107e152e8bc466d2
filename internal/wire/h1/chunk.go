//go:build linux

package h1

import (
	"errors"

	"sallyport/internal/wire"
)

// Limits of the chunked coding.
const (
	maxExtension = 256      // bytes of one chunk extension
	maxOverhead  = 16 << 10 // bytes of extensions in one body; thereafter it is an attack
	maxTrailers  = 8 << 10
	maxSizeDigit = 15
)

var (
	errChunkSize = errors.New("a chunk size is not valid")
	errChunkExt  = errors.New("a chunk extension is not valid")
	errChunkEnd  = errors.New("a chunk does not end with CR LF")
	errTrailer   = errors.New("a trailer is not valid")
)

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExt
	chunkSizeLF
	chunkData
	chunkCR
	chunkLF
	chunkTrailer
	chunkDone
)

// chunked decodes the chunked transfer coding as bytes come (RFC 9112 §7.1).
type chunked struct {
	state    chunkState
	digits   int
	left     int64 // of the running chunk
	ext      int   // bytes of the running extension
	overhead int
	scan     scanner
	trailer  []byte
	fields   wire.Header
}

// decode takes apart src. It returns the payload, moved together inside src,
// and how many bytes of src are used up. The state is chunkDone at the end.
func (c *chunked) decode(src []byte) (payload []byte, used int, err error) {
	begin, end := 0, 0 // of the payload in src
	for used < len(src) && c.state != chunkDone {
		if c.state == chunkData {
			n := int(min(c.left, int64(len(src)-used)))
			if end == begin {
				begin, end = used, used+n
			} else {
				copy(src[end:], src[used:used+n])
				end += n
			}
			used += n
			if c.left -= int64(n); c.left == 0 {
				c.state = chunkCR
			}
			continue
		}
		if c.state == chunkTrailer {
			n, err := c.trailers(src[used:])
			used += n
			if err != nil {
				return nil, used, err
			}
			continue
		}
		if err := c.mark(src[used]); err != nil {
			return nil, used, err
		}
		used++
	}
	return src[begin:end], used, nil
}

// mark takes one byte of what stands between payloads.
func (c *chunked) mark(b byte) error {
	switch c.state {
	case chunkSize:
		return c.size(b)
	case chunkExt:
		if b == '\r' {
			c.state = chunkSizeLF
			return nil
		}
		c.ext++
		c.overhead++
		if b < ' ' && b != '\t' || b == 0x7f || c.ext > maxExtension || c.overhead > maxOverhead {
			return errChunkExt
		}
	case chunkSizeLF:
		if b != '\n' {
			return errChunkSize
		}
		if c.left == 0 {
			c.state = chunkTrailer
			return nil
		}
		c.state = chunkData
	case chunkCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = chunkLF
	default: // chunkLF
		if b != '\n' {
			return errChunkEnd
		}
		c.state, c.digits, c.left, c.ext = chunkSize, 0, 0, 0
	}
	return nil
}

func (c *chunked) size(b byte) error {
	var d int64
	switch {
	case '0' <= b && b <= '9':
		d = int64(b - '0')
	case 'a' <= b && b <= 'f':
		d = int64(b-'a') + 10
	case 'A' <= b && b <= 'F':
		d = int64(b-'A') + 10
	case c.digits == 0:
		return errChunkSize
	case b == '\r':
		c.state = chunkSizeLF
		return nil
	case b == ';':
		c.state = chunkExt
		return nil
	default:
		return errChunkSize
	}
	if c.digits++; c.digits > maxSizeDigit {
		return errChunkSize
	}
	c.left = c.left<<4 | d
	return nil
}

// trailers gathers the lines behind the last chunk.
func (c *chunked) trailers(src []byte) (int, error) {
	if len(c.trailer) == 0 {
		// Nearly always there are none: just the blank line.
		if len(src) >= 2 && src[0] == '\r' && src[1] == '\n' {
			c.state = chunkDone
			return 2, nil
		}
		c.trailer = append(c.trailer, "x\r\n"...) // the scanner wants a start line
	}
	had := len(c.trailer)
	c.trailer = append(c.trailer, src[:min(len(src), maxTrailers+4)]...)
	n, err := c.scan.next(c.trailer, 8, maxTrailers)
	if err != nil {
		return 0, errTrailer
	}
	if n == 0 {
		return len(c.trailer) - had, nil
	}
	var f framing
	c.fields, err = parseHeader(string(c.trailer[3:n]), nil, 64, &f)
	if err != nil || f.lengths > 0 || f.codings > 0 || f.hosts > 0 || f.expect {
		return 0, errTrailer
	}
	c.state, c.trailer = chunkDone, nil
	return n - had, nil
}
