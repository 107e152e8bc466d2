//go:build linux

package h1

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"sallyport/internal/wire"
)

var (
	errHeadTwice    = errors.New("the head has been written already")
	errNoHead       = errors.New("the head has not been written yet")
	errBadStatus    = errors.New("not a final status")
	errBodyTooLong  = errors.New("the body is longer than declared")
	errBodyTooShort = errors.New("the body is shorter than declared")
	errBadField     = errors.New("a header has a name or value that cannot be sent")
)

// responder is a wire.Responder. Small pieces are gathered until a flush, so
// that head, body and end of a short answer leave in one write.
type responder struct {
	c        *conn
	isHead   bool // the request was HEAD
	old      bool // HTTP/1.0
	close    bool
	wrote    bool
	finished bool
	aborted  bool
	mode     bodyState
	left     int64
	announce string
	trailers wire.Header
	stream   *stream
	failed   error

	out *buffer // memory of p
	p   []byte  // not sent yet

	interim sync.Mutex // 100 Continue is sent by the goroutine that reads the body
}

// start makes the responder that of the next request.
func (r *responder) start(isHead, old, close bool) {
	r.isHead, r.old, r.close = isHead, old, close
	r.wrote, r.finished, r.aborted = false, false, false
	r.mode, r.left, r.announce, r.trailers, r.failed = bodyNone, 0, "", nil, nil
}

