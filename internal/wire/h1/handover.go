//go:build linux

package h1

import (
	"bytes"
	"crypto/tls"
	"net"

	"sallyport/internal/wire"
)

// preface begins HTTP/2 connections (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// secure does the TLS handshake; false when there is nothing more to do here.
func (c *conn) secure() bool {
	t, err := c.s.handshake(c.nc)
	if err != nil {
		return false
	}
	state := t.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		c.handOver(t)
		return false
	}
	c.sockOver(t)
	c.scheme, c.tlsVersion = "https", wire.TLSVersion(state.Version)
	return true
}

// sockOver puts TLS between the connection and what was read so far: nothing.
func (c *conn) sockOver(t *tls.Conn) {
	c.mu.Lock() // the server may be closing it
	defer c.mu.Unlock()
	c.nc, c.raw = t, nil
}

// handOver gives the connection to the engine that speaks HTTP/2.
func (c *conn) handOver(nc net.Conn) {
	c.mu.Lock()
	c.hijacked = true
	c.mu.Unlock()
	c.s.h2.ServeConn(nc)
}

// isPreface hands connections that begin with HTTP/2 to the other engine.
func (c *conn) isPreface(b []byte) bool {
	if len(b) < len("PRI * HTTP/2.0\r\n\r\n") || b[0] != 'P' || !bytes.HasPrefix(b, []byte(preface[:18])) || !c.s.cfg.H2C || c.s.cfg.TLS != nil || c.spoken {
		return false
	}
	read := append([]byte(nil), b...)
	c.use(len(b))
	c.release()
	c.readForever()
	c.writeForever()
	c.unwatch()
	c.handOver(&prefixed{Conn: c.nc, read: read})
	return true
}

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	read []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.read) > 0 {
		n := copy(b, p.read)
		p.read = p.read[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// NetConn returns the connection underneath.
func (p *prefixed) NetConn() net.Conn { return p.Conn }
