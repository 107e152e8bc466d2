package wire

import "strings"

// Field is one header line.
type Field struct{ Name, Value string }

// Header is an ordered list of header lines. Names compare without case; the
// spelling of the sender is kept. A slice is many times cheaper to build and
// copy than a map of slices, and keeps order.
type Header []Field

// EqualName compares header names: ASCII, without case.
func EqualName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Get returns the first value of name, "" when there is none.
func (h Header) Get(name string) string {
	v, _ := h.Lookup(name)
	return v
}

// Lookup returns the first value of name and whether there is one.
func (h Header) Lookup(name string) (string, bool) {
	for i := range h {
		if EqualName(h[i].Name, name) {
			return h[i].Value, true
		}
	}
	return "", false
}

// Has reports whether name occurs.
func (h Header) Has(name string) bool { _, ok := h.Lookup(name); return ok }

// Values returns all values of name in order; nil when there are none.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if EqualName(h[i].Name, name) {
			vs = append(vs, h[i].Value)
		}
	}
	return vs
}

// Count returns how many lines name has.
func (h Header) Count(name string) int {
	n := 0
	for i := range h {
		if EqualName(h[i].Name, name) {
			n++
		}
	}
	return n
}

// Joined returns all values of name joined by ", " as one field value.
func (h Header) Joined(name string) string {
	if h.Count(name) <= 1 {
		return h.Get(name)
	}
	return strings.Join(h.Values(name), ", ")
}

// Add appends a line.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set replaces all lines of name by one, at the place of the first.
func (h *Header) Set(name, value string) {
	for i := range *h {
		if EqualName((*h)[i].Name, name) {
			(*h)[i].Value = value
			h.delFrom(i+1, name)
			return
		}
	}
	h.Add(name, value)
}

// Del removes all lines of name.
func (h *Header) Del(name string) { h.delFrom(0, name) }

func (h *Header) delFrom(start int, name string) {
	s := *h
	n := start
	for i := start; i < len(s); i++ {
		if !EqualName(s[i].Name, name) {
			s[n] = s[i]
			n++
		}
	}
	clear(s[n:])
	*h = s[:n]
}

// Clone returns a copy.
func (h Header) Clone() Header { return append(Header(nil), h...) }

// HopByHop reports whether name concerns one connection only and is never
// forwarded (RFC 9110 §7.6.1 and the older proxy headers).
func HopByHop(name string) bool {
	switch len(name) {
	case 2:
		return EqualName(name, "TE")
	case 7:
		return EqualName(name, "Upgrade") || EqualName(name, "Trailer")
	case 10:
		return EqualName(name, "Connection") || EqualName(name, "Keep-Alive")
	case 16:
		return EqualName(name, "Proxy-Connection")
	case 17:
		return EqualName(name, "Transfer-Encoding")
	case 18:
		return EqualName(name, "Proxy-Authenticate")
	case 19:
		return EqualName(name, "Proxy-Authorization")
	}
	return false
}

// ValidName reports whether name is an RFC 9110 token.
func ValidName(name string) bool {
	for i := range len(name) {
		if !tokenByte[name[i]] {
			return false
		}
	}
	return name != ""
}

// ValidValue reports whether value may be sent: no CR, LF, NUL or other
// control bytes except tab.
func ValidValue(value string) bool { return controlFree(value) }
