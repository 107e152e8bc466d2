package std

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"

	"sallyport/internal/wire"
)

var errShortBody = errors.New("the body is shorter than declared")

// answer holds everything of one reply in one allocation.
type answer struct {
	wire.Incoming
	res    *http.Response
	ctx    context.Context
	cancel context.CancelCauseFunc // nil when ctx is the caller's own
	trace  httptrace.ClientTrace
	conn   net.Conn // under the call
}

// gotConn is called by net/http before the request is written, again when it
// takes another connection.
func (a *answer) gotConn(i httptrace.GotConnInfo) {
	a.conn, a.Connect = i.Conn, 0
	if !i.Reused {
		a.Connect = connectTime(i.Conn)
	}
}

// fill takes the head over, unless the other side broke a rule.
func (a *answer) fill(res *http.Response, out *wire.Outgoing) error {
	if out.Version == wire.HTTP2 && out.Upgrade == "" && res.ProtoMajor != 2 {
		return fmt.Errorf("%s, not HTTP/2", res.Proto)
	}
	if res.ProtoMajor > 2 || res.ProtoMajor < 2 && !res.ProtoAtLeast(1, 0) || res.ProtoMajor == 1 && res.ProtoMinor > 1 {
		return fmt.Errorf("%s, which is not spoken here", res.Proto)
	}
	if s := res.StatusCode; s < 200 && s != http.StatusSwitchingProtocols || s > 999 {
		return fmt.Errorf("status %d", s) // net/http passes everything on that is a number
	}
	a.res = res
	header, _ := headerOf(res.Header)
	_, reason, _ := strings.Cut(res.Status, " ")
	a.Status, a.Reason, a.Proto = res.StatusCode, reason, res.Proto
	a.Header, a.Body, a.ContentLength = dropHopByHop(header), a, res.ContentLength
	a.Trailer = a.trailer
	for name := range res.Trailer {
		a.TrailerNames = append(a.TrailerNames, name)
	}
	slices.Sort(a.TrailerNames)
	if res.StatusCode == http.StatusSwitchingProtocols {
		return a.switched(res, out)
	}
	return nil
}

// switched makes the connection a stream. A server may only switch to what was
// asked for (RFC 9110 §7.8).
func (a *answer) switched(res *http.Response, out *wire.Outgoing) error {
	protocol := res.Header.Get("Upgrade")
	rw, ok := res.Body.(io.ReadWriteCloser)
	switch {
	case out.Upgrade == "":
		return errors.New("101 although no other protocol was asked for")
	case !strings.EqualFold(protocol, out.Upgrade):
		return fmt.Errorf("101 with protocol %q, not %q", protocol, out.Upgrade)
	case !ok || a.conn == nil:
		return errors.New("101 that does not name Upgrade in Connection")
	}
	a.Header.Add("Upgrade", protocol)
	a.ContentLength = -1
	s := &stream{Conn: a.conn, r: rw, onClose: a.release}
	context.AfterFunc(a.ctx, func() { _ = s.Close() })
	a.Stream = s
	return nil
}

func dropHopByHop(h wire.Header) wire.Header {
	h = wire.DropNamedByConnection(h)
	return slices.DeleteFunc(h, func(f wire.Field) bool { return wire.HopByHop(f.Name) })
}

// Read reads the body of the answer. Its end releases the call.
func (a *answer) Read(p []byte) (int, error) {
	if a.Stream != nil {
		return 0, io.EOF
	}
	n, err := a.res.Body.Read(p)
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		a.release()
		return n, io.EOF
	}
	return n, classify(a.ctx, "read body", err)
}

// Close ends the call; what is left of the body is not read.
func (a *answer) Close() error {
	if a.Stream != nil {
		return nil // it has an end of its own
	}
	return a.end()
}

func (a *answer) end() error {
	if a.Stream != nil {
		return a.Stream.Close()
	}
	err := a.res.Body.Close()
	a.release()
	return err
}

func (a *answer) release() {
	if a.cancel != nil {
		a.cancel(nil)
	}
}

func (a *answer) trailer() wire.Header {
	if len(a.res.Trailer) == 0 {
		return nil
	}
	h, _ := headerOf(a.res.Trailer)
	return h
}
