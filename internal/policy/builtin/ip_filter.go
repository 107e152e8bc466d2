package builtin

import (
	"fmt"
	"net/netip"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/ranges"
)

func ipFilter() *policy.Policy {
	return &policy.Policy{Build: buildIPFilter, Spec: policy.Spec{
		Name:     "ip-filter",
		Sections: policy.InInbound,
		Scopes:   policy.AllScopes,
		AnyOrder: true,
		Attrs:    []policy.Attr{{Name: "action", Required: true, Expr: true, Enum: []string{"allow", "forbid"}, Summary: "allow: only these callers; forbid: all but these."}},
		Children: []policy.Child{
			{Name: "address", Text: policy.Text{Allowed: true, Required: true}, Summary: "One address. Extensions of ours: a CIDR prefix, or @ranges: and the name of a published list."},
			{Name: "address-range", Attrs: []policy.Attr{
				{Name: "from", Required: true, Summary: "First address."},
				{Name: "to", Required: true, Summary: "Last address; it belongs to the range."},
			}, Summary: "A run of addresses."},
		},
		Summary: "Admits or refuses callers by their address.",
		Page:    "ip-filter-policy",
		Notes: []string{
			"The address is that of the connection, or what a trusted proxy said; X-Forwarded-For of anybody else is not believed.",
			"IPv4 addresses that arrive in IPv6 form (::ffff:192.0.2.1) count as IPv4.",
			"A caller whose address is unknown is refused, also by forbid.",
			"The caller sees 403 Forbidden; the address appears in LastError and traces only.",
			"Ten thousand ranges cost the same as ten.",
		},
		Examples: []policy.Example{{Title: "Only the office", XML: `<ip-filter action="allow">
  <address>198.51.100.7</address>
  <address-range from="203.0.113.16" to="203.0.113.31" />
</ip-filter>`}},
	}}
}

func buildIPFilter(e *policy.Element, env policy.Env) (policy.Step, diag.List) {
	b := &ipFilterBuild{addresses: env.Addresses}
	if len(e.Children) == 0 {
		b.findings.Add(diag.PolicyChildCount, e.Pos, e.Name, "The element 'ip-filter' has incomplete content. List of possible elements expected: 'address, address-range'.")
	}
	for _, c := range e.Children {
		if c.Name == "address" {
			b.address(c.Text)
		} else {
			b.addressRange(c.Value("from"), c.Value("to"))
		}
	}
	if b.findings.HasErrors() {
		return nil, b.findings
	}
	return &ipFilterStep{action: e.Value("action"), set: b.set.Build()}, b.findings
}

// ipFilterBuild gathers addresses and what is wrong with them.
type ipFilterBuild struct {
	addresses policy.Addresses
	set       ranges.Builder
	findings  diag.List
}

const rangesPrefix = "@ranges:"

func (b *ipFilterBuild) address(v policy.Value) {
	text := literal(v)
	switch {
	case strings.HasPrefix(text, rangesPrefix):
		b.list(v, strings.TrimPrefix(text, rangesPrefix))
	case strings.Contains(text, "/"):
		b.prefix(v, text)
	default:
		if a, ok := b.parse(v); ok {
			b.add(v, a, a)
		}
	}
}

func (b *ipFilterBuild) addressRange(from, to policy.Value) {
	first, ok := b.parse(from)
	last, ok2 := b.parse(to)
	switch {
	case !ok || !ok2:
	case first.Is4() != last.Is4():
		b.findings.Add(diag.PolicyValue, from.Pos(), "ip-filter", "The range from %s to %s mixes IPv4 and IPv6.", first, last)
	case last.Less(first):
		b.findings.Add(diag.PolicyValue, from.Pos(), "ip-filter", "The range from %s to %s ends before it begins.", first, last).
			WithHint("swap from and to")
	default:
		b.add(from, first, last)
	}
}

func (b *ipFilterBuild) parse(v policy.Value) (netip.Addr, bool) {
	text := literal(v)
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		f := b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "'%s' is not an IP address.", text)
		if _, err := netip.ParseAddrPort(text); err == nil {
			f.Hint = "leave out the port"
		}
		return a, false
	case a.Zone() != "":
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The address '%s' has a zone, which means nothing to a caller elsewhere.", text)
		return a, false
	}
	return a.Unmap(), true
}

