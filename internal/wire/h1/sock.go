//go:build linux

package h1

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// sock is a connection that reads into pooled memory. While it waits for bytes
// on a plain TCP connection it holds no buffer: the socket is asked again when
// it is readable, and memory is taken only then.
type sock struct {
	nc   net.Conn
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

	vec     [3]syscall.Iovec
	out     []syscall.Iovec // what is left of vec to send
	sent    int64
	wait    bool
	outErr  error
	writeFn func(fd uintptr) bool
	askFn   func(fd uintptr) bool
	asked   bool // by askFn
	look    bool // askFn looks at the connection first

	peekFn func(fd uintptr)
	one    [1]byte
	peeked syscall.Errno
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
	s.nc, s.raw, s.pool = c, raw, pool
	s.readFn, s.writeFn, s.askFn, s.peekFn = s.tryRead, s.tryWrite, s.tryAsk, s.peek
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
	old := s.buf // callers bound what they leave unread
	if old.class >= numClasses-1 {
		s.buf = &buffer{b: make([]byte, 2*len(old.b)), class: classOwn}
	} else {
		s.buf = s.pool.get(old.class + 1)
	}
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
		n, e := sysRead(fd, s.buf.b[s.w:])
		switch e {
		case 0:
			s.n, s.err = n, nil
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
		s.n, s.err = 0, os.NewSyscallError("read", e)
		return true
	}
}

// readable reports, without waiting, whether a read would return: bytes, the
// end, or an error.
func (s *sock) readable() bool {
	if s.raw == nil {
		return false
	}
	return s.raw.Control(s.peekFn) != nil || s.peeked != syscall.EAGAIN
}

func (s *sock) peek(fd uintptr) {
	s.peeked = sysPeek(fd, s.one[:])
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
	switch {
	case s.raw != nil:
		n := 0
		for _, p := range parts {
			if len(p) > 0 {
				s.vec[n] = iovec(p)
				n++
			}
		}
		return s.writeVec(n, true)
	case len(parts) == 1:
		n, err := s.nc.Write(parts[0])
		return int64(n), err
	}
	return s.writeJoined(parts)
}

// writeVec sends s.vec[:n]; wait = until all of it has left.
func (s *sock) writeVec(n int, wait bool) (int64, error) {
	s.out, s.sent, s.wait, s.outErr = s.vec[:n], 0, wait, nil
	err := s.raw.Write(s.writeFn)
	if err == nil {
		err = s.outErr
	}
	clear(s.vec[:n])
	s.out = nil
	return s.sent, err
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
			n, err = s.nc.Write(p)
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
	s.vec[0] = iovec(p)
	n, err := s.writeVec(1, false)
	return int(n), err
}

// ask sends p and waits for the first bytes of the answer, without trying to
// read before some can be there. It fails with errStale, and sends nothing, when
// a kept connection has ended or holds bytes that nobody asked for. It returns what of p has left; how the read
// went is told by the next fill.
func (s *sock) ask(p []byte, kept bool) (int64, error) {
	s.release()
	s.vec[0] = iovec(p)
	s.out, s.sent, s.outErr, s.asked = s.vec[:1], 0, nil, false
	s.n, s.err, s.look, s.peeked = 0, nil, kept, syscall.EAGAIN
	_ = s.raw.Read(s.askFn)
	rest := s.out
	s.out, s.vec[0] = nil, syscall.Iovec{}
	switch {
	case s.peeked != syscall.EAGAIN:
		return 0, errStale
	case s.outErr != nil:
		return s.sent, s.outErr
	case len(rest) > 0: // the socket did not take it all
		sent := s.sent
		n, err := s.write(p[sent:])
		return sent + n, err
	case s.n > 0:
		_ = s.filled(s.n, nil)
	}
	return s.sent, nil
}

// tryAsk writes first. The runtime was made ready to wait before this was
// called, so that an answer which comes at once is not missed, and no end of the
// connection either.
func (s *sock) tryAsk(fd uintptr) bool {
	if s.asked {
		return s.tryRead(fd)
	}
	s.asked, s.wait = true, false
	if s.look {
		if s.peek(fd); s.peeked != syscall.EAGAIN {
			return true
		}
	}
	return s.tryWrite(fd) && (len(s.out) > 0 || s.outErr != nil)
}

var errStale = errors.New("the kept connection has ended or holds bytes nobody asked for")

func iovec(p []byte) syscall.Iovec {
	return syscall.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))}
}

func bytesOf(v *syscall.Iovec) []byte { return unsafe.Slice(v.Base, v.Len) }

// tryWrite is called by the runtime when the socket may be writable.
func (s *sock) tryWrite(fd uintptr) bool {
	for len(s.out) > 0 {
		var n int
		var e syscall.Errno
		if len(s.out) == 1 {
			n, e = sysWrite(fd, bytesOf(&s.out[0]))
		} else {
			n, e = sysWritev(fd, s.out)
		}
		switch e {
		case 0:
			s.sent += int64(n)
			s.advance(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return !s.wait
		default:
			s.outErr = os.NewSyscallError("write", e)
			return true
		}
	}
	return true
}

// advance takes n bytes off the front of what is to be sent.
func (s *sock) advance(n int) {
	for len(s.out) > 0 && n >= int(s.out[0].Len) {
		n -= int(s.out[0].Len)
		s.out = s.out[1:]
	}
	if n > 0 {
		s.out[0] = iovec(bytesOf(&s.out[0])[n:])
	}
}

// past is a deadline that has gone by: setting it wakes a blocked call.
func past() time.Time { return time.Unix(1, 0) }
