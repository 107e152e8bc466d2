package std

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/wire"
)

var (
	errHeadTwice   = errors.New("the head has been written already")
	errNoHead      = errors.New("the head has not been written yet")
	errBadStatus   = errors.New("not a final status")
	errBodyTooLong = errors.New("the body is longer than declared")
)

// responder is a wire.Responder on an http.ResponseWriter. The reason phrase
// cannot be chosen with net/http, which always sends the standard one.
type responder struct {
	w       http.ResponseWriter
	rc      http.ResponseController
	timeout time.Duration
	head    bool // the request was HEAD
	h1      bool
	call    *call
	server  *Server
	stream  *stream // after Upgrade

	deadline time.Time // of writes, while one is set on HTTP/1.1
	wrote    bool
	noBody   bool
	aborted  bool
	trailers []string
}

// WriteHead sends status and header lines; they leave with the first flush.
func (r *responder) WriteHead(status int, _ string, h wire.Header, contentLength int64) error {
	if r.wrote {
		return &wire.Error{Op: "write head", Err: errHeadTwice}
	}
	if status < 200 || status > 999 {
		return &wire.Error{Op: "write head " + strconv.Itoa(status), Err: errBadStatus}
	}
	r.wrote = true
	r.noBody = r.head || status == http.StatusNoContent || status == http.StatusNotModified
	m := r.w.Header()
	copyFields(m, h)
	if _, ok := m["Content-Type"]; !ok {
		m["Content-Type"] = nil // or net/http would guess one
	}
	// A 204 has no length, and a 304 only repeats that of the full answer.
	if contentLength > 0 && status != http.StatusNoContent || contentLength == 0 && !bodiless(status) {
		m["Content-Length"] = []string{strconv.FormatInt(contentLength, 10)}
	}
	if len(r.trailers) > 0 && contentLength < 0 && !r.noBody {
		m["Trailer"] = []string{strings.Join(r.trailers, ", ")}
	}
	r.w.WriteHeader(status)
	return nil
}

func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// copyFields keeps the spelling of names, except of those net/http looks up
// itself. Hop-by-hop lines, the length and what is no header line are left out.
func copyFields(m http.Header, h wire.Header) {
	values := make([]string, len(h))
	for i, f := range h {
		if wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Content-Length") || !sendable(f) {
			continue
		}
		name := f.Name
		switch len(name) {
		case len("Date"), len("Content-Type"), len("Content-Encoding"):
			if special := textproto.CanonicalMIMEHeaderKey(name); special == "Date" ||
				special == "Content-Type" || special == "Content-Encoding" {
				name = special
			}
		}
		if old, ok := m[name]; ok {
			m[name] = append(old, f.Value)
			continue
		}
		values[i] = f.Value
		m[name] = values[i : i+1 : i+1]
	}
}

// sendable reports whether f makes one header line and no more.
func sendable(f wire.Field) bool { return wire.ValidName(f.Name) && wire.ValidValue(f.Value) }

// Write sends body bytes; they are dropped where an answer has no body.
func (r *responder) Write(p []byte) (int, error) {
	if !r.wrote {
		return 0, &wire.Error{Op: "write", Err: errNoHead}
	}
	if r.noBody {
		return len(p), nil
	}
	r.arm()
	n, err := r.w.Write(p)
	r.disarm()
	return n, r.failed("write", err)
}

// Flush sends what is buffered.
func (r *responder) Flush() error {
	if !r.wrote {
		return &wire.Error{Op: "flush", Err: errNoHead}
	}
	r.arm()
	err := r.rc.Flush()
	r.disarm()
	return r.failed("flush", err)
}

// Finish sends everything that has been written. Only the end mark of a chunked
// answer is left for net/http, which sends it when the handler has returned.
func (r *responder) Finish() error { return r.Flush() }

// Abort makes the answer end visibly broken.
func (r *responder) Abort() { r.aborted = true }

// AnnounceTrailers names the trailers to come.
func (r *responder) AnnounceTrailers(names []string) {
	for _, n := range names {
		if wire.ValidName(n) && !wire.HopByHop(n) {
			r.trailers = append(r.trailers, textproto.CanonicalMIMEHeaderKey(n))
		}
	}
}

// SetTrailers sends trailers after the body, announced or not.
func (r *responder) SetTrailers(h wire.Header) {
	m := r.w.Header()
	for _, f := range h {
		if !sendable(f) || wire.HopByHop(f.Name) {
			continue
		}
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		if !r.announced(name) {
			name = http.TrailerPrefix + name
		}
		m[name] = append(m[name], f.Value)
	}
}

func (r *responder) announced(name string) bool {
	for _, n := range r.trailers {
		if n == name {
			return true
		}
	}
	return false
}

// finish runs after the handler returned, before net/http's last flush.
func (r *responder) finish() {
	if r.stream != nil {
		return
	}
	if !r.wrote {
		_ = r.WriteHead(http.StatusInternalServerError, "", nil, 0)
	}
	r.arm()
}

// arm gives the next write its time. On HTTP/1.1 a deadline with the whole
// timeout still to run is left as it is, since setting one for each write and
// flush would cost more than the rest of them; net/http clears it between two
// requests of a connection.
func (r *responder) arm() {
	if r.timeout <= 0 {
		return
	}
	now := time.Now()
	if !r.h1 {
		_ = r.rc.SetWriteDeadline(now.Add(r.timeout))
		return
	}
	if r.deadline.Sub(now) < r.timeout {
		r.deadline = now.Add(r.timeout + r.timeout/4)
		_ = r.rc.SetWriteDeadline(r.deadline)
	}
}

// disarm matters on HTTP/2, where an expired deadline resets the stream even
// when nothing is being written.
func (r *responder) disarm() {
	if r.timeout > 0 && !r.h1 {
		_ = r.rc.SetWriteDeadline(time.Time{})
	}
}

func (r *responder) failed(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, http.ErrContentLength):
		return &wire.Error{Op: op, Err: errBodyTooLong}
	}
	return &wire.Error{Kind: writeKind(err), Op: op, Err: err}
}

var (
	_ wire.Responder     = (*responder)(nil)
	_ wire.TrailerWriter = (*responder)(nil)
	_ wire.Aborter       = (*responder)(nil)
	_ wire.Finisher      = (*responder)(nil)
	_ wire.Upgrader      = (*responder)(nil)
	_ io.ReadCloser      = (*inbound)(nil)
)
