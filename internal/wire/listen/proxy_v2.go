package listen

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
)

// Version 2 is binary (PROXY protocol specification, §2.2): a signature,
// version and command, family and protocol, a length, addresses, TLVs.
const (
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	v2Fixed     = 16
	v2Max       = 4 << 10 // of what follows the fixed part

	v2Local, v2Proxy = 0x20, 0x21
	v2Unspec         = 0x00
	v2TCP4, v2TCP6   = 0x11, 0x21
	v2CRC32C         = 0x03 // type of the checksum TLV
	v2TLVHead        = 3
)

// readV2 reads the rest of a header that begins with head.
func readV2(r io.Reader, head []byte) (proxyHeader, error) {
	var fixed [v2Fixed]byte
	n := copy(fixed[:], head)
	if _, err := io.ReadFull(r, fixed[n:]); err != nil {
		return proxyHeader{}, fmt.Errorf("read PROXY header: %w", err)
	}
	size := int(binary.BigEndian.Uint16(fixed[14:]))
	if size > v2Max {
		return proxyHeader{}, fmt.Errorf("%w: %d bytes of addresses and TLVs", errProxy, size)
	}
	b := make([]byte, v2Fixed+size)
	copy(b, fixed[:])
	if _, err := io.ReadFull(r, b[v2Fixed:]); err != nil {
		return proxyHeader{}, fmt.Errorf("read PROXY header: %w", err)
	}
	return parseV2(b)
}

// parseV2 reads a whole header.
func parseV2(b []byte) (proxyHeader, error) {
	var h proxyHeader
	if len(b) < v2Fixed || string(b[:len(v2Signature)]) != v2Signature || len(b) != v2Fixed+int(binary.BigEndian.Uint16(b[14:])) || len(b) > v2Fixed+v2Max {
		return h, errProxy
	}
	command, family, rest := b[12], b[13], b[v2Fixed:]
	switch {
	case command == v2Local:
		// The proxy itself is calling; family and addresses are to be ignored.
		return h, nil
	case command != v2Proxy:
		return h, fmt.Errorf("%w: version and command 0x%02x", errProxy, command)
	}
	size := 0
	switch family {
	case v2TCP4:
		size = 4
	case v2TCP6:
		size = 16
	case v2Unspec:
	default:
		return h, fmt.Errorf("%w: family and protocol 0x%02x", errProxy, family)
	}
	if size > 0 {
		if len(rest) < 2*size+4 {
			return h, fmt.Errorf("%w: the addresses are cut off", errProxy)
		}
		h = v2Addresses(rest, size)
		rest = rest[2*size+4:]
	}
	if family == v2Unspec {
		return h, nil // what follows has no layout
	}
	if err := checkTLVs(b, len(b)-len(rest)); err != nil {
		return proxyHeader{}, err
	}
	return h, nil
}

func v2Addresses(b []byte, size int) proxyHeader {
	source, _ := netip.AddrFromSlice(b[:size])
	target, _ := netip.AddrFromSlice(b[size : 2*size])
	ports := b[2*size:]
	return proxyHeader{
		netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(target, binary.BigEndian.Uint16(ports[2:])),
	}
}

// checkTLVs walks the TLVs of a header from offset at. They are skipped but for
// the checksum, which covers the whole header with its own value as zeros.
func checkTLVs(b []byte, at int) error {
	for at < len(b) {
		if len(b)-at < v2TLVHead {
			return fmt.Errorf("%w: a TLV is cut off", errProxy)
		}
		kind, value := b[at], at+v2TLVHead
		size := int(binary.BigEndian.Uint16(b[at+1:]))
		if len(b)-value < size {
			return fmt.Errorf("%w: a TLV is longer than the header", errProxy)
		}
		if kind == v2CRC32C && (size != 4 || binary.BigEndian.Uint32(b[value:]) != headerSum(b, value)) {
			return fmt.Errorf("%w: the checksum is wrong", errProxy)
		}
		at = value + size
	}
	return nil
}

func headerSum(b []byte, value int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:value])
	sum = crc32.Update(sum, table, make([]byte, 4))
	return crc32.Update(sum, table, b[value+4:])
}
