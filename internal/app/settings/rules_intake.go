package settings

import (
	"net/netip"
	"runtime"
	"strings"

	"sallyport/internal/diag"
)

// littleMemory is less than a process with a small configuration takes.
const littleMemory = 64 << 20

// intakeRules are about who gets in and how many at a time.
func (l *loader) intakeRules() {
	g := l.s.Gateway
	for _, p := range g.ProxyProtocol.Trusted {
		switch {
		case p.Bits() == 0:
			l.finding(diag.SettingsRisky, "gateway.proxyProtocol.trusted", "every client is trusted to state its own address, and one that sends no PROXY header is not served")
		case l.s.Serving.Enabled && p.Contains(l.chainAddress()):
			l.finding(diag.SettingsRisky, "gateway.proxyProtocol.trusted", "'"+p.String()+"' covers the address that the serving plane calls from; its calls begin with no PROXY header and will be refused").
				Hint = "give the load balancer an address of its own, or set serving.sourceAddress to one outside the range"
		}
	}
	if g.ReusePort && runtime.GOOS != "linux" {
		l.finding(diag.SettingsValue, "gateway.reusePort", "ports can be shared on Linux only")
	}
	if _, given := l.set["gateway.limits.queue"]; given && g.Limits.InFlight == 0 && g.Limits.Queue > 0 {
		l.finding(diag.SettingsRisky, "gateway.limits.queue", "nothing ever waits because gateway.limits.inFlight is 0, unlimited")
	}
	if m := g.Limits.Memory; m > 0 && m < littleMemory {
		l.finding(diag.SettingsRisky, "gateway.limits.memory", formatSize(m)+" is about what the process takes without any request, so every request may be turned away")
	}
}

// chainAddress is where calls of the serving plane to the gateway come from.
func (l *loader) chainAddress() netip.Addr {
	if a := l.s.Serving.SourceAddress; a.IsValid() {
		return a
	}
	if strings.HasPrefix(l.s.Gateway.Listen, "[::1]") {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
