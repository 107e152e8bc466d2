package wiretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/wire"
)

// Transport is a wire.Transport that hands every call to a handler in this
// process, streaming: what the handler flushes can be read at once, and
// closing the answer's body cancels the handler's context. A handler that
// switches protocols and its client get the two ends of one Stream without
// buffers: each write waits for its reader.
type Transport struct {
	Handler wire.Handler
	// Remote is the address the handler sees; zero = 127.0.0.1:40000.
	Remote netip.AddrPort

	mu    sync.Mutex
	calls []Call
}

// Call is the head of one outgoing request as it was sent.
type Call struct {
	Method, Scheme, Authority, Host, Target string
	Header                                  wire.Header
	ContentLength                           int64
	Version                                 wire.HTTPVersion
	Upgrade                                 string
}

// Calls returns the heads sent so far.
func (t *Transport) Calls() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Call(nil), t.calls...)
}

// RoundTrip implements wire.Transport.
func (t *Transport) RoundTrip(ctx context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	host := out.Host
	if host == "" {
		host = out.Authority
	}
	t.mu.Lock()
	t.calls = append(t.calls, Call{out.Method, out.Scheme, out.Authority, host, out.Target, out.Header.Clone(), out.ContentLength, out.Version, out.Upgrade})
	t.mu.Unlock()

	r := NewRequest(out.Method, out.Target, "")
	r.Scheme, r.Host, r.ContentLength = out.Scheme, host, out.ContentLength
	for _, f := range out.Header {
		if !wire.HopByHop(f.Name) && !wire.EqualName(f.Name, "Host") {
			r.Header = append(r.Header, f)
		}
	}
	switch {
	case len(out.Bytes) > 0:
		r.Body = io.NopCloser(bytes.NewReader(bytes.Clone(out.Bytes)))
	case out.Body != nil:
		r.Body = io.NopCloser(out.Body)
	}
	if t.Remote.IsValid() {
		r.Remote = t.Remote
	}

	if out.Upgrade != "" {
		r.Header = append(r.Header, wire.Field{Name: "Connection", Value: "Upgrade"}, wire.Field{Name: "Upgrade", Value: out.Upgrade})
	}
	return t.serve(ctx, r, out.Upgrade, out.HeadTimeout)
}

func (t *Transport) serve(ctx context.Context, r *wire.Request, upgrade string, limit time.Duration) (*wire.Incoming, error) {
	hctx, cancel := context.WithCancel(ctx)
	pr, pw := io.Pipe()
	w := &pipeResponder{pw: pw, head: make(chan *wire.Incoming, 1), ctx: ctx, upgrade: upgrade}
	w.body = &pipeBody{PipeReader: pr, cancel: cancel}
	go func() {
		defer cancel()
		t.Handler.ServeWire(hctx, r, w)
		if w.stream != nil {
			_ = w.stream.Close()
		}
		if !w.wrote {
			_ = w.WriteHead(500, "", nil, 0)
		}
		_ = pw.CloseWithError(hctx.Err()) // nil closes with io.EOF
	}()
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case in := <-w.head:
		context.AfterFunc(hctx, func() {
			if err := ctx.Err(); err != nil {
				_ = pw.CloseWithError(&wire.Error{Kind: wire.KindOf(err), Op: "read body", Err: err})
			}
		})
		return in, nil
	case <-late:
		cancel()
		_ = pr.Close()
		return nil, &wire.Error{Kind: wire.KindTimeout, Op: "round trip", Err: fmt.Errorf("no answer within %v", limit)}
	case <-ctx.Done():
		cancel()
		_ = pr.Close()
		return nil, &wire.Error{Kind: wire.KindOf(ctx.Err()), Op: "round trip", Err: ctx.Err()}
	}
}

type pipeResponder struct {
	pw       *io.PipeWriter
	body     *pipeBody
	head     chan *wire.Incoming
	wrote    bool
	ctx      context.Context // the caller's
	upgrade  string          // what the client asks to switch to
	stream   *duplex         // after the switch
	mu       sync.Mutex
	names    []string
	trailers wire.Header
}

func (w *pipeResponder) WriteHead(status int, reason string, h wire.Header, contentLength int64) error {
	if w.wrote {
		return errors.New("wiretest: WriteHead called twice")
	}
	w.wrote = true
	in := &wire.Incoming{
		Status: status, Reason: reason, Proto: "HTTP/1.1", Body: w.body, ContentLength: contentLength,
		Trailer: w.trailer, TrailerNames: w.names,
	}
	for _, f := range h {
		if !wire.HopByHop(f.Name) {
			in.Header = append(in.Header, f)
		}
	}
	w.head <- in
	return nil
}

// Write hands bytes over at once: a pipe has no buffer, so Flush has nothing
// to do. An empty write to a pipe would wait for a reader.
func (w *pipeResponder) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return w.pw.Write(p)
}

func (w *pipeResponder) Flush() error { return nil }

func (w *pipeResponder) Finish() error { return nil }

func (w *pipeResponder) AnnounceTrailers(names []string) { w.names = append([]string(nil), names...) }

func (w *pipeResponder) SetTrailers(h wire.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trailers = h.Clone()
}

func (w *pipeResponder) trailer() wire.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trailers.Clone()
}

type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
