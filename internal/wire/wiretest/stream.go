package wiretest

import (
	"context"
	"errors"
	"net"
	"time"

	"sallyport/internal/wire"
)

// duplex is one end of a Stream in memory: a pipe for each direction, so that
// one of them can be closed.
type duplex struct{ in, out net.Conn }

func newDuplex() (a, b *duplex) {
	ain, bout := net.Pipe()
	bin, aout := net.Pipe()
	return &duplex{in: ain, out: aout}, &duplex{in: bin, out: bout}
}

func (d *duplex) Read(p []byte) (int, error)  { return d.in.Read(p) }
func (d *duplex) Write(p []byte) (int, error) { return d.out.Write(p) }
func (d *duplex) CloseWrite() error           { return d.out.Close() }
func (d *duplex) Close() error                { return errors.Join(d.in.Close(), d.out.Close()) }

func (d *duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }
func (d *duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.in.SetDeadline(t), d.out.SetDeadline(t))
}

// Upgrade implements wire.Upgrader for clients that asked for the protocol.
func (w *pipeResponder) Upgrade(h wire.Header) (wire.Stream, error) {
	switch {
	case w.wrote:
		return nil, errors.New("wiretest: Upgrade after the head")
	case w.upgrade == "":
		return nil, &wire.Error{Op: "upgrade", Err: errors.ErrUnsupported}
	case !wire.EqualName(h.Get("Upgrade"), w.upgrade):
		return nil, errors.New("wiretest: the handler switches to a protocol that was not asked for")
	}
	w.wrote = true
	server, client := newDuplex()
	w.stream = server
	context.AfterFunc(w.ctx, func() { _ = client.Close() })
	in := &wire.Incoming{Status: 101, Proto: "HTTP/1.1", Body: w.body, ContentLength: -1, Trailer: w.trailer, Stream: client}
	for _, f := range h {
		if !wire.HopByHop(f.Name) || wire.EqualName(f.Name, "Upgrade") {
			in.Header = append(in.Header, f)
		}
	}
	w.head <- in
	return server, nil
}
