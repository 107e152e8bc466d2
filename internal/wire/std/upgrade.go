package std

import (
	"errors"
	"time"

	"sallyport/internal/wire"
)

var (
	errNoProtocol = errors.New("no protocol in Upgrade")
	errBodyUnread = errors.New("the request body has not been read")
	errHeadField  = errors.New("a header line that cannot be sent")
)

// Upgrade answers 101 and hands the connection over until the handler returns.
func (r *responder) Upgrade(h wire.Header) (wire.Stream, error) {
	if err := r.mayUpgrade(h); err != nil {
		return nil, &wire.Error{Op: "upgrade", Err: err}
	}
	conn, rw, err := r.rc.Hijack()
	if err != nil {
		return nil, &wire.Error{Kind: writeKind(err), Op: "upgrade", Err: err}
	}
	st := &stream{Conn: conn, r: conn}
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n) // never fails for what is buffered
		st.r = &ahead{data: append([]byte(nil), early...), conn: conn}
	}
	// From here on net/http knows nothing of the connection: the server closes
	// it when the handler returns or the time to drain is over.
	r.wrote, r.stream = true, st
	r.server.track(st)
	if r.timeout > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(r.timeout))
	}
	if _, err := conn.Write(switchHead(h)); err != nil {
		return nil, &wire.Error{Kind: writeKind(err), Op: "upgrade", Err: err}
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return st, nil
}

func (r *responder) mayUpgrade(h wire.Header) error {
	switch {
	case r.wrote:
		return errHeadTwice
	case !r.h1 || r.call.req.Proto != "HTTP/1.1": // RFC 9110 §7.8: not on HTTP/1.0
		return errors.ErrUnsupported
	case h.Get("Upgrade") == "":
		return errNoProtocol
	case r.call.req.Body != nil && !r.call.body.atEnd():
		return errBodyUnread // its rest would be taken for the new protocol
	}
	for _, f := range h {
		if !sendable(f) {
			return errHeadField
		}
	}
	return nil
}

func switchHead(h wire.Header) []byte {
	b := append(make([]byte, 0, 256), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"...)
	for _, f := range h {
		if wire.HopByHop(f.Name) && !wire.EqualName(f.Name, "Upgrade") || wire.EqualName(f.Name, "Content-Length") {
			continue
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}