func (b *ipFilterBuild) add(v policy.Value, from, to netip.Addr) {
	if err := b.set.AddRange(from, to); err != nil {
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The addresses from %s to %s cannot be used: %v.", from, to, err)
	}
}

// prefix takes a CIDR prefix, an extension of ours.
func (b *ipFilterBuild) prefix(v policy.Value, text string) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "'%s' is neither an IP address nor a CIDR prefix.", text)
		return
	}
	r := ranges.RangeOf(p)
	if !r.From.IsValid() {
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The prefix '%s' mixes IPv4 and IPv6.", text)
		return
	}
	b.add(v, r.From, r.To)
	b.findings.Add(diag.PolicyExtension, v.Pos(), "ip-filter", "Azure would refuse this: ip-filter there takes single addresses and ranges, not the prefix '%s'.", text).
		WithHint("portable form: %s", portable([]ranges.Range{r}))
}

// list takes a published list by name, an extension of ours.
func (b *ipFilterBuild) list(v policy.Value, name string) {
	if b.addresses == nil {
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The address list '%s' cannot be looked up: no lists are loaded.", name)
		return
	}
	rs, err := b.addresses.Ranges(name)
	switch {
	case err != nil:
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The address list '%s' cannot be used: %v.", name, err)
		return
	case len(rs) == 0:
		b.findings.Add(diag.PolicyValue, v.Pos(), "ip-filter", "The address list '%s' is empty.", name)
		return
	}
	shown := make([]ranges.Range, len(rs))
	for i, r := range rs {
		b.add(v, r.From, r.To)
		shown[i] = ranges.Range{From: r.From, To: r.To}
	}
	b.findings.Add(diag.PolicyExtension, v.Pos(), "ip-filter", "Azure would refuse this: ip-filter there does not know named lists such as '%s'.", name).
		WithHint("portable form: %s", portable(shown))
}

// portable writes ranges as Azure takes them, the first few of a long list.
func portable(rs []ranges.Range) string {
	const few = 3
	var b strings.Builder
	for i, r := range rs {
		if i == few && len(rs) > few+1 {
			fmt.Fprintf(&b, " … and %d more; 'sallyport ranges' prints them all", len(rs)-few)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if r.Single() {
			fmt.Fprintf(&b, "<address>%s</address>", r.From)
		} else {
			fmt.Fprintf(&b, `<address-range from="%s" to="%s" />`, r.From, r.To)
		}
	}
	return b.String()
}

func literal(v policy.Value) string {
	text, _ := v.Constant()
	return strings.TrimSpace(text)
}

type ipFilterStep struct {
	action policy.Value
	set    *ranges.Set
}

// Run implements policy.Step. The texts are those of Azure's table of
// predefined errors (page api-management-error-handling-policies).
func (s *ipFilterStep) Run(x *exchange.Exchange) policy.Outcome {
	if !x.Client.IsValid() {
		return fail(x, exchange.CallerIP("FailedToParseCallerIP", "Failed to establish IP address for the caller. Access denied."))
	}
	action, err := s.action.Eval(x)
	if err != nil {
		return fail(x, exchange.PolicyFailed("ip-filter", "The action could not be computed.", err))
	}
	in := s.set.Contains(x.Client)
	switch {
	case action == "allow" && in, action == "forbid" && !in:
		return policy.Continue
	case action == "allow":
		return fail(x, exchange.CallerIP("CallerIpNotAllowed", "Caller IP address "+x.Client.Unmap().String()+" is not allowed. Access denied."))
	case action == "forbid":
		return fail(x, exchange.CallerIP("CallerIpBlocked", "Caller IP address is blocked. Access denied."))
	default:
		return fail(x, exchange.PolicyFailed("ip-filter", "The action is neither allow nor forbid.", nil))
	}
}

// Explain implements policy.Explainer.
func (s *ipFilterStep) Explain(x *exchange.Exchange) any {
	action, _ := s.action.Eval(x)
	data := map[string]any{"message": "The caller's address was compared with the list.", "address": x.Client.Unmap().String(), "action": action, "ranges": s.set.Len()}
	if r, ok := s.set.Lookup(x.Client); ok {
		data["matched"] = r.String()
	}
	return data
}
