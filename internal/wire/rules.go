package wire

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
)

// OriginForm returns the path and query of a request target, byte for byte,
// and the authority of an absolute form, "" for the origin form. The absolute
// form that clients send to proxies must be accepted by every server
// (RFC 9112 §3.2.2). A fragment is never sent; a '#' would be read differently
// by each server on the way, so it is refused.
func OriginForm(uri string) (target, authority string, ok bool) {
	if strings.IndexByte(uri, '#') >= 0 {
		return "", "", false
	}
	if strings.HasPrefix(uri, "/") {
		return uri, "", true
	}
	scheme, rest, found := strings.Cut(uri, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", false
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/", rest, true
	case rest[i] == '?':
		return "/" + rest[i:], rest[:i], true
	}
	return rest[i:], rest[:i], true
}

// ValidHost accepts host or host:port with the characters RFC 3986 gives a
// registered name, except the comma, which would make two hosts of one.
func ValidHost(host string) bool {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		addr, port, found := strings.Cut(rest, "]")
		if !found || addr == "" {
			return false
		}
		for i := range len(addr) {
			if !isHex(addr[i]) && addr[i] != ':' && addr[i] != '.' {
				return false
			}
		}
		return port == "" || port[0] == ':' && digits(port[1:])
	}
	name, port, found := strings.Cut(host, ":")
	if name == "" || found && !digits(port) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !isAlnum(c) && strings.IndexByte("-._~%!$&'()*+;=", c) < 0 {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// DropNamedByConnection removes the lines that a Connection header declares to
// be for one hop only (RFC 9110 §7.6.1). It happens on arrival: done later, a
// client could name a header that a policy has set. The headers a proxy in
// front has vouched for are kept, since a client could take them away otherwise.
func DropNamedByConnection(h Header) Header {
	for i := range h {
		if len(h[i].Name) != len("Connection") || !EqualName(h[i].Name, "Connection") {
			continue
		}
		if v := h[i].Value; v == "keep-alive" || v == "close" || v == "" {
			continue
		}
		return dropNamed(h)
	}
	return h
}

func dropNamed(h Header) Header {
	for _, line := range h.Values("Connection") {
		for token := range strings.SplitSeq(line, ",") {
			name := strings.Trim(token, " \t")
			if name == "" || HopByHop(name) || EqualName(name, "Forwarded") ||
				len(name) > 12 && EqualName(name[:12], "X-Forwarded-") {
				continue
			}
			h.Del(name)
		}
	}
	return h
}

// HasToken reports whether a comma-separated header value holds the token,
// without case.
func HasToken(value, token string) bool {
	for value != "" {
		var t string
		t, value, _ = strings.Cut(value, ",")
		if EqualName(strings.Trim(t, " \t"), token) {
			return true
		}
	}
	return false
}

// TLSVersion is the name of a TLS version in log lines: "1.2".
func TLSVersion(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS12:
		return "1.2"
	default:
		return "1.3"
	}
}

// AddrPort turns IPv4 in IPv6 form (dual-stack listeners) into plain IPv4, so
// that address rules see one form only.
func AddrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// controlFree reports whether s has no byte below space (but tab) and no DEL,
// eight bytes at a time: every header of every request passes here.
func controlFree(s string) bool {
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64([]byte(s[:8])) // the compiler makes no copy of this
		low := (x - ones*0x20) &^ x & highs
		del := x ^ ones*0x7f
		if low|((del-ones)&^del&highs) != 0 && !controlFreeBytes(s[:8]) {
			return false
		}
		s = s[8:]
	}
	return controlFreeBytes(s)
}

func controlFreeBytes(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenByte tells which bytes may stand in a token (RFC 9110 §5.6.2).
var tokenByte = [256]bool{
	'!': true, '#': true, '$': true, '%': true, '&': true, '\'': true, '*': true, '+': true, '-': true, '.': true, '^': true, '_': true, '`': true, '|': true, '~': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true, 'K': true, 'L': true, 'M': true,
	'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true, 'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true, 'k': true, 'l': true, 'm': true,
	'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true, 'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
}
