package ranges

import (
	"fmt"
	"net/netip"
	"strings"
)

// Builder collects addresses in any order, overlapping and repeated. The zero
// value is ready; Build may be called more than once.
type Builder struct {
	v4, v6 []span
}

// AddAddr adds one address.
func (b *Builder) AddAddr(a netip.Addr) error { return b.AddRange(a, a) }

// AddPrefix adds all addresses of p; host bits are ignored.
func (b *Builder) AddPrefix(p netip.Prefix) error {
	s, err := spanOfPrefix(p)
	if err != nil {
		return err
	}
	b.add(s)
	return nil
}

// AddRange adds the addresses from from to to, both included.
func (b *Builder) AddRange(from, to netip.Addr) error {
	s, err := spanOfRange(from, to)
	if err != nil {
		return err
	}
	b.add(s)
	return nil
}

// AddText adds an address, a CIDR prefix or "first-last".
func (b *Builder) AddText(text string) error {
	text = strings.TrimSpace(text)
	if from, to, ok := strings.Cut(text, "-"); ok {
		first, err := netip.ParseAddr(strings.TrimSpace(from))
		if err != nil {
			return fmt.Errorf("read start of range %q: %w", text, err)
		}
		last, err := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil {
			return fmt.Errorf("read end of range %q: %w", text, err)
		}
		return b.AddRange(first, last)
	}
	p, err := parsePrefix(text)
	if err != nil {
		return err
	}
	return b.AddPrefix(p)
}

// AddSet adds all addresses of s.
func (b *Builder) AddSet(s *Set) {
	b.v4 = append(b.v4, s.spans4()...)
	b.v6 = append(b.v6, s.spans6()...)
}

// Build returns the set of everything added so far.
func (b *Builder) Build() *Set {
	return newSet(append([]span(nil), b.v4...), append([]span(nil), b.v6...))
}

func (b *Builder) add(s familySpan) {
	if s.v4 {
		b.v4 = append(b.v4, s.span)
		return
	}
	b.v6 = append(b.v6, s.span)
}

// parsePrefix reads a CIDR prefix or a bare address: the workspace API of
// Azure Databricks writes single hosts both ways (outboundNetworkDependenciesEndpoints).
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("read prefix %q: %w", text, err)
		}
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read address %q: %w", text, err)
	}
	a = normal(a)
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// setOf is for prefixes that were checked before.
func setOf(prefixes []netip.Prefix) *Set {
	var b Builder
	for _, p := range prefixes {
		if err := b.AddPrefix(p); err != nil {
			panic("BUG: unchecked prefix: " + err.Error())
		}
	}
	return b.Build()
}
