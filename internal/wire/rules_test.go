package wire_test

import (
	"net"
	"strings"
	"testing"

	"sallyport/internal/wire"
)

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b:80": true, "a:": true, "[::1]": true, "[::1]:80": true, "xn--a.b": true, "a_b": true,
		"": false, ":80": false, "a b": false, "[::1": false, "[]": false, "[::1]x": false, "a:b:c": false, "a:123456": false, "é": false,
	} {
		if got := wire.ValidHost(host); got != want {
			t.Errorf("ValidHost(%q) = %v", host, got)
		}
	}
}

func FuzzOriginForm(f *testing.F) {
	for _, s := range []string{"/a?b", "http://h/a", "http://h?x", "*", "h:443", "//a", "/a#b", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, _, ok := wire.OriginForm(s)
		if ok && (!strings.HasPrefix(target, "/") || strings.Contains(target, "#")) {
			t.Errorf("OriginForm(%q) = %q", s, target)
		}
		if ok && !strings.HasSuffix(s, strings.TrimPrefix(target, "/")) {
			t.Errorf("OriginForm(%q) = %q is not what was sent", s, target)
		}
	})
}

func TestOriginForm(t *testing.T) {
	for uri, want := range map[string][2]string{
		"/a%2Fb//c?x=%20y": {"/a%2Fb//c?x=%20y", ""}, "//evil.example/x": {"//evil.example/x", ""},
		"http://h:1/a?b": {"/a?b", "h:1"}, "HTTPS://h?x": {"/?x", "h"}, "http://h": {"/", "h"},
		"*": {}, "h:443": {}, "ftp://h/": {}, "/a#b": {}, "http://h#/a": {}, "": {},
	} {
		target, authority, ok := wire.OriginForm(uri)
		if ok != (want[0] != "") || target != want[0] || authority != want[1] {
			t.Errorf("OriginForm(%q) = %q, %q, %v", uri, target, authority, ok)
		}
	}
}

func TestAddrPort(t *testing.T) {
	for want, a := range map[string]net.Addr{
		"10.0.0.1:5":       &net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 5},
		"[2001:db8::1]:80": &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 80},
		"invalid AddrPort": &net.UnixAddr{Name: "socket", Net: "unix"},
	} {
		if got := wire.AddrPort(a); got.String() != want {
			t.Errorf("%v: %v, want %s", a, got, want)
		}
	}
}
