package ws_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"sallyport/internal/wire/ws"
)

// pair is two ends that talk to each other.
func pair(t *testing.T, limit int64) (client, server *ws.Conn, wires [2]net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return ws.NewConn(a, ws.Client, limit), ws.NewConn(b, ws.Server, limit), [2]net.Conn{a, b}
}

func TestConnMessages(t *testing.T) {
	client, server, _ := pair(t, 1<<20)
	big := strings.Repeat("x", 300_000)
	go func() {
		_ = client.WriteFrame(ws.Header{Opcode: ws.Text}, []byte("one "))
		_ = client.Write(ws.Ping, []byte("p"))
		_ = client.WriteFrame(ws.Header{Fin: true, Opcode: ws.Continuation}, []byte("two"))
		_ = client.Write(ws.Binary, []byte(big))
		_ = client.Close(ws.GoingAway, "over")
	}()
	var pongs []string
	client.Pinged = func(op ws.Opcode, data []byte) { pongs = append(pongs, string(data)) }
	done := make(chan error, 1)
	go func() {
		_, _, err := client.Read()
		done <- err
	}()
	if op, data, err := server.Read(); op != ws.Text || string(data) != "one two" || err != nil {
		t.Errorf("%d %q %v", op, data, err)
	}
	if op, data, err := server.Read(); op != ws.Binary || string(data) != big || err != nil {
		t.Errorf("%d, %d bytes, %v", op, len(data), err)
	}
	for name, err := range map[string]error{"server": second(server.Read()), "client": <-done} {
		var e *ws.CloseError
		if !errors.As(err, &e) || e.Code != ws.GoingAway {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(pongs) != 1 || pongs[0] != "p" {
		t.Errorf("pongs %q", pongs)
	}
	if client.Write(ws.Text, nil) == nil {
		t.Error("wrote after a close frame")
	}
}

func second(_ ws.Opcode, _ []byte, err error) error { return err }

// What breaks the protocol is answered with the code it deserves.
func TestConnRefuses(t *testing.T) {
	masked := func(h ws.Header, payload string) []byte {
		h.Masked, h.Length = true, int64(len(payload))
		return append(ws.AppendHeader(nil, h), payload...) // the key is zero
	}
	for name, c := range map[string]struct {
		in   []byte
		code ws.Code
	}{
		"not masked":           {[]byte{0x81, 1, 'x'}, ws.ProtocolError},
		"reserved bit":         {masked(ws.Header{Fin: true, Reserved: 4, Opcode: ws.Text}, "x"), ws.ProtocolError},
		"unknown opcode":       {masked(ws.Header{Fin: true, Opcode: 3}, "x"), ws.ProtocolError},
		"continuation alone":   {masked(ws.Header{Fin: true}, "x"), ws.ProtocolError},
		"ping in pieces":       {masked(ws.Header{Opcode: ws.Ping}, "x"), ws.ProtocolError},
		"long ping":            {masked(ws.Header{Fin: true, Opcode: ws.Ping}, strings.Repeat("x", 126)), ws.ProtocolError},
		"message in another":   {append(masked(ws.Header{Opcode: ws.Text}, "x"), masked(ws.Header{Fin: true, Opcode: ws.Text}, "y")...), ws.ProtocolError},
		"text is not UTF-8":    {masked(ws.Header{Fin: true, Opcode: ws.Text}, "\xff"), ws.InvalidData},
		"too big":              {masked(ws.Header{Fin: true, Opcode: ws.Text}, "12345678901"), ws.TooBig},
		"too big in pieces":    {append(masked(ws.Header{Opcode: ws.Text}, "123456"), masked(ws.Header{Fin: true}, "123456")...), ws.TooBig},
		"length out of range":  {[]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ws.ProtocolError},
		"close of one byte":    {masked(ws.Header{Fin: true, Opcode: ws.Close}, "x"), ws.ProtocolError},
		"close with 1006":      {masked(ws.Header{Fin: true, Opcode: ws.Close}, "\x03\xee"), ws.ProtocolError},
		"close is not UTF-8":   {masked(ws.Header{Fin: true, Opcode: ws.Close}, "\x03\xe8\xff"), ws.InvalidData},
		"close without a code": {masked(ws.Header{Fin: true, Opcode: ws.Close}, ""), ws.Normal},
	} {
		var out bytes.Buffer
		server := ws.NewConn(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(c.in), &out}, ws.Server, 10)
		if _, _, err := server.Read(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if b := out.Bytes(); len(b) < 4 || b[0] != 0x88 || ws.Code(b[2])<<8|ws.Code(b[3]) != c.code {
			t.Errorf("%s: answered %x, want code %d", name, b, c.code)
		}
	}
}

func TestConnTornIsNoCleanEnd(t *testing.T) {
	for _, in := range []string{"", "\x81", "\x81\x85abcd12"} {
		server := ws.NewConn(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(in), io.Discard}, ws.Server, 10)
		if _, _, err := server.Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestAppendCloseCutsReason(t *testing.T) {
	b := ws.AppendClose(nil, ws.Normal, strings.Repeat("é", 100), false)
	h, n, err := ws.ParseHeader(b)
	if err != nil || h.Length != 2+122 || len(b) != n+int(h.Length) {
		t.Errorf("%+v, %d bytes, %v", h, len(b), err)
	}
}

func FuzzConn(f *testing.F) {
	f.Add([]byte{0x81, 0x81, 0, 0, 0, 0, 'x', 0x88, 0x80, 0, 0, 0, 0})
	f.Add([]byte{0x89, 0x80, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, in []byte) {
		server := ws.NewConn(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), io.Discard}, ws.Server, 1<<10)
		for {
			_, data, err := server.Read()
			if err != nil {
				return
			}
			if len(data) > 1<<10 {
				t.Fatalf("message of %d bytes", len(data))
			}
		}
	})
}
