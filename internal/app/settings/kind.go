package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/secret"
)

// kind is what a single value looks like.
type kind[T any] struct {
	typ  string // short, for the reference: "duration"
	want string // for messages: "a duration such as 30s"
	tag  string // YAML type it may have beside text: "!!bool", "!!int"
	only bool   // text is not accepted, unless a variable was filled in
	// parse reads s. errWant says that it is no such thing at all; any other
	// error says what is wrong with the value. dir is what paths are relative to.
	parse func(s, dir string) (T, error)
	hint  func(s string) string // may be nil
}

// errWant is a value that is not of the kind.
var errWant = errors.New("not of this kind")

// needed is k without the empty value, for lists and maps.
func needed[T any](k kind[T]) kind[T] {
	parse := k.parse
	k.parse = func(s, dir string) (T, error) {
		if s == "" {
			var zero T
			return zero, errWant
		}
		return parse(s, dir)
	}
	return k
}

func text() kind[string] {
	return kind[string]{typ: "text", want: "text", parse: func(s, _ string) (string, error) { return s, nil }}
}

func secretText() kind[secret.Text] {
	return kind[secret.Text]{typ: "secret", want: "text", parse: func(s, _ string) (secret.Text, error) { return secret.New(s), nil }}
}

// serviceName follows the rule for names of API Management services (Azure
// documentation: naming rules), since it stands in resource ids.
func serviceName() kind[string] {
	return kind[string]{typ: "text", want: "a service name", parse: func(s, _ string) (string, error) {
		alnum := func(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }
		ok := len(s) >= 1 && len(s) <= 50 && isLetter(s[0]) && alnum(s[len(s)-1])
		for i := 0; ok && i < len(s); i++ {
			ok = alnum(s[i]) || s[i] == '-'
		}
		if !ok {
			return "", errors.New("must be 1 to 50 letters, digits and '-', begin with a letter and not end with '-'")
		}
		return s, nil
	}}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func boolean() kind[bool] {
	return kind[bool]{typ: "true or false", want: "true or false", tag: "!!bool", only: true, parse: func(s, _ string) (bool, error) {
		switch s {
		case "true", "True", "TRUE":
			return true, nil
		case "false", "False", "FALSE":
			return false, nil
		}
		return false, errWant
	}}
}

func oneOf(words ...string) kind[string] {
	shown := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	want := strings.Join(shown, ", ")
	return kind[string]{
		typ: strings.Join(shown, ", "), want: "one of " + want,
		hint: func(s string) string { return diag.DidYouMean(s, shown) },
		parse: func(s, _ string) (string, error) {
			if !slices.Contains(words, s) {
				return "", errWant
			}
			return s, nil
		},
	}
}

func duration(least, most time.Duration) kind[time.Duration] {
	return kind[time.Duration]{
		typ: "duration", want: "a duration such as 30s or 5m", tag: "!!int",
		hint: func(s string) string {
			if _, err := strconv.ParseUint(s, 10, 32); err == nil {
				return "did you mean '" + s + "s'?"
			}
			return ""
		},
		parse: func(s, _ string) (time.Duration, error) {
			d, err := time.ParseDuration(s)
			if err != nil {
				return 0, errWant
			}
			if d < least || d > most {
				return 0, fmt.Errorf("must be between %s and %s", least, most)
			}
			return d, nil
		},
	}
}

func size(least, most int64) kind[int64] {
	return kind[int64]{typ: "size", want: "a size such as 64KiB or 16MiB", tag: "!!int", parse: func(s, _ string) (int64, error) {
		n, ok := parseSize(s)
		if !ok {
			return 0, errWant
		}
		if n < least || n > most {
			return 0, fmt.Errorf("must be between %s and %s", formatSize(least), formatSize(most))
		}
		return n, nil
	}}
}

// count is a number of things.
func count(most int64) kind[int64] {
	return kind[int64]{typ: "number", want: "a number", tag: "!!int", parse: func(s, _ string) (int64, error) {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return 0, errWant
		}
		if int64(n) > most {
			return 0, fmt.Errorf("must be between 0 and %d", most)
		}
		return int64(n), nil
	}}
}

func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}
}

func parseSize(s string) (int64, bool) {
	factor := int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || int64(n) > (1<<62)/factor {
		return 0, false
	}
	return int64(n) * factor, true
}

func formatSize(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// file is a path. One from the settings file is relative to that file.
func file() kind[string] {
	return kind[string]{typ: "path", want: "a path", parse: func(s, dir string) (string, error) {
		if strings.ContainsRune(s, 0) {
			return "", errWant
		}
		if s == "" || dir == "" || filepath.IsAbs(s) {
			return s, nil
		}
		return filepath.Join(dir, s), nil
	}}
}

func ip() kind[netip.Addr] {
	return kind[netip.Addr]{typ: "address", want: "an IP address", parse: func(s, _ string) (netip.Addr, error) {
		if s == "" {
			return netip.Addr{}, nil
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Addr{}, errWant
		}
		return a.Unmap(), nil
	}}
}

// cidr is a range of addresses; a single address is a range of one.
func cidr() kind[netip.Prefix] {
	return kind[netip.Prefix]{typ: "CIDR", want: "an address range such as 10.0.0.0/8", parse: func(s, _ string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return netip.Prefix{}, errWant
		}
		if p != p.Masked() {
			return netip.Prefix{}, fmt.Errorf("has host bits set; the range is %s", p.Masked())
		}
		return p, nil
	}}
}

func listen() kind[string] {
	return kind[string]{typ: "host:port", want: "an address to listen on such as 127.0.0.1:8080", parse: func(s, _ string) (string, error) {
		if s == "" {
			return "", nil
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", errWant
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("needs a port between 0 and 65535")
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostname(host) {
			return "", errWant
		}
		return s, nil
	}}
}

func hostname() kind[string] {
	return kind[string]{typ: "host name", want: "a host name without port", parse: func(s, _ string) (string, error) {
		if !isHostname(s) {
			return "", errWant
		}
		return strings.ToLower(s), nil
	}}
}

func isHostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func baseURL() kind[string] {
	return kind[string]{typ: "URL", want: "an http or https URL", parse: func(s, _ string) (string, error) {
		if s == "" {
			return "", nil
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return "", errWant
		}
		if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "", errors.New("must have neither user, query nor fragment")
		}
		return strings.TrimRight(s, "/"), nil
	}}
}

// deployment is a name with the kind of model behind a colon.
func deployment() kind[Deployment] {
	return kind[Deployment]{typ: "name[:chat|completion|embedding]", want: "a deployment such as gpt-4.1-mini or my-model:embedding", parse: func(s, _ string) (Deployment, error) {
		name, kind, ok := strings.Cut(s, ":")
		if !ok {
			kind = "chat"
		}
		if name == "" || strings.Contains(name, "/") || !slices.Contains([]string{"chat", "completion", "embedding"}, kind) {
			return Deployment{}, errWant
		}
		return Deployment{Name: name, Kind: kind}, nil
	}}
}

// endpoint is where a name leads: an address, or address:port.
func endpoint() kind[string] {
	return kind[string]{typ: "address", want: "an IP address, or address:port", parse: func(s, _ string) (string, error) {
		if _, err := netip.ParseAddrPort(s); err == nil {
			return s, nil
		}
		if _, err := netip.ParseAddr(s); err != nil {
			return "", errWant
		}
		return s, nil
	}}
}
