//go:build linux

package h1

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// sock is a connection that reads into pooled memory. While it waits for bytes
// on a plain TCP connection it holds no buffer: the socket is asked again when
// it is readable, and memory is taken only then.
type sock struct {
	nc   net.Conn
	to   net.Conn        // what is written to: the socket itself where raw is
	raw  syscall.RawConn // nil where bytes are not read from the socket itself (TLS)
	pool *buffers

	buf   *buffer // nil while there is nothing unread
	r, w  int     // unread bytes are buf.b[r:w]
	class int     // of the next buffer

	n      int // result of readFn
	err    error
	readFn func(fd uintptr) bool

	readBy  time.Time // the deadline set for reads, zero for none
	writeBy time.Time

	out     []byte // rest of a write that must not wait
	wrote   int
	outErr  error
	writeFn func(fd uintptr) bool
	vec     [3][]byte
	bufs    net.Buffers

	peekFn func(fd uintptr)
	one    [1]byte
}

// wrapped is implemented by connections that stand for another one: those of
// a PROXY protocol listener, and TLS.
type wrapped interface{ NetConn() net.Conn }

// socketOf returns the socket under c, nil when there is none.
func socketOf(c net.Conn) syscall.RawConn {
	s, ok := innermost(c).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func innermost(c net.Conn) net.Conn {
	for {
		w, ok := c.(wrapped)
		if !ok {
			return c
		}
		c = w.NetConn()
	}
}

// readSocketOf returns the socket that c reads from byte for byte, nil when c
// changes the bytes (TLS) or holds some back.
func readSocketOf(c net.Conn) syscall.RawConn {
	switch t := c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return socketOf(c)
	case interface{ Transparent() bool }:
		if t.Transparent() {
			return socketOf(c)
		}
	}
	return nil
}

func (s *sock) init(c net.Conn, raw syscall.RawConn, pool *buffers) {
	s.nc, s.to, s.raw, s.pool = c, c, raw, pool
	if raw != nil {
		s.to = innermost(c)
	}
	s.readFn, s.writeFn, s.peekFn = s.tryRead, s.tryWrite, s.peek
}

// unread returns the bytes that have been read and not used.
func (s *sock) unread() []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf.b[s.r:s.w]
}

// use marks n unread bytes as used and gives the buffer back when none is
// left. Slices of the buffer must not be used after the next read.
func (s *sock) use(n int) {
	s.r += n
	if s.r == s.w && s.buf != nil {
		s.r, s.w = 0, 0
	}
}

// release gives the buffer back when nothing in it is unread.
func (s *sock) release() {
	if s.buf != nil && s.r == s.w {
		s.pool.put(s.buf)
		s.buf, s.r, s.w = nil, 0, 0
	}
}

// detach hands the buffer to the caller, who gives it back.
func (s *sock) detach() *buffer {
	b := s.buf
	s.buf, s.r, s.w = nil, 0, 0
	return b
}

// fill reads more bytes behind the unread ones. The end of the stream is
// io.EOF.
func (s *sock) fill() error {
	if s.buf != nil {
		if s.r == s.w {
			s.r, s.w = 0, 0
		} else if s.w == len(s.buf.b) {
			s.makeRoom()
		}
		if s.buf.class < s.class && s.w == 0 {
			s.pool.put(s.buf)
			s.buf = nil
		}
	}
	if s.raw == nil {
		return s.fillThrough()
	}
	if s.buf != nil && s.w == 0 {
		s.pool.put(s.buf)
		s.buf = nil
	}
	if err := s.raw.Read(s.readFn); err != nil {
		return err
	}
	return s.filled(s.n, s.err)
}

func (s *sock) fillThrough() error {
	if s.buf == nil {
		s.buf = s.pool.get(s.class)
	}
	n, err := s.nc.Read(s.buf.b[s.w:])
	if n > 0 {
		err = nil
	}
	return s.filled(n, err)
}

// filled learns from a read how large the next buffer should be: bulk bodies
// are read with large ones, events with small ones.
func (s *sock) filled(n int, err error) error {
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	s.w += n
	switch {
	case s.w == len(s.buf.b) && s.class < class64K:
		s.class++
	case s.class > class4K && n <= classSize(s.class-1)/2:
		s.class--
	}
	return nil
}

// makeRoom moves unread bytes to the front, or into a larger buffer when they
// fill this one.
func (s *sock) makeRoom() {
	if s.r > 0 {
		s.w = copy(s.buf.b, s.buf.b[s.r:s.w])
		s.r = 0
		return
	}
	if s.buf.class == numClasses-1 {
		return // callers bound what they leave unread
	}
	old := s.buf
	s.buf = s.pool.get(old.class + 1)
	s.w = copy(s.buf.b, old.b[:s.w])
	s.pool.put(old)
}

