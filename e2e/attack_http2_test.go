package e2e_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is the attacker's end of an HTTP/2 connection: it may send what no
// client library would.
type frames struct {
	net.Conn
	fr  *http2.Framer
	buf bytes.Buffer
	enc *hpack.Encoder
}

func (f *fort) http2(t *testing.T) *frames {
	t.Helper()
	c, err := tls.Dial("tcp", f.ports.addr(tlsPort), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // a certificate of our own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience / 2))
	h := &frames{Conn: c, fr: http2.NewFramer(c, c)}
	h.fr.AllowIllegalWrites, h.fr.AllowIllegalReads = true, true
	h.enc = hpack.NewEncoder(&h.buf)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.fr.WriteSettings(), h.fr.WriteSettingsAck()); err != nil {
		t.Fatal(err)
	}
	return h
}

// block encodes fields given as "name: value".
func (h *frames) block(fields ...string) []byte {
	h.buf.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ": ") + 1
		_ = h.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+2:]})
	}
	return bytes.Clone(h.buf.Bytes())
}

func (h *frames) headers(id uint32, end bool, fields ...string) {
	_ = h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.block(fields...), EndStream: end, EndHeaders: true})
}

// outcome is the status of a stream, or how it or the connection ended.
func (h *frames) outcome(id uint32) string {
	dec := hpack.NewDecoder(4096, nil)
	for {
		f, err := h.fr.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "deadline"
		case err != nil:
			return "closed"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			return "goodbye " + f.ErrCode.String()
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "reset " + f.ErrCode.String()
			}
		case *http2.HeadersFrame:
			fields, err := dec.DecodeFull(f.HeaderBlockFragment())
			if f.StreamID == id && err == nil && len(fields) > 0 {
				return fields[0].Value
			}
		}
	}
}

// swallow reads what comes, until the connection ends.
func (h *frames) swallow() {
	go func() {
		buf := make([]byte, 16<<10)
		for {
			if _, err := h.Read(buf); err != nil {
				return
			}
		}
	}()
}

func plainFields(path string) []string {
	return []string{":method: GET", ":scheme: https", ":authority: h", ":path: " + path}
}

// A client that opens streams and resets them at once pays nothing; what it
// sets to work must still be bounded, and end (CVE-2023-44487).
func TestAttackHTTP2RapidReset(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		var most, running atomic.Int64
		f := startFort(t, fortOptions{engine: engine, tls: true, wall: func(c *wallConn) {
			for {
				r, text, err := c.request()
				if err != nil {
					return
				}
				if strings.HasPrefix(r.URL.Path, "/slow") {
					n := running.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					_, _ = c.br.Peek(1) // until the gateway hangs up
					running.Add(-1)
					return
				}
				c.answer(text)
			}
		}})
		h := f.http2(t)
		h.swallow()
		for i := range uint32(10_000) {
			h.headers(2*i+1, true, plainFields("/open/slow")...)
			if h.fr.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				break
			}
		}
		f.holds(t)
		f.metricOK(t, "sallyport_requests_in_flight", "0")
		eventually(t, "backend calls", func() error {
			if n := running.Load(); n != 0 {
				return errors.New("calls still run for streams that were reset")
			}
			return nil
		})
		if n := most.Load(); n > 1000 {
			t.Errorf("%d backend calls at a time for one connection", n)
		}
	})
}

// Header blocks without end (CVE-2024-27316), and other frames that make a
// server work or remember for nothing.
func TestAttackHTTP2ContinuationFlood(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, tls: true})
		before := f.node.memory(t)
		junk := []byte(strings.Repeat("\x00\x01x\x01y", 3000))
		for name, send := range map[string]func(h *frames, n int) error{
			"continuation": func(h *frames, n int) error {
				if n == 0 {
					return h.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, h.block(plainFields("/open/evil")...))
				}
				return h.fr.WriteRawFrame(http2.FrameContinuation, 0, 1, junk)
			},
			"settings": func(h *frames, n int) error {
				return h.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(n)})
			},
			"pings": func(h *frames, _ int) error { return h.fr.WritePing(false, [8]byte{}) },
			"a table that grows": func(h *frames, n int) error {
				return h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), BlockFragment: junk, EndStream: true, EndHeaders: true})
			},
		} {
			h := f.http2(t)
			if name == "continuation" || name == "a table that grows" {
				h.swallow() // the others pile up answers that nobody reads
			}
			_ = h.SetWriteDeadline(time.Now().Add(2 * time.Second))
			for n := range 20_000 {
				if send(h, n) != nil {
					break
				}
			}
			_ = h.Close()
		}
		if grown := f.node.memory(t) - before; grown > grownLimit() {
			t.Errorf("the process has grown by %d MB", grown>>20)
		}
		if strings.Contains(f.wall.bytes.String(), "evil") {
			t.Errorf("the backend was sent %q", f.wall.bytes.String())
		}
		f.holds(t)
	})
}
