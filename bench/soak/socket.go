//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Frames of RFC 6455 as far as this test needs them: whole messages of up to
// 64 KB, masked by the client.
const (
	opBinary = 2
	opClose  = 8
)

// appendFrame appends a final frame; a client masks with a key of zeroes.
func appendFrame(b []byte, op byte, payload []byte, masked bool) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	b = append(b, 0x80|op)
	if len(payload) < 126 {
		b = append(b, mask|byte(len(payload)))
	} else {
		b = append(b, mask|126)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	if masked {
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

func readFrame(r io.Reader) (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	n := int(h[1] & 0x7f)
	switch n {
	case 126:
		var l [2]byte
		if _, err := io.ReadFull(r, l[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(l[:]))
	case 127:
		return 0, nil, errors.New("frame too large")
	}
	var mask [4]byte
	if h[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return h[0] & 0x0f, payload, nil
}

// accept is the proof that the other side speaks WebSocket (RFC 6455 §1.3).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// socket is the backend's side: it sends back what it gets.
func socket(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept(r.Header.Get("Sec-WebSocket-Key")))
	for rw.Flush() == nil {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		op, payload, err := readFrame(rw)
		if err != nil {
			return
		}
		_, _ = rw.Write(appendFrame(nil, op, payload, false))
		if op == opClose {
			_ = rw.Flush()
			return
		}
	}
}

// webSocket opens one, has messages sent back, and closes it; every other time
// without saying so.
func (s *soak) webSocket(ctx context.Context, _ *http.Client) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	const nonce = "dGhlIHNhbXBsZSBub25jZQ=="
	if _, err := fmt.Fprintf(c, "GET /socket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\napi-key: %s\r\n\r\n", s.address, nonce, key); err != nil {
		return simple(err)
	}
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
	if err != nil {
		return simple(err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != accept(nonce) {
		_ = answer.Body.Close()
		return fmt.Errorf("the handshake was answered %d", answer.StatusCode)
	}
	for i := range 20 {
		if err := exchange(c, r, opBinary, []byte(pattern()[:1+i*1500])); err != nil {
			return err
		}
		if !pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
	if time.Now().UnixNano()%2 == 0 {
		return nil
	}
	return exchange(c, r, opClose, []byte{3, 232})
}

// exchange sends a message and wants it back.
func exchange(w io.Writer, r io.Reader, op byte, payload []byte) error {
	if _, err := w.Write(appendFrame(nil, op, payload, true)); err != nil {
		return simple(err)
	}
	gotOp, got, err := readFrame(r)
	if err != nil {
		return simple(err)
	}
	if gotOp != op || !bytes.Equal(got, payload) {
		return errors.New("another message came back")
	}
	return nil
}