// tryRead is called by the runtime when the socket may be readable.
func (s *sock) tryRead(fd uintptr) bool {
	if s.buf == nil {
		s.buf = s.pool.get(s.class)
		s.r, s.w = 0, 0
	}
	for {
		s.n, s.err = syscall.Read(int(fd), s.buf.b[s.w:])
		switch s.err {
		case nil:
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			if s.w == 0 {
				s.pool.put(s.buf)
				s.buf = nil
			}
			return false
		}
		s.n, s.err = 0, os.NewSyscallError("read", s.err)
		return true
	}
}

// readable reports, without waiting, whether a read would return: bytes, the
// end, or an error.
func (s *sock) readable() bool {
	if s.raw == nil {
		return false
	}
	s.err = nil
	if s.raw.Control(s.peekFn) != nil {
		return true
	}
	return s.err != syscall.EAGAIN
}

func (s *sock) peek(fd uintptr) {
	_, _, s.err = syscall.Recvfrom(int(fd), s.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
}

// longWait is from where on a deadline need not be exact.
const longWait = 30 * time.Second

// readWithin bounds the reads to come. Setting a deadline costs more than most
// other steps, so a long one is set with an eighth to spare and left alone
// while it is good enough.
func (s *sock) readWithin(now time.Time, d time.Duration) {
	spare := time.Duration(0)
	if d > longWait {
		spare = d / 8
	}
	if left := s.readBy.Sub(now); left < d || left > d+spare {
		s.readBy = now.Add(d + spare)
		_ = s.nc.SetReadDeadline(s.readBy)
	}
}

func (s *sock) readForever() {
	if !s.readBy.IsZero() {
		s.readBy = time.Time{}
		_ = s.nc.SetReadDeadline(s.readBy)
	}
}

// writeWithin bounds the writes to come, with a quarter to spare.
func (s *sock) writeWithin(now time.Time, d time.Duration) {
	if d <= 0 {
		return
	}
	if left := s.writeBy.Sub(now); left < d || left > d+d/4 {
		s.writeBy = now.Add(d + d/4)
		_ = s.nc.SetWriteDeadline(s.writeBy)
	}
}

func (s *sock) writeForever() {
	if !s.writeBy.IsZero() {
		s.writeBy = time.Time{}
		_ = s.nc.SetWriteDeadline(s.writeBy)
	}
}

// write sends the parts as one: with writev on a socket, and joined for TLS,
// where every write is a record of its own. It returns how much has left.
func (s *sock) write(parts ...[]byte) (int64, error) {
	if len(parts) == 1 {
		n, err := s.to.Write(parts[0])
		return int64(n), err
	}
	if s.raw == nil {
		return s.writeJoined(parts)
	}
	n := copy(s.vec[:], parts)
	s.bufs = s.vec[:n]
	sent, err := s.bufs.WriteTo(s.to)
	clear(s.vec[:])
	return sent, err
}

func (s *sock) writeJoined(parts [][]byte) (sent int64, err error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := s.pool.get(classFor(n))
	defer s.pool.put(b)
	rest := b.b[:0]
	flush := func(p []byte) {
		if err == nil && len(p) > 0 {
			var n int
			n, err = s.to.Write(p)
			sent += int64(n)
		}
	}
	for _, p := range parts {
		if len(rest)+len(p) > cap(rest) {
			flush(rest)
			rest = rest[:0]
		}
		if len(p) > cap(rest) {
			flush(p)
			continue
		}
		rest = append(rest, p...)
	}
	flush(rest)
	return sent, err
}

// writeNow sends what the socket takes without waiting and returns how much
// that was.
func (s *sock) writeNow(p []byte) (int, error) {
	s.out, s.wrote, s.outErr = p, 0, nil
	err := s.raw.Write(s.writeFn)
	s.out = nil
	if err == nil {
		err = s.outErr
	}
	return s.wrote, err
}

func (s *sock) tryWrite(fd uintptr) bool {
	for s.wrote < len(s.out) {
		n, err := syscall.Write(int(fd), s.out[s.wrote:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			s.outErr = os.NewSyscallError("write", err)
			return true
		default:
			s.wrote += n
		}
	}
	return true
}

// past is a deadline that has gone by: setting it wakes a blocked call.
func past() time.Time { return time.Unix(1, 0) }
