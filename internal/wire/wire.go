// Package wire is HTTP on the network as the gateway needs it: a request that
// arrived, a responder to answer with, a transport to call backends with.
// It knows nothing of APIs, policies or configuration. Engines live below it
// (wire/std on net/http); nothing above wire imports net/http, so that an
// engine can be exchanged and tests need no sockets.
// Start at Handler and Transport.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Request is one HTTP request as it arrived. It belongs to the handler until
// the handler returns; nothing of it may be kept after that.
type Request struct {
	Method string
	Scheme string // "http" or "https"
	Host   string // authority the client used
	Target string // origin form as sent: "/a%2Fb/c?x=y"
	Proto  string // "HTTP/1.1", "HTTP/2.0"
	Header Header
	// Body is nil when the request has none. Reading past ContentLength yields
	// io.EOF without touching the connection.
	Body          io.ReadCloser
	ContentLength int64 // -1 = unknown (chunked)
	Remote        netip.AddrPort
	Local         netip.AddrPort
	TLSVersion    string // "" without TLS, "1.3" …
	// Received is when the head began to arrive; the time between it and the
	// call of the handler is what listening, parsing and queueing took.
	Received time.Time
}

// Chunks is implemented by bodies of engines that can show what they have read
// instead of copying it. Next waits for at least one byte and returns what is
// there; the slice is valid until the following call. The end, io.EOF, may come
// together with the last bytes. While Next waits it holds no buffer, so an idle
// stream costs little. Next and Read may be mixed.
type Chunks interface {
	Next() ([]byte, error)
}

// Stream is a connection after a protocol switch: bytes both ways, what the
// engine had read ahead first. Reads and writes may run at the same time;
// Close wakes both.
type Stream interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Upgrader is implemented by responders that can switch protocols. Upgrade
// answers 101 with h (Connection: Upgrade is added, Upgrade must be in h) and
// hands the connection over; it takes the place of WriteHead. The caller closes
// the stream; nothing else of the responder may be used afterwards. On HTTP/2 it
// fails with errors.ErrUnsupported.
type Upgrader interface {
	Upgrade(h Header) (Stream, error)
}

// Finisher is implemented by responders that can end an answer before the
// handler returns: Finish sends everything that is still held, so that its
// error, and the time it took, are known to the handler.
type Finisher interface {
	Finish() error
}

// Responder answers one request. WriteHead must come first, once.
// contentLength is -1 when unknown. reason may be "" for the standard phrase;
// an engine or protocol that cannot send another one ignores it.
// Hop-by-hop headers in h are ignored. A write error means the client is gone.
type Responder interface {
	WriteHead(status int, reason string, h Header, contentLength int64) error
	Write(p []byte) (int, error)
	Flush() error
}

// TrailerWriter is implemented by responders that can send trailers. Announce
// comes before WriteHead with the names, SetTrailers after the body.
type TrailerWriter interface {
	AnnounceTrailers(names []string)
	SetTrailers(h Header)
}

// Handler serves requests. ctx ends when the client goes away or the server
// gives up draining. A handler that panics has its connection closed; one that
// returns without WriteHead answers an empty 500.
type Handler interface {
	ServeWire(ctx context.Context, r *Request, w Responder)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, r *Request, w Responder)

// ServeWire calls f.
func (f HandlerFunc) ServeWire(ctx context.Context, r *Request, w Responder) { f(ctx, r, w) }

// Outgoing is one request to send.
type Outgoing struct {
	Method    string
	Scheme    string // http or https
	Authority string // host[:port] to connect to
	Host      string // Host header; "" = Authority
	Target    string // origin form, sent as it stands
	Header    Header // hop-by-hop headers and Host are ignored
	// Bytes is a body in memory; Body must be nil then and ContentLength its
	// length. Such a request may be sent twice: it allows one safe retry on an
	// idle connection found dead. It is not looked at after RoundTrip failed or
	// the answer's Body was closed.
	Bytes []byte
	// Body is a body that streams, nil for none; the transport reads it, also
	// while the answer is being read, and closes it at most once.
	Body          io.Reader
	ContentLength int64 // of Body; -1 = unknown (sent chunked)
	// HeadTimeout bounds the time until the head of the answer; 0 = none.
	// Passing it is a *Error of KindTimeout.
	HeadTimeout time.Duration
	// Upgrade asks to switch to this protocol ("websocket"); "" for none.
	Upgrade string
	Version HTTPVersion
}

// HTTPVersion to use with a backend (Azure documentation: forward-request, http-version).
type HTTPVersion uint8

// HTTP versions: 1.1 only, 2 only (h2c with prior knowledge over plain http), 2 with fall-back to 1.1.
const (
	HTTP1 HTTPVersion = iota
	HTTP2
	HTTP2or1
)

// Incoming is the answer to an Outgoing. Body is never nil and must be closed;
// closing it early ends the call on the other side at once.
type Incoming struct {
	Status        int
	Reason        string
	Proto         string
	Header        Header
	Body          io.ReadCloser
	ContentLength int64 // -1 = unknown
	// Trailer returns the trailers once Body has returned io.EOF; nil when the
	// answer can have none.
	Trailer      func() Header
	TrailerNames []string
	// Stream is the connection after a switch of protocols (Status 101), nil
	// otherwise. The caller closes it instead of Body.
	Stream Stream
	// Connect is how long making the connection took, 0 on a kept one.
	Connect time.Duration
}

// Transport sends requests. Errors are *Error where the cause is known.
// Cancelling ctx aborts the call, also while the body is being read.
// After RoundTrip has returned, nothing of out is looked at but Bytes and Body;
// the caller may use out and its Header again.
type Transport interface {
	RoundTrip(ctx context.Context, out *Outgoing) (*Incoming, error)
}

// ErrorKind classifies what went wrong on the network.
type ErrorKind uint8

// Error kinds.
const (
	KindOther    ErrorKind = iota
	KindConnect            // no connection: refused, unreachable, name not found, TLS refused
	KindTimeout            // no answer in time
	KindAborted            // connection lost after it was made
	KindCanceled           // our side gave up (client gone, shutdown)
	KindDenied             // egress rules forbid the destination
	KindTooLarge           // a limit was passed
	KindProtocol           // the other side broke HTTP
)

// ErrClientGone says that the client's connection no longer takes anything.
var ErrClientGone = errors.New("the client closed the connection")

// Error is a network failure with its kind.
type Error struct {
	Kind ErrorKind
	Op   string // "dial", "round trip", "read body"
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err, KindOther when it has none.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.Is(err, context.Canceled):
		return KindCanceled
	}
	return KindOther
}
