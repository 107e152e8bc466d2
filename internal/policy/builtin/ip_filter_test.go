package builtin

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/exchange"
	"sallyport/internal/policy"
)

func TestIPFilterWithoutLists(t *testing.T) {
	s := newScene(t, "")
	s.env.Addresses = nil
	d := s.compile(`<policies><inbound><ip-filter action="allow"><address>@ranges:a/b</address></ip-filter></inbound></policies>`)
	if got := findingLines(d.findings); !strings.Contains(got, "no lists are loaded") {
		t.Errorf("findings: %s", got)
	}
}

// An empty list would lock out every caller, or with forbid admit every one.
func TestIPFilterRefusesAnEmptyList(t *testing.T) {
	d := newScene(t, "list a/b").compile(`<policies><inbound><ip-filter action="forbid"><address>@ranges:a/b</address></ip-filter></inbound></policies>`)
	if got := findingLines(d.findings); !strings.Contains(got, "is empty") {
		t.Errorf("findings: %s", got)
	}
}

func bigFilter(tb testing.TB, n int) policy.Step {
	var b strings.Builder
	b.WriteString(`<policies><inbound><ip-filter action="allow">`)
	for i := range n {
		fmt.Fprintf(&b, `<address>10.%d.%d.%d</address>`, i>>15, i>>7&255, i<<1&255)
	}
	b.WriteString(`</ip-filter></inbound></policies>`)
	s := newScene(&testing.T{}, "")
	d := s.compile(b.String())
	if d.findings.HasErrors() {
		tb.Fatal(d.findings)
	}
	return d.steps[exchange.Inbound][0].Step
}

func TestIPFilterAllocatesNothing(t *testing.T) {
	step := bigFilter(t, 3000)
	x := &exchange.Exchange{Client: netip.MustParseAddr("::ffff:10.0.9.4")}
	if n := testing.AllocsPerRun(100, func() {
		if step.Run(x) != policy.Continue {
			t.Fatal("refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func BenchmarkIPFilter(b *testing.B) {
	for _, n := range []int{10, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			step, x := bigFilter(b, n), &exchange.Exchange{Client: netip.MustParseAddr("10.0.0.8")}
			b.ReportAllocs()
			for b.Loop() {
				step.Run(x)
			}
		})
	}
}
