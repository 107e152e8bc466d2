package gateway

import (
	"io"
	"strings"
	"sync"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
)

// An event stream waits with its buffer for minutes, and its events are small.
var (
	copyBuffers  = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
	eventBuffers = sync.Pool{New: func() any { b := make([]byte, 4<<10); return &b }}
)

// reply sends the response: head, then body, streamed.
func (c *call) reply() {
	defer c.Response.Body.Close()
	if c.Failure != nil && c.Failure.IsClientGone() {
		c.abort()
		return
	}
	r := &c.Response
	if r.Status == 0 {
		r.Status = 200 // nothing was forwarded and nothing set a status: an empty 200
	}
	for _, f := range c.ReplyHeader() {
		if wire.EqualName(f.Name, "Vary") { // the backend's list is kept
			r.Header.Set(f.Name, mergeVary(r.Header.Joined("Vary"), f.Value))
			continue
		}
		r.Header.Set(f.Name, f.Value)
	}
	if c.Trace != nil {
		r.Header.Set("Apim-Trace-Id", c.Trace.ID)
	}
	length, hasBody := c.length()
	if tw, ok := c.w.(wire.TrailerWriter); ok && len(r.TrailerNames) > 0 {
		tw.AnnounceTrailers(r.TrailerNames)
	}
	c.Timing.FirstOut = time.Since(c.Start)
	c.headSent = true
	if err := c.w.WriteHead(r.Status, r.Reason, r.Header, length); err != nil {
		c.clientGone(err)
		return
	}
	if hasBody {
		c.copyBody()
	}
	c.traceReply()
}

// mergeVary adds a name to a Vary list that does not have it.
func mergeVary(list, name string) string {
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.TrimSpace(v); v == "*" || strings.EqualFold(v, name) {
			return list
		}
	}
	if list == "" {
		return name
	}
	return list + ", " + name
}

// length is the body length to announce, and whether a body follows: answers
// to HEAD, 204 and 304 have none whatever the backend sent.
func (c *call) length() (int64, bool) {
	n := c.Response.Body.Size()
	if c.Response.Status == 204 || c.Response.Status == 304 || c.Response.Status < 200 {
		return 0, false
	}
	return n, c.In.Method != "HEAD" && n != 0
}

func (c *call) copyBody() {
	b := &c.Response.Body
	if b.Mode() == exchange.BodyBuffered {
		n, err := c.w.Write(b.Bytes())
		c.sent += int64(n)
		if err != nil {
			c.clientGone(err)
		}
		return
	}
	stream := b.Stream()
	if stream == nil {
		return
	}
	// The head of a stream goes out before its first event comes; that of a
	// body with a known length leaves together with the first piece.
	events, pool := isEventStream(c.Response.Header.Get("Content-Type")), &copyBuffers
	if events {
		pool = &eventBuffers
	}
	if c.flush && (b.Size() < 0 || events) && c.w.Flush() != nil {
		c.clientGone(wire.ErrClientGone)
		return
	}
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	if !c.pump(stream, *buf) {
		return
	}
	if tw, ok := c.w.(wire.TrailerWriter); ok && c.Response.Trailer != nil {
		if t := c.Response.Trailer(); len(t) > 0 {
			tw.SetTrailers(t)
		}
	}
}

// pump passes the backend's body on, chunk by chunk as it comes. It reports
// whether the whole body got through.
func (c *call) pump(stream io.Reader, buf []byte) bool {
	for {
		n, rerr := stream.Read(buf)
		if n > 0 {
			m, werr := c.w.Write(buf[:n])
			c.sent += int64(m)
			if werr == nil && c.flush {
				werr = c.w.Flush()
			}
			if werr != nil {
				c.clientGone(werr)
				return false
			}
		}
		if rerr == io.EOF {
			return true
		}
		if rerr != nil {
			c.torn(rerr)
			return false
		}
	}
}

// torn handles a backend that broke off in the middle of a body: the client's
// connection is cut, so that the answer cannot be taken for a complete one.
func (c *call) torn(err error) {
	if c.Ctx.Err() != nil {
		c.clientGone(err)
		return
	}
	c.Failure = exchange.BackendFailed("transfer-response", err)
	c.abort()
}

// clientGone ends the backend call of a client that hung up.
func (c *call) clientGone(err error) {
	c.endBackendCall()
	c.Failure = exchange.ClientGone("transfer-response", err)
	c.abort()
}

func (c *call) abort() {
	if a, ok := c.w.(wire.Aborter); ok {
		a.Abort()
	}
}
