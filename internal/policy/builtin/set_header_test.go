package builtin

import (
	"sync"
	"testing"

	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

// steps compiles statements of the inbound section.
func steps(t *testing.T, xml string) []namedStep {
	t.Helper()
	d := newScene(t, "").compile("<policies><inbound>" + xml + "</inbound></policies>")
	if d.findings.HasErrors() {
		t.Fatal(d.findings)
	}
	return d.steps[exchange.Inbound]
}

func TestSetHeaderAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		xml string
		max float64
	}{
		"override": {`<set-header name="X-A"><value>a</value><value>b</value></set-header>`, 0},
		"new":      {`<set-header name="X-New"><value>a</value></set-header>`, 0},
		"skip":     {`<set-header name="X-A" exists-action="skip"><value>a</value></set-header>`, 0},
		"delete":   {`<set-header name="X-A" exists-action="delete" />`, 0},
		"append":   {`<set-header name="X-A" exists-action="append"><value>b</value></set-header>`, 1},
		"host":     {`<set-header name="Host"><value>b</value></set-header>`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			st := steps(t, c.xml)[0]
			x := &exchange.Exchange{}
			buf := make(wire.Header, 0, 8) // the gateway leaves room for what policies add
			if n := testing.AllocsPerRun(100, func() {
				x.Request.Header = append(buf[:0], wire.Field{Name: "X-A", Value: "old"})
				st.Run(x)
			}); n > c.max {
				t.Errorf("%v allocations, want at most %v", n, c.max)
			}
		})
	}
}

// Steps are shared by all requests; the race detector judges.
func TestStepsAreShared(t *testing.T) {
	all := steps(t, `<cors><allowed-origins><origin>https://a.test</origin></allowed-origins><allowed-headers><header>*</header></allowed-headers></cors>
		<ip-filter action="allow"><address>203.0.113.9</address></ip-filter>
		<set-header name="X-A" exists-action="append"><value>a</value></set-header>
		<set-query-parameter name="q"><value>1</value></set-query-parameter>
		<rewrite-uri template="/x" /><set-method>PUT</set-method><set-body>b</set-body>
		<set-backend-service base-url="https://b.test" /><authentication-basic username="u" password="p" />
		<trace source="s"><message>m</message></trace>
		<check-header name="X-A" failed-check-httpcode="400" failed-check-error-message="no" ignore-case="true" />
		<return-response><set-body>done</set-body></return-response>`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				s := newScene(t, "")
				s.request("GET /a?q=2 HTTP/1.1\nHost: gw.test\nOrigin: https://a.test\nX-A: 0\n")
				for i, st := range all {
					out := st.Run(s.x)
					if want := map[bool]policy.Outcome{true: policy.Reply}[i == len(all)-1]; out != want {
						t.Errorf("%s: outcome %d, failure %v", st.name, out, s.x.Failure)
						return
					}
				}
				if got := string(s.x.Response.Body.Bytes()); got != "done" {
					t.Errorf("body %q", got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSetHeader(b *testing.B) {
	d := newScene(&testing.T{}, "").compile(`<policies><inbound><set-header name="X-A"><value>a</value></set-header></inbound></policies>`)
	st, x := d.steps[exchange.Inbound][0], &exchange.Exchange{}
	x.Request.Header = wire.Header{{Name: "Accept", Value: "*/*"}, {Name: "X-A", Value: "old"}}
	b.ReportAllocs()
	for b.Loop() {
		st.Run(x)
	}
}
