package listen

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 builds a header with a length that is right.
func v2(command, family byte, rest ...byte) []byte {
	b := append([]byte(v2Signature), command, family, 0, 0)
	binary.BigEndian.PutUint16(b[14:], uint16(len(rest)))
	return append(b, rest...)
}

func tlv(kind byte, value ...byte) []byte {
	return append([]byte{kind, byte(len(value) >> 8), byte(len(value))}, value...)
}

// v2Summed is a TCP4 header with a checksum, correct but for wrong.
func v2Summed(wrong byte) []byte {
	b := v2(v2Proxy, v2TCP4, append(addresses4(), append(tlv(4, 0, 0), tlv(v2CRC32C, 0, 0, 0, 0)...)...)...)
	binary.BigEndian.PutUint32(b[len(b)-4:], headerSum(b, len(b)-4))
	b[len(b)-1] ^= wrong
	return b
}

func addresses4() []byte { return []byte{192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb} }

func addresses6() []byte {
	a, b := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	return append(append(a[:], b[:]...), 0xdc, 0x04, 0x01, 0xbb)
}

const (
	from4, to4 = "192.0.2.1:56324", "198.51.100.2:443"
	from6, to6 = "[2001:db8::1]:56324", "[2001:db8::2]:443"
)

func TestProxyHeaders(t *testing.T) {
	for name, k := range map[string]struct {
		in       string
		from, to string // "" = the socket's own
	}{
		"v1 TCP4":                     {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", from4, to4},
		"v1 TCP6":                     {"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", from6, to6},
		"v1 shortest TCP4":            {"PROXY TCP4 1.1.1.1 1.1.1.1 1 0\r\n", "1.1.1.1:1", "1.1.1.1:0"},
		"v1 shortest TCP6":            {"PROXY TCP6 :: :: 1 0\r\n", "[::]:1", "[::]:0"},
		"v1 longest TCP6":             {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff2 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff2]:65535"},
		"v1 UNKNOWN":                  {"PROXY UNKNOWN\r\n", "", ""},
		"v1 UNKNOWN with addresses":   {"PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", "", ""},
		"v2 TCP4":                     {string(v2(v2Proxy, v2TCP4, addresses4()...)), from4, to4},
		"v2 TCP6":                     {string(v2(v2Proxy, v2TCP6, addresses6()...)), from6, to6},
		"v2 with TLVs":                {string(v2(v2Proxy, v2TCP4, append(addresses4(), append(tlv(1, 'h', '2'), tlv(0xe0)...)...)...)), from4, to4},
		"v2 with a checksum":          {string(v2Summed(0)), from4, to4},
		"v2 LOCAL":                    {string(v2(v2Local, v2Unspec)), "", ""},
		"v2 LOCAL, addresses ignored": {string(v2(v2Local, v2TCP4, addresses4()...)), "", ""},
		"v2 UNSPEC":                   {string(v2(v2Proxy, v2Unspec, 1, 2, 3)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			const behind = "GET / HTTP/1.1\r\n"
			for how, r := range map[string]io.Reader{
				"whole": strings.NewReader(k.in + behind), "byte by byte": iotest.OneByteReader(strings.NewReader(k.in + behind)),
			} {
				h, err := readProxy(r)
				if err != nil || h.known() != (k.from != "") || h.known() && (h.source.String() != k.from || h.target.String() != k.to) {
					t.Errorf("%s: %v %v", how, h, err)
				}
				if rest, _ := io.ReadAll(r); string(rest) != behind {
					t.Errorf("%s: %q is left behind the header", how, rest)
				}
			}
		})
	}
}

func TestHostileProxyHeaders(t *testing.T) {
	long := v2(v2Proxy, v2TCP4, append(addresses4(), tlv(4, make([]byte, v2Max)...)...)...)
	for name, in := range map[string]string{
		"plain HTTP":                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"TLS":                       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaa",
		"lower case":                "proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		"v1 nothing else":           "PROXY \r\n12345678",
		"v1 other protocol":         "PROXY UDP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		"v1 almost UNKNOWN":         "PROXY UNKNOWNX 1\r\n",
		"v1 wrong family":           "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
		"v1 other wrong family":     "PROXY TCP6 192.0.2.1 198.51.100.2 56324 443\r\n",
		"v1 mixed families":         "PROXY TCP4 192.0.2.1 2001:db8::2 56324 443\r\n",
		"v1 zone":                   "PROXY TCP6 fe80::1%eth0 fe80::2 56324 443\r\n",
		"v1 leading zero, address":  "PROXY TCP4 192.0.02.1 198.51.100.2 56324 443\r\n",
		"v1 leading zero, port":     "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
		"v1 plus sign":              "PROXY TCP4 192.0.2.1 198.51.100.2 +5632 443\r\n",
		"v1 port too large":         "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
		"v1 no port":                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 \r\n",
		"v1 two spaces":             "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
		"v1 tab":                    "PROXY TCP4\t192.0.2.1 198.51.100.2 56324 443\r\n",
		"v1 field too many":         "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
		"v1 bare line feed":         "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
		"v1 bare carriage return":   "PROXY TCP4 192.0.2.1\r198.51.100.2 56324 443\r\n",
		"v1 line end early":         "PROXY TCP4\r\nGET / HTTP/1.1\r\n\r\n",
		"v1 line end in UNKNOWN":    "PROXY UNKNOWN\n\r\n",
		"v1 NUL":                    "PROXY UNKNOWN \x00\r\n",
		"v1 too long":               "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		"v1 without end":            "PROXY UNKNOWN " + strings.Repeat("x", 9000),
		"v1 cut off":                "PROXY TCP4 192.0.2.1 198.51",
		"nothing":                   "",
		"v2 cut off in the head":    v2Signature + "\x21\x11\x00",
		"v2 cut off in the rest":    string(v2(v2Proxy, v2TCP4, addresses4()...)[:20]),
		"v2 version 1":              string(v2(0x11, v2TCP4, addresses4()...)),
		"v2 version 3":              string(v2(0x31, v2TCP4, addresses4()...)),
		"v2 command 2":              string(v2(0x22, v2TCP4, addresses4()...)),
		"v2 UDP":                    string(v2(v2Proxy, 0x12, addresses4()...)),
		"v2 UNIX":                   string(v2(v2Proxy, 0x31, make([]byte, 216)...)),
		"v2 family unknown":         string(v2(v2Proxy, 0x41, addresses4()...)),
		"v2 protocol unspecified":   string(v2(v2Proxy, 0x10, addresses4()...)),
		"v2 addresses cut off":      string(v2(v2Proxy, v2TCP4, addresses4()[:11]...)),
		"v2 TCP6 addresses cut off": string(v2(v2Proxy, v2TCP6, addresses4()...)),
		"v2 TLV head cut off":       string(v2(v2Proxy, v2TCP4, append(addresses4(), 4, 0)...)),
		"v2 TLV too long":           string(v2(v2Proxy, v2TCP4, append(addresses4(), 4, 0, 9, 1)...)),
		"v2 checksum wrong":         string(v2Summed(1)),
		"v2 checksum of 3 bytes":    string(v2(v2Proxy, v2TCP4, append(addresses4(), tlv(v2CRC32C, 1, 2, 3)...)...)),
		"v2 too long":               string(long),
		"v2 65,535 bytes announced": v2Signature + "\x21\x11\xff\xff",
		"v2 signature almost right": strings.Replace(string(v2(v2Proxy, v2TCP4, addresses4()...)), "QUIT", "QUIC", 1),
	} {
		r := &counted{r: strings.NewReader(in)}
		if h, err := readProxy(r); err == nil || h.known() {
			t.Errorf("%s: taken for %v (%v)", name, h, err)
		}
		if r.n > v2Fixed+v2Max {
			t.Errorf("%s: %d bytes were read", name, r.n)
		}
	}
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A header is read to its end and not beyond, in whatever pieces it comes.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET", "PROXY TCP6 :: :: 1 0\r\n", "PROXY UNKNOWN x\r\n",
		string(v2(v2Proxy, v2TCP4, addresses4()...)), string(v2(v2Proxy, v2TCP6, addresses6()...)) + "x", string(v2Summed(0)), string(v2(v2Local, 0)),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, single := bytes.NewReader(in), bytes.NewReader(in)
		h, err := readProxy(whole)
		h1, err1 := readProxy(iotest.OneByteReader(single))
		if h != h1 || (err == nil) != (err1 == nil) {
			t.Fatalf("in one piece %v %v, byte by byte %v %v", h, err, h1, err1)
		}
		if err != nil {
			return
		}
		if whole.Len() != single.Len() {
			t.Fatalf("%d and %d bytes left", whole.Len(), single.Len())
		}
		used := in[:len(in)-whole.Len()]
		if strings.HasPrefix(string(used), v1Prefix) && (len(used) > v1Max || !bytes.HasSuffix(used, []byte("\r\n")) || bytes.Count(used, []byte("\n")) != 1) {
			t.Fatalf("%q is no line", used)
		}
		if h.known() && (h.source.Addr().Is4() != h.target.Addr().Is4() || h.source.Addr().Zone() != "") {
			t.Fatalf("%v", h)
		}
	})
}

func FuzzProxyV1(f *testing.F) {
	f.Add("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n")
	f.Add("PROXY UNKNOWN\r\n")
	f.Fuzz(func(t *testing.T, line string) {
		h, err := parseV1(line)
		if err != nil || !h.known() {
			return
		}
		family := "TCP6 "
		if h.source.Addr().Is4() {
			family = "TCP4 "
		}
		f := strings.Fields(line)
		a, _ := netip.ParseAddr(f[2])
		if !strings.HasPrefix(line, v1Prefix+family) || len(f) != 6 || a != h.source.Addr() {
			t.Fatalf("%q read as %v", line, h)
		}
	})
}

func FuzzProxyV2(f *testing.F) {
	f.Add(v2(v2Proxy, v2TCP4, addresses4()...))
	f.Add(v2(v2Proxy, v2TCP6, addresses6()...))
	f.Add(v2Summed(0))
	f.Add(v2(v2Local, 0))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := parseV2(in)
		if err != nil || !h.known() {
			return
		}
		s, d := h.source.Addr().AsSlice(), h.target.Addr().AsSlice()
		if !bytes.HasPrefix(in[v2Fixed:], append(s, d...)) {
			t.Fatalf("%x read as %v", in, h)
		}
	})
}
