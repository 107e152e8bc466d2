package databricks

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// target is custom_provider_url taken apart without changing a byte of it:
// the URL is complete, nothing is appended, and its query must survive as
// written (External models, custom provider).
type target struct {
	raw       string
	scheme    string // http or https
	authority string // host[:port]
	host      string
	path      string // origin form, query included
}

func parseTarget(raw string) (target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	t := target{raw: raw, scheme: strings.ToLower(scheme)}
	if !ok || (t.scheme != "https" && t.scheme != "http") {
		return target{}, errors.New("it must be a complete URL beginning with https://")
	}
	// A fragment never leaves a client (RFC 9110 §7.1).
	rest, _, _ = strings.Cut(rest, "#")
	for i := 0; i < len(rest); i++ {
		if rest[i] <= ' ' || rest[i] >= 0x7f {
			return target{}, errors.New("it holds a character that must be percent-encoded")
		}
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t.authority, t.path = rest[:end], rest[end:]
	if !strings.HasPrefix(t.path, "/") {
		t.path = "/" + t.path
	}
	return t, t.splitHost()
}

func (t *target) splitHost() error {
	if strings.Contains(t.authority, "@") {
		return errors.New("it must not hold a user name or password")
	}
	host, port := t.authority, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return errors.New("its host is not valid")
		}
		if _, err := netip.ParseAddr(host[1:end]); err != nil {
			return errors.New("its host is not valid")
		}
		host, port = host[1:end], host[end+1:]
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		host, port = host[:i], host[i:]
	}
	if host == "" || strings.ContainsAny(host, `"<>\^{|}`+"`") {
		return errors.New("its host is not valid")
	}
	if port != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 16)
		if err != nil || port[0] != ':' || n == 0 {
			return errors.New("its port is not valid")
		}
	}
	t.host = host
	return nil
}

// allowed is the rule for plain http: only to this machine, only when asked for.
func (t *target) allowed(insecureLoopback bool) bool {
	return t.scheme == "https" || (t.scheme == "http" && insecureLoopback && t.loopback())
}

// loopback accepts addresses and the one name that RFC 6761 reserves for them.
func (t *target) loopback() bool {
	if strings.EqualFold(t.host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(t.host)
	return err == nil && a.Unmap().IsLoopback()
}

// shown is the URL for traces, with the values of query parameters left out
// whose names say that they open something.
func (t *target) shown() string {
	head, query, ok := strings.Cut(t.raw, "?")
	if !ok {
		return t.raw
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, _ := strings.Cut(part, "=")
		lower := strings.ToLower(name)
		for _, word := range []string{"key", "code", "sig", "token", "secret", "pass"} {
			if strings.Contains(lower, word) {
				parts[i] = name + "=****"
			}
		}
	}
	return head + "?" + strings.Join(parts, "&")
}
