package listen

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Version 1 is one line of text (PROXY protocol specification, §2.1).
const (
	v1Prefix = "PROXY "
	v1Max    = 107 // with its CRLF
	v1Spaces = 5   // of a line with addresses
)

// readV1 reads the rest of a line that begins with the shortest bytes of buf.
// It asks for no more than must still come, so a line takes a few reads and
// nothing behind it is touched.
func readV1(r io.Reader, buf *[v1Max]byte) (proxyHeader, error) {
	n := shortest
	for buf[n-1] != '\n' {
		want := v1Missing(buf[:n])
		if n+want > len(buf) {
			return proxyHeader{}, fmt.Errorf("%w: the line is too long", errProxy)
		}
		if _, err := io.ReadFull(r, buf[n:n+want]); err != nil {
			return proxyHeader{}, fmt.Errorf("read PROXY header: %w", err)
		}
		// Nothing but the last byte may be a line end.
		if k := bytes.IndexByte(buf[n:n+want], '\n'); k >= 0 && k != want-1 {
			return proxyHeader{}, errProxy
		}
		n += want
	}
	return parseV1(string(buf[:n]))
}

// v1Missing is the least number of bytes that a valid line still lacks.
func v1Missing(line []byte) int {
	missing := 2
	if line[len(line)-1] == '\r' {
		missing = 1
	}
	if bytes.HasPrefix(line, []byte(v1Prefix+"TCP")) {
		// a space and a character for each field to come
		missing += 2 * max(v1Spaces-bytes.Count(line, []byte{' '}), 0)
	}
	return missing
}

// parseV1 reads a whole line. The grammar is strict: one space, canonical
// numbers, addresses of the family that is named.
func parseV1(line string) (proxyHeader, error) {
	var h proxyHeader
	body, ended := strings.CutSuffix(line, "\r\n")
	rest, begun := strings.CutPrefix(body, v1Prefix)
	if !ended || !begun || len(line) > v1Max || strings.ContainsAny(body, "\r\n\x00") {
		return h, errProxy
	}
	family, rest, more := strings.Cut(rest, " ")
	if family == "UNKNOWN" {
		return h, nil // whatever follows is to be ignored
	}
	fields := strings.Split(rest, " ")
	if !more || len(fields) != 4 {
		return h, fmt.Errorf("%w: four fields expected behind the protocol", errProxy)
	}
	source, err1 := v1Address(family, fields[0], fields[2])
	target, err2 := v1Address(family, fields[1], fields[3])
	if err1 != nil || err2 != nil {
		return h, errProxy
	}
	return proxyHeader{source, target}, nil
}

func v1Address(family, host, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" || family != "TCP4" && family != "TCP6" || (family == "TCP4") != a.Is4() {
		return netip.AddrPort{}, errProxy
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != port {
		return netip.AddrPort{}, errProxy
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}
