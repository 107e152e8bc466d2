package databricks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"sallyport/internal/wire"
)

// relayBuffer is the size of the buffer that answers pass through.
const relayBuffer = 32 << 10

// relay passes a successful answer on: an event stream as it comes, anything
// else byte for byte. The head is out once this begins, so a failure from here
// on can only cut the connection.
func (c *call) relay(ctx context.Context, ent *entity, in *wire.Incoming, src io.Reader) {
	h := make(wire.Header, 0, 4)
	encoding := in.Header.Get("Content-Encoding")
	if ct := in.Header.Get("Content-Type"); ct != "" {
		h.Add("Content-Type", ct)
	}
	if encoding != "" {
		h.Add("Content-Encoding", encoding)
	}
	h.Add(headerServed, ent.name)
	h.Add(headerRequestID, c.rec.RequestID)
	c.rec.Status = in.Status
	c.rec.Streamed = isEventStream(in.Header.Get("Content-Type"))
	length := in.ContentLength
	if c.rec.Streamed && encoding == "" {
		length = -1 // lines may be left out
	}
	if err := c.w.WriteHead(in.Status, "", h, length); err != nil {
		c.rec.ClientGone = true
		return
	}
	buf := c.p.buffers.Get().(*[relayBuffer]byte)
	defer c.p.buffers.Put(buf)
	var up, down error
	switch {
	case !c.rec.Streamed:
		up, down = c.copyPlain(src, buf[:], false)
	case encoding != "":
		// Compressed although nothing was offered: the lines cannot be seen.
		up, down = c.copyPlain(src, buf[:], true)
	default:
		up, down = c.copyEvents(src, buf[:])
	}
	c.ended(ctx, up, down)
	c.traceTransfer(in.Status)
}

// copyPlain returns the error of either side.
func (c *call) copyPlain(src io.Reader, buf []byte, flush bool) (up, down error) {
	for {
		n, err := src.Read(buf)
		if n > 0 {
			m, werr := c.w.Write(buf[:n])
			c.rec.BytesOut += int64(m)
			if werr == nil && flush {
				werr = c.w.Flush()
			}
			if werr != nil {
				return nil, werr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return err, nil
		}
	}
}

// copyEvents flushes after every read that brought something to pass on.
func (c *call) copyEvents(src io.Reader, buf []byte) (up, down error) {
	if err := c.w.Flush(); err != nil { // the first event may take long
		return nil, err
	}
	f := eventFilter{w: c.w}
	defer func() { c.rec.BytesOut, c.rec.Events = f.bytes, f.events }()
	for {
		n, err := src.Read(buf)
		wrote, werr := f.feed(buf[:n])
		end := errors.Is(err, io.EOF)
		if end && werr == nil {
			var rest bool
			rest, werr = f.finish()
			wrote = wrote || rest
		}
		if werr == nil && wrote {
			werr = c.w.Flush()
		}
		switch {
		case werr != nil:
			return nil, werr
		case end:
			return nil, nil
		case err != nil:
			return err, nil
		}
	}
}

// ended files how the answer ended. A broken upstream must not look like a
// complete answer.
func (c *call) ended(ctx context.Context, up, down error) {
	silent := errors.Is(context.Cause(ctx), errSilent)
	switch {
	case up == nil && down == nil:
		return
	case down != nil, ctx.Err() != nil && !silent:
		c.rec.ClientGone = true
	default:
		if silent {
			up = fmt.Errorf("read answer of external model: %w", errSilent)
		}
		c.rec.Broken, c.rec.Cause = true, up.Error()
		c.p.log.LogAttrs(ctx, slog.LevelWarn, "answer of external model broke off",
			slog.String("request_id", c.rec.RequestID), slog.String("trace_id", c.span.TraceID()),
			slog.String("endpoint", c.rec.Endpoint), slog.String("cause", c.rec.Cause))
	}
	if a, ok := c.w.(wire.Aborter); ok {
		a.Abort()
	}
}

func isEventStream(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}
