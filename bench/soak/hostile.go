//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// attacks are requests that must be refused. %s is the address of the gateway.
func attacks(engine string) []string {
	const head = "POST /soak/echo HTTP/1.1\r\nHost: %s\r\napi-key: " + key + "\r\n"
	all := []string{
		head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		head + "Content-Length: -1\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
		head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		head + "X-Bad: a\x00b\r\nContent-Length: 0\r\n\r\n",
		head + "X Bad: a\r\nContent-Length: 0\r\n\r\n",
		head + "X-Long: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
		"POST /soak/echo HTTP/1.1\r\napi-key: " + key + "\r\nContent-Length: 0\r\n\r\n",
		"POST /soak/" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: %s\r\n\r\n",
		"POST /soak/echo HTTP/9.9\r\nHost: %s\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET\r\n\r\n",
	}
	if engine != "std" { // net/http drops the length and reads the chunks, as RFC 9112 §6.3 permits
		all = append(all, head+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	}
	return all
}

// dial opens a plain connection to the gateway.
func (s *soak) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, simple(err)
	}
	return c, c.SetDeadline(time.Now().Add(20 * time.Second))
}

// badRequest sends one attack after the other: each must be refused with 4xx or
// 501 or 505, or the connection closed.
func (s *soak) badRequest() func(context.Context, *http.Client) error {
	all := attacks(s.o.engine)
	var turn atomic.Int64
	return func(ctx context.Context, _ *http.Client) error {
		n := int(turn.Add(1)) % len(all)
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, strings.ReplaceAll(all[n], "%s", s.address)) // it may be refused before it is all sent
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("attack %d hangs", n)
		case err != nil:
			return nil // a closed connection is a refusal
		}
		_ = answer.Body.Close()
		if s := answer.StatusCode; (s < 400 || s > 499) && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported {
			return fmt.Errorf("attack %d was answered %d", n, s)
		}
		return nil
	}
}

// trickle sends a head a byte at a time, longer than the gateway waits.
func (s *soak) trickle(ctx context.Context, _ *http.Client) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for _, b := range []byte("POST /soak/echo HTTP/1.1\r\nHost: x\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") {
		if _, err := c.Write([]byte{b}); err != nil {
			return nil // the gateway has closed the connection, as it should
		}
		if !pause(ctx, 100*time.Millisecond) {
			return nil
		}
	}
	return errors.New("a head that trickles for ten seconds was waited for")
}

// stopReading asks for a large answer and reads nothing. The gateway must not
// wait for ever: it closes the connection after its write timeout.
func (s *soak) stopReading(ctx context.Context, _ *http.Client) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(4 << 10) // the system's buffers must not take all of it
	}
	for range 4 { // four answers of 2 MB do not fit into them either
		if _, err := fmt.Fprintf(c, "POST /soak/large HTTP/1.1\r\nHost: %s\r\napi-key: %s\r\nContent-Length: 0\r\n\r\n", s.address, key); err != nil {
			return simple(err)
		}
	}
	// Writing tells whether the other side is still there; reading would free it.
	for range 120 {
		if !pause(ctx, 100*time.Millisecond) {
			return nil
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return nil // the gateway has closed the connection, as it should
		}
	}
	return errors.New("a connection whose client reads nothing stays open")
}