// sendContinue asks the client for the body it announced, unless an answer is
// under way already.
func (r *responder) sendContinue() error {
	r.interim.Lock()
	defer r.interim.Unlock()
	r.c.body.continued()
	if r.wrote {
		return nil
	}
	r.c.writeWithin(time.Now(), r.c.s.cfg.WriteTimeout)
	_, err := r.c.nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// WriteHead takes status and header lines; they leave with the first flush.
func (r *responder) WriteHead(status int, reason string, h wire.Header, contentLength int64) error {
	r.interim.Lock()
	defer r.interim.Unlock()
	switch {
	case r.wrote:
		return &wire.Error{Op: "write head", Err: errHeadTwice}
	case status < 200 || status > 999:
		return &wire.Error{Op: "write head " + strconv.Itoa(status), Err: errBadStatus}
	}
	for i := range h {
		if !wire.ValidName(h[i].Name) || !wire.ValidValue(h[i].Value) {
			return &wire.Error{Op: "write head, " + strconv.Quote(h[i].Name), Err: errBadField}
		}
	}
	r.wrote = true
	r.close = r.close || r.c.s.closing.Load() || r.c.body.tooMuch(contentLength >= 0)
	r.frame(status, contentLength)
	r.room()
	p := appendStatus(r.p, status, reason)
	dated := false
	for i := range h {
		f := &h[i]
		if wire.HopByHop(f.Name) || len(f.Name) == len("Content-Length") && wire.EqualName(f.Name, "Content-Length") {
			continue
		}
		dated = dated || len(f.Name) == len("Date") && wire.EqualName(f.Name, "Date")
		p = appendField(p, f)
	}
	if !dated {
		p = append(p, r.c.s.clock.date(time.Now())...)
	}
	bodiless := status == 204 || status == 304
	switch {
	case r.mode == bodyChunked:
		p = append(p, "Transfer-Encoding: chunked\r\n"...)
		if r.announce != "" {
			p = append(p, "Trailer: "...)
			p = append(p, r.announce...)
			p = append(p, "\r\n"...)
		}
	// A 204 has no length, and a 304 only repeats that of the full answer.
	case contentLength > 0 && status != 204 || contentLength == 0 && !bodiless:
		p = append(p, "Content-Length: "...)
		p = appendInt(p, contentLength)
		p = append(p, "\r\n"...)
	}
	switch {
	case r.close:
		p = append(p, "Connection: close\r\n"...)
	case r.old:
		p = append(p, "Connection: keep-alive\r\n"...)
	}
	p = append(p, "\r\n"...)
	r.p = p
	return nil
}

// frame decides how the end of the body will be known.
func (r *responder) frame(status int, length int64) {
	switch {
	case r.isHead || status == 204 || status == 304:
		r.mode = bodyNone
	case length >= 0:
		r.mode, r.left = bodyLength, length
	case r.old:
		r.mode, r.close = bodyUntilClose, true
	default:
		r.mode = bodyChunked
	}
}

// room makes sure there is memory to gather in.
func (r *responder) room() {
	if r.out == nil {
		r.out = r.c.pool.get(class4K)
		r.p = r.out.b[:0]
	}
}

// Write takes body bytes; they are dropped where an answer has no body.
func (r *responder) Write(p []byte) (int, error) {
	switch {
	case !r.wrote || r.finished:
		return 0, &wire.Error{Op: "write", Err: errNoHead}
	case r.failed != nil:
		return 0, r.failed
	case r.mode == bodyNone || len(p) == 0:
		return len(p), nil
	case r.mode == bodyLength:
		if int64(len(p)) > r.left {
			return 0, &wire.Error{Op: "write", Err: errBodyTooLong}
		}
		r.left -= int64(len(p))
	}
	r.room()
	if r.mode == bodyChunked && cap(r.p)-len(r.p) < chunkRoom {
		if err := r.sendGathered(); err != nil {
			return 0, err
		}
	}
	if r.mode == bodyChunked {
		r.p = strconv.AppendUint(r.p, uint64(len(p)), 16)
		r.p = append(r.p, "\r\n"...)
	}
	if len(r.p)+len(p)+2 <= cap(r.p) {
		r.p = append(r.p, p...)
		if r.mode == bodyChunked {
			r.p = append(r.p, "\r\n"...)
		}
		return len(p), nil
	}
	r.c.writeWithin(time.Now(), r.c.s.cfg.WriteTimeout)
	var err error
	if r.mode == bodyChunked {
		_, err = r.c.write(r.p, p, crlf)
	} else {
		_, err = r.c.write(r.p, p)
	}
	r.p = r.p[:0]
	if err != nil {
		return 0, r.fail("write", err)
	}
	return len(p), nil
}

// chunkRoom is what the size of a chunk takes.
const chunkRoom = 16 + len("\r\n")

// sendGathered sends what is gathered and keeps its memory.
func (r *responder) sendGathered() error {
	r.c.writeWithin(time.Now(), r.c.s.cfg.WriteTimeout)
	_, err := r.c.write(r.p)
	r.p = r.p[:0]
	if err != nil {
		return r.fail("write", err)
	}
	return nil
}

var crlf = []byte("\r\n") //nolint:gochecknoglobals // a constant, but for its type

// Flush sends what is gathered and gives its memory back.
func (r *responder) Flush() error {
	switch {
	case !r.wrote:
		return &wire.Error{Op: "flush", Err: errNoHead}
	case r.failed != nil:
		return r.failed
	}
	return r.send()
}

func (r *responder) send() error {
	if r.out == nil {
		return nil
	}
	var err error
	if len(r.p) > 0 {
		r.c.sentAt = time.Now()
		r.c.writeWithin(r.c.sentAt, r.c.s.cfg.WriteTimeout)
		_, err = r.c.write(r.p)
	}
	r.drop()
	if err != nil {
		return r.fail("flush", err)
	}
	return nil
}

func (r *responder) drop() {
	r.c.pool.put(r.out)
	r.out, r.p = nil, nil
}

func (r *responder) fail(op string, err error) error {
	r.failed = &wire.Error{Kind: writeKind(err), Op: op, Err: err}
	r.close = true
	return r.failed
}

// CloseAfter implements wire.Closer.
func (r *responder) CloseAfter() { r.close = true }

// Abort makes the answer end visibly broken.
func (r *responder) Abort() { r.aborted = true }

// Finish implements wire.Finisher.
func (r *responder) Finish() error { return r.finish() }

// finish ends the answer: the last chunk, trailers, and everything gathered.
func (r *responder) finish() error {
	if r.finished || r.stream != nil {
		return r.failed
	}
	if r.aborted {
		if r.failed == nil && r.wrote {
			_ = r.send() // what came before the break belongs to the client
		}
		if r.out != nil {
			r.drop()
		}
		r.finished = true
		return r.failed
	}
	if !r.wrote {
		if err := r.WriteHead(500, "", nil, 0); err != nil {
			return err
		}
	}
	r.finished = true
	if r.failed != nil {
		return r.failed
	}
	switch {
	case r.mode == bodyLength && r.left > 0:
		_ = r.send()
		return r.fail("finish", errBodyTooShort)
	case r.mode == bodyChunked:
		r.room()
		r.p = append(r.p, "0\r\n"...)
		for i := range r.trailers {
			if f := &r.trailers[i]; mayTrail(f) {
				r.p = appendField(r.p, f)
			}
		}
		r.p = append(r.p, "\r\n"...)
	}
	return r.send()
}

// mayTrail refuses trailers that would frame, route or authenticate
// (RFC 9110 §6.5.1).
func mayTrail(f *wire.Field) bool {
	if !wire.ValidName(f.Name) || !wire.ValidValue(f.Value) || wire.HopByHop(f.Name) {
		return false
	}
	for _, n := range [...]string{"Content-Length", "Host", "Content-Type", "Content-Encoding", "Authorization", "Set-Cookie"} {
		if wire.EqualName(f.Name, n) {
			return false
		}
	}
	return true
}

// AnnounceTrailers names the trailers to come.
func (r *responder) AnnounceTrailers(names []string) {
	for _, n := range names {
		if !mayTrail(&wire.Field{Name: n}) {
			continue
		}
		if r.announce != "" {
			r.announce += ", "
		}
		r.announce += n
	}
}

// SetTrailers sends trailers after the body, announced or not.
func (r *responder) SetTrailers(h wire.Header) { r.trailers = append(r.trailers, h...) }

// Upgrade implements wire.Upgrader.
func (r *responder) Upgrade(h wire.Header) (wire.Stream, error) {
	switch {
	case r.wrote || !r.c.body.complete():
		return nil, &wire.Error{Op: "upgrade", Err: errHeadTwice}
	case r.old: // RFC 9110 §7.8: Upgrade of HTTP/1.0 is ignored
		return nil, &wire.Error{Op: "upgrade", Err: errors.ErrUnsupported}
	}
	for i := range h {
		if !wire.ValidName(h[i].Name) || !wire.ValidValue(h[i].Value) {
			return nil, &wire.Error{Op: "upgrade, " + strconv.Quote(h[i].Name), Err: errBadField}
		}
	}
	r.wrote = true
	r.room()
	p := appendStatus(r.p, 101, "")
	for i := range h {
		if f := &h[i]; !wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Upgrade") {
			p = appendField(p, f)
		}
	}
	p = append(p, "Connection: Upgrade\r\n\r\n"...)
	r.p = p
	if err := r.send(); err != nil {
		return nil, err
	}
	r.c.upgraded()
	r.stream = &stream{s: &r.c.sock}
	return r.stream, nil
}

func appendStatus(p []byte, status int, reason string) []byte {
	if reason == "" || !wire.ValidValue(reason) {
		reason = wire.StatusText(status)
	}
	p = append(p, "HTTP/1.1 "...)
	p = strconv.AppendInt(p, int64(status), 10)
	p = append(p, ' ')
	p = append(p, reason...)
	return append(p, "\r\n"...)
}

func appendField(p []byte, f *wire.Field) []byte {
	p = append(p, f.Name...)
	p = append(p, ": "...)
	p = append(p, f.Value...)
	return append(p, "\r\n"...)
}

func appendInt(p []byte, n int64) []byte { return strconv.AppendInt(p, n, 10) }

var (
	_ wire.Responder     = (*responder)(nil)
	_ wire.TrailerWriter = (*responder)(nil)
	_ wire.Aborter       = (*responder)(nil)
	_ wire.Closer        = (*responder)(nil)
	_ wire.Finisher      = (*responder)(nil)
	_ wire.Upgrader      = (*responder)(nil)
)
