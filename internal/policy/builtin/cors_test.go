package builtin

import "testing"

func TestCanonicalOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://App.Example.com":     "https://app.example.com",
		"https://app.example.com:443": "https://app.example.com",
		"http://app.example.com:80/":  "http://app.example.com",
		"http://app.example.com:443":  "http://app.example.com:443",
		"http://[2001:DB8::1]:8080":   "http://[2001:db8::1]:8080",
		"http://a:0080":               "http://a",
		"capacitor://localhost":       "capacitor://localhost",
		"null":                        "null",
	} {
		if got, ok := canonicalOrigin(in); !ok || got != want {
			t.Errorf("canonicalOrigin(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "*", "app.example.com", "https://", "https://:443", "https://a/b", "https://a?b", "https://u@a", "https://*.a", "://a", "https://a b", "https://a,https://b", "http://[::80", "http://[::1", "http://[a]", "http://::1", "1x://a", "http://a:-1"} {
		if got, ok := canonicalOrigin(in); ok {
			t.Errorf("canonicalOrigin(%q) = %q, want refusal", in, got)
		}
	}
}

// A canonical origin must be a fixed point: browsers send that form.
func FuzzCanonicalOrigin(f *testing.F) {
	for _, s := range []string{"https://a:443/", "http://A:80:80", "null", "x://y//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, ok := canonicalOrigin(s)
		if !ok {
			return
		}
		if again, ok := canonicalOrigin(o); !ok || again != o {
			t.Errorf("canonicalOrigin(%q) = %q, and of that %q, %v", s, o, again, ok)
		}
	})
}
