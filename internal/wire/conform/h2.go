package conform

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sallyport/internal/wire"
)

// h2peer is the raw end of an HTTP/2 connection.
type h2peer struct {
	*peer
	fr  *http2.Framer
	buf bytes.Buffer
	enc *hpack.Encoder
	dec *hpack.Decoder
}

func newH2(p *peer) *h2peer {
	h := &h2peer{peer: p, fr: http2.NewFramer(p.Conn, p.br)}
	h.fr.AllowIllegalWrites, h.fr.AllowIllegalReads = true, true
	h.fr.SetReuseFrames()
	h.enc, h.dec = hpack.NewEncoder(&h.buf), hpack.NewDecoder(4096, nil)
	return h
}

// open connects and exchanges the settings.
func (s *host) open(k *keys) *h2peer {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.addr, k.client("h2"))
	if err != nil {
		s.t.Fatal(err)
	}
	h := newH2(newPeer(s.t, c))
	h.greet()
	return h
}

func (h *h2peer) greet() {
	h.t.Helper()
	h.send(http2.ClientPreface)
	h.check(h.fr.WriteSettings())
	for {
		f, err := h.fr.ReadFrame()
		h.check(err)
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			h.check(h.fr.WriteSettingsAck())
			return
		}
	}
}

func (h *h2peer) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// block encodes header fields, given as "name: value"; pseudo-headers begin
// with their colon.
func (h *h2peer) block(fields ...string) []byte {
	h.buf.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		_ = h.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: strings.TrimPrefix(f[i+1:], " ")})
	}
	return bytes.Clone(h.buf.Bytes())
}

func getFields(more ...string) []string {
	return append([]string{":method: GET", ":scheme: https", ":authority: h.example", ":path: /"}, more...)
}

func postFields(more ...string) []string {
	return append([]string{":method: POST", ":scheme: https", ":authority: h.example", ":path: /"}, more...)
}

// headers sends a HEADERS frame with END_HEADERS.
func (h *h2peer) headers(id uint32, end bool, fields ...string) {
	_ = h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.block(fields...), EndStream: end, EndHeaders: true})
}

// outcome is what became of a stream: "connection PROTOCOL_ERROR", "closed",
// "stream REFUSED_STREAM", or "200".
func (h *h2peer) outcome(id uint32) string {
	for {
		f, err := h.fr.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return "connection " + f.ErrCode.String()
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "stream " + f.ErrCode.String()
			}
		case *http2.HeadersFrame:
			fields, err := h.dec.DecodeFull(f.HeaderBlockFragment())
			if err != nil || len(fields) == 0 {
				return fmt.Sprintf("a header block that cannot be read: %v", err)
			}
			if f.StreamID == id && fields[0].Name == ":status" {
				return fields[0].Value
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = h.fr.WritePing(true, f.Data)
			}
		}
	}
}

// body reads the data of a stream to its end.
func (h *h2peer) body(id uint32) (string, error) {
	var b strings.Builder
	for {
		f, err := h.fr.ReadFrame()
		if err != nil {
			return b.String(), err
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if f.StreamID == id {
				b.Write(f.Data())
				if f.StreamEnded() {
					return b.String(), nil
				}
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return b.String(), fmt.Errorf("reset: %v", f.ErrCode)
			}
		}
	}
}

// raw writes a frame as it stands.
func (h *h2peer) raw(typ http2.FrameType, flags http2.Flags, id uint32, payload []byte) {
	_ = h.fr.WriteRawFrame(typ, flags, id, payload)
}

// alive requires that the server still answers, on a new connection.
func (s *host) alive(k *keys) {
	s.t.Helper()
	h := s.open(k)
	h.headers(1, true, getFields("x-alive: 1")...)
	if got := h.outcome(1); got != "200" {
		s.t.Errorf("afterwards a new connection got %q", got)
	}
}

// h2cDial makes a plain connection that speaks HTTP/2 at once.
func (s *host) h2cDial() *h2peer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	h := newH2(newPeer(s.t, c))
	h.greet()
	return h
}

func h2Plain(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	h := serve(t, e, wire.ServerConfig{TLS: id.server()}, echo).open(id)
	for i := range uint32(3) {
		stream := 2*i + 1
		h.headers(stream, false, postFields("x-one: 1", "te: trailers")...)
		h.check(h.fr.WriteData(stream, true, []byte("body")))
		if got := h.outcome(stream); got != "200" {
			t.Fatal(got)
		}
		body, err := h.body(stream)
		if err != nil || !strings.HasPrefix(body, "POST https h.example / HTTP/2.0\n") || !strings.HasSuffix(body, "body|<nil>|-1") {
			t.Errorf("%q, %v", body, err)
		}
	}
}

func h2PriorKnowledge(t *testing.T, e Engine) {
	s := serve(t, e, wire.ServerConfig{H2C: true}, echo)
	h := s.h2cDial()
	h.headers(1, true, ":method: GET", ":scheme: http", ":authority: h.example", ":path: /x?y")
	if got := h.outcome(1); got != "200" {
		t.Fatal(got)
	}
	if body, err := h.body(1); err != nil || !strings.HasPrefix(body, "GET http h.example /x?y HTTP/2.0\n") {
		t.Errorf("%q, %v", body, err)
	}
	if m := s.ask(get("/one")); !strings.HasPrefix(m.Body, "GET http h /one HTTP/1.1\n") {
		t.Errorf("HTTP/1.1 beside it: %+v", m)
	}
	off := serve(t, e, wire.ServerConfig{}, echo).dial()
	off.send(http2.ClientPreface)
	if got, _ := io.ReadAll(off.br); len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 4") && !strings.HasPrefix(string(got), "HTTP/1.1 505") {
		t.Errorf("switched off: %q", got)
	}
}

func h2BadPreface(t *testing.T, e Engine) {
	id := identity(t, "127.0.0.1")
	s := serve(t, e, wire.ServerConfig{TLS: id.server()}, echo)
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", strings.Repeat("x", 24), http2.ClientPreface[:20] + "XX\r\n"} {
		p := s.dialTLS(id, "h2")
		p.send(text)
		if got, _ := p.rest(); strings.Contains(got, "HTTP/1.1 200") {
			t.Errorf("%q: %q", text, got)
		}
	}
	s.alive(id)
}

// A server that switched in the middle would let a client through a proxy,
// which thinks of one HTTP/1.1 connection, send what the proxy cannot see.
func h2LatePreface(t *testing.T, e Engine) {
	p := serve(t, e, wire.ServerConfig{H2C: true}, target).dial()
	p.send(get("/1"))
	p.answer("GET")
	p.send(http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if m := p.answer("GET"); m.status() != 400 && m.status() != 505 {
		t.Errorf("%+v", m)
	}
}
