// Package secret holds one type: a string that cannot be printed by accident.
// It knows nothing of where secrets come from or what they open.
// Start at Text; the only way back to the characters is Reveal, so that
// "grep Reveal" lists every place where a secret leaves its type.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every formatter, encoder and logger prints in place of a secret.
const Redacted = "[secret]"

// Text is a secret string. Its zero value is the empty secret.
// The value sits behind a pointer, so that even reflection-based printers that
// ignore Format (for example %v of an enclosing unexported field) show an address.
type Text struct{ p *string }

// New wraps s.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{p: &s}
}

// Reveal returns the characters. Every call is a decision to let the secret out.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// IsZero reports whether the secret is empty.
func (t Text) IsZero() bool { return t.p == nil }

// Equal compares in time that depends only on the lengths.
func (t Text) Equal(s string) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(s)) == 1
}

// String implements fmt.Stringer.
func (t Text) String() string {
	if t.p == nil {
		return ""
	}
	return Redacted
}

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return t.String() }

// Format implements fmt.Formatter, so that no verb can reach the characters.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// MarshalText implements encoding.TextMarshaler (JSON, YAML, XML).
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Mask shows the first and last two characters of a long value and nothing of
// a short one. Traces show keys this way, so that a person can tell two apart.
func Mask(s string) string {
	if len(s) < 12 {
		return "****"
	}
	return s[:2] + "****" + s[len(s)-2:]
}
