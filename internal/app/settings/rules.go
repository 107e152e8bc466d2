package settings

import (
	"net"
	"net/netip"
	"strings"

	"sallyport/internal/diag"
)

// shortToken is the length below which a token can be guessed in practice.
const shortToken = 16

// rules checks settings against each other.
func (l *loader) rules() {
	l.listeners()
	l.tokenRules()
	l.servingRules()
	l.identityRules()
	l.intakeRules()
	s := l.s
	for _, p := range s.Gateway.TrustedProxies {
		if p.Bits() == 0 {
			l.finding(diag.SettingsRisky, "gateway.trustedProxies", "every client is trusted to state its own address, so ip-filter protects nothing")
		}
	}
	if !s.Trace.MaskSecrets {
		l.finding(diag.SettingsRisky, "trace.maskSecrets", "traces will show keys and tokens in full")
	}
}

// finding is about the setting path, where the user wrote it.
func (l *loader) finding(c diag.Code, path, message string) *diag.Finding {
	at := l.set[path]
	name := path
	if at.name != "" {
		name = at.name
	}
	return l.out.Add(c, at.pos, path, "%s: %s", name, message)
}

type plane struct {
	name   string
	listen string
	tls    TLS
	tokens bool // opened by tokens
}

func (l *loader) planes() []plane {
	s := l.s
	planes := []plane{
		{"gateway", s.Gateway.Listen, s.Gateway.TLS, false},
		{"management", s.Management.Listen, s.Management.TLS, true},
	}
	if s.Serving.Enabled {
		planes = append(planes, plane{"serving", s.Serving.Listen, TLS{}, true})
	}
	return planes
}

func (l *loader) listeners() {
	taken := map[string]string{}
	for _, p := range l.planes() {
		for _, a := range []struct{ path, addr string }{{p.name + ".listen", p.listen}, {p.name + ".tls.listen", p.tls.Listen}} {
			if a.addr == "" || strings.HasSuffix(a.addr, ":0") {
				continue
			}
			if first, ok := taken[a.addr]; ok {
				here := a.path
				if _, given := l.set[here]; !given { // the one that was written is the one to change
					here, first = first, here
				}
				l.finding(diag.SettingsConflict, here, "'"+a.addr+"' is already the address of "+first)
			}
			taken[a.addr] = a.path
		}
		l.tlsRules(p)
	}
	if s := l.s.Gateway; s.Listen == "" && s.TLS.Listen == "" {
		l.finding(diag.SettingsMissing, "gateway.listen", "the gateway has neither listen nor tls.listen")
	}
	if l.s.Serving.Enabled && l.s.Serving.Listen == "" {
		l.finding(diag.SettingsMissing, "serving.listen", "the serving plane is enabled and has no address to listen on")
	}
}

func (l *loader) tlsRules(p plane) {
	path := p.name + ".tls."
	t := p.tls
	if t.Listen == "" {
		if t.CertFile != "" || t.KeyFile != "" {
			l.finding(diag.SettingsMissing, path+"certFile", "a certificate has no effect without "+path+"listen")
		}
		return
	}
	if t.CertFile == "" {
		l.finding(diag.SettingsMissing, path+"listen", "a TLS listener needs "+path+"certFile")
	}
	if t.KeyFile == "" {
		l.finding(diag.SettingsMissing, path+"listen", "a TLS listener needs "+path+"keyFile")
	}
}

func (l *loader) tokenRules() {
	for _, p := range l.planes() {
		if !p.tokens {
			continue
		}
		for _, a := range []struct {
			path, addr string
			plain      bool
		}{{p.name + ".listen", p.listen, true}, {p.name + ".tls.listen", p.tls.Listen, false}} {
			switch {
			case a.addr == "" || Loopback(a.addr):
			case len(l.s.Tokens) == 0:
				l.finding(diag.SettingsOpen, a.path, "'"+a.addr+"' can be reached from other machines and there are no tokens")
			case a.plain:
				l.finding(diag.SettingsPlaintext, a.path, "'"+a.addr+"' can be reached from other machines and has no TLS")
			}
		}
	}
	names, values := map[string]bool{}, map[string]bool{}
	for _, t := range l.s.Tokens {
		v := t.Value.Reveal() // compared and measured only
		switch {
		case t.Name == "" || v == "":
			l.finding(diag.SettingsMissing, "tokens", "a token needs a name and a value")
			continue
		case names[t.Name]:
			l.finding(diag.SettingsDuplicate, "tokens", "two tokens are named '"+t.Name+"'")
		case values[v]:
			l.finding(diag.SettingsDuplicate, "tokens", "the token '"+t.Name+"' has the value of another one")
		case strings.ContainsAny(v, " \t\r\n"):
			l.finding(diag.SettingsValue, "tokens", "the value of token '"+t.Name+"' must not contain blanks")
		case len(v) < shortToken:
			l.finding(diag.SettingsRisky, "tokens", "the value of token '"+t.Name+"' is shorter than 16 characters")
		}
		names[t.Name], values[v] = true, true
	}
}

func (l *loader) servingRules() {
	s := l.s.Serving
	if s.Enabled && s.Bundle == "" {
		l.finding(diag.SettingsMissing, "serving.enabled", "the serving plane needs serving.bundle")
	}
	if _, given := l.set["serving.bundle"]; given && !s.Enabled {
		l.finding(diag.SettingsRisky, "serving.bundle", "the bundle is not used because serving.enabled is false")
	}
}

func (l *loader) identityRules() {
	id := l.s.Identity
	need := func(path, value string) {
		if value == "" {
			l.finding(diag.SettingsMissing, "identity.kind", "identity '"+id.Kind+"' needs "+path)
		}
	}
	switch id.Kind {
	case "clientSecret":
		need("identity.tenantId", id.TenantID)
		need("identity.clientId", id.ClientID)
		if id.ClientSecret.IsZero() {
			need("identity.clientSecret", "")
		}
	case "clientCertificate":
		need("identity.tenantId", id.TenantID)
		need("identity.clientId", id.ClientID)
		need("identity.certificateFile", id.CertificateFile)
	}
	if !id.ClientSecret.IsZero() && id.CertificateFile != "" {
		l.finding(diag.SettingsConflict, "identity.clientSecret", "a client secret and a certificate file exclude each other")
	}
}

// Loopback reports whether an address to listen on can be reached from this
// machine only. A name other than localhost might resolve to anything.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
