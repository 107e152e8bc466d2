package gateway

import (
	"strings"
	"time"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
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
	if c.switchProtocols() {
		return
	}
	c.metering = c.metered()
	length, hasBody := c.length()
	if tw, ok := c.w.(wire.TrailerWriter); ok && len(r.TrailerNames) > 0 {
		tw.AnnounceTrailers(r.TrailerNames)
	}
	c.Timing.FirstOut = time.Since(c.Start)
	if c.g.cfg.ServerTiming {
		r.Header.Add("Server-Timing", c.timing(c.Timing.FirstOut).ServerTiming())
	}
	c.headSent = true
	if err := c.w.WriteHead(r.Status, r.Reason, r.Header, length); err != nil {
		c.clientGone(err)
		return
	}
	if (!hasBody || c.copyBody()) && c.finish() {
		c.traceReply()
	}
}

// finish makes the engine send what it still holds, so that a client which has
// gone is known before the call is written down.
func (c *call) finish() bool {
	f, ok := c.w.(wire.Finisher)
	if !ok {
		return true
	}
	if err := f.Finish(); err != nil {
		c.clientGone(err)
		return false
	}
	return true
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

// copyBody passes the body on; false when it did not get through.
func (c *call) copyBody() bool {
	b := &c.Response.Body
	if b.Mode() == exchange.BodyBuffered {
		n, err := c.w.Write(b.Bytes())
		c.sent += int64(n)
		if err != nil {
			c.clientGone(err)
		}
		return err == nil
	}
	stream := b.Stream()
	if stream == nil {
		return true
	}
	p := pump{c: c, events: isEventStream(c.Response.Header.Get("Content-Type")), src: chunksOf(stream)}
	defer p.src.release()
	// The head of a stream goes out before its first event comes; that of other
	// bodies leaves together with the first piece.
	if p.events && c.w.Flush() != nil {
		c.clientGone(wire.ErrClientGone)
		return false
	}
	if !p.run() {
		return false
	}
	if tw, ok := c.w.(wire.TrailerWriter); ok && c.Response.Trailer != nil {
		if t := c.Response.Trailer(); len(t) > 0 {
			tw.SetTrailers(t)
		}
	}
	return true
}

// torn handles a backend that broke off in the middle of a body: the client's
// connection is cut, so that the answer cannot be taken for a complete one.
func (c *call) torn(err error) {
	if c.Ctx.Err() != nil {
		c.clientGone(err) // or this server ends its calls
		return
	}
	c.Failure = exchange.BackendFailed("transfer-response", err)
	c.abort()
}

// clientGone ends the backend call of a client that hung up.
func (c *call) clientGone(err error) {
	c.Response.Body.Close()
	c.Failure = exchange.ClientGone("transfer-response", err)
	c.abort()
}

func (c *call) abort() {
	if a, ok := c.w.(wire.Aborter); ok {
		a.Abort()
	}
}
