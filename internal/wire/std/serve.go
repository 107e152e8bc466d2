package std

import (
	"net/http"
	"runtime/debug"
	"time"

	"sallyport/internal/wire"
)

// call holds everything of one request in one allocation.
type call struct {
	req  wire.Request
	resp responder
	body inbound
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Add(-1)
	c := new(call)
	received := time.Now()
	if status := s.admit(&c.req, r); status != 0 {
		refuse(w, r, status)
		return
	}
	c.req.Received = received
	c.resp = responder{w: w, rc: *http.NewResponseController(w), timeout: s.cfg.WriteTimeout, head: r.Method == http.MethodHead,
		h1: r.ProtoMajor == 1, call: c, server: s}
	hasBody := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	if hasBody {
		c.body = inbound{src: r.Body, left: r.ContentLength, w: w, rc: &c.resp.rc, h1: r.ProtoMajor == 1,
			timeout: s.cfg.ReadBodyTimeout, expect: r.Header.Get("Expect") != ""}
		c.req.Body = &c.body
		if r.ProtoMajor == 1 {
			// Without this net/http drains and closes the inbound body as soon
			// as the answer starts, under a transport that is still reading it;
			// the transport then cuts the backend's stream (golang/go#40747).
			_ = c.resp.rc.EnableFullDuplex()
		}
	}
	s.run(c, r, hasBody)
}

func (s *Server) run(c *call, r *http.Request, hasBody bool) {
	defer func() {
		v := recover()
		if v != nil && v != any(http.ErrAbortHandler) && s.cfg.OnPanic != nil {
			s.cfg.OnPanic(v, debug.Stack())
		}
		if st := c.resp.stream; st != nil {
			_ = st.Close() // it ends with its handler
			s.untrack(st)
			return
		}
		abort := v != nil || c.resp.aborted
		if hasBody {
			c.body.finish(abort)
		}
		if abort {
			panic(http.ErrAbortHandler) // net/http closes the connection or resets the stream
		}
	}()
	ctx := r.Context()
	if hasBody && c.body.h1 {
		stop := c.body.shield(&ctx)
		defer stop()
	}
	s.handler.ServeWire(ctx, &c.req, &c.resp)
	c.resp.finish()
}

// refuse answers what never reaches the handler.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	if r.ProtoMajor == 1 { // on HTTP/2 it would end the other streams as well
		h["Connection"] = []string{"close"}
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status)))
}

// past is a deadline that has gone by: setting it wakes a blocked call.
func past() time.Time { return time.Unix(1, 0) }
