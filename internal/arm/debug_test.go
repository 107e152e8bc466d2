package arm

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sallyport/internal/telemetry"
)

func TestDebugCredentialsRoundTrip(t *testing.T) {
	r := newRig()
	for _, id := range []string{"inference", "apis/inference", "/apis/Inference", base + "/apis/inference", strings.ToLower(base) + "/APIS/INFERENCE;rev=2", "/apis/inference%3Brev%3D2"} {
		rec := r.arm("POST", "/gateways/Managed/listDebugCredentials", `{"credentialsExpireAfter":"PT30M","apiId":"`+id+`","purposes":["tracing"]}`)
		var got map[string]string
		if err := json.Unmarshal([]byte(rec.Body()), &got); err != nil || rec.Status() != 200 || len(got) != 1 {
			t.Fatalf("%s: %d %s", id, rec.Status(), rec.Body())
		}
		if res := r.debug.Check(got["token"], "inference"); res.Status != telemetry.DebugOK {
			t.Errorf("%s: token is worth %d", id, res.Status)
		}
		if res := r.debug.Check(got["token"], "echo"); res.Status != telemetry.DebugWrongAPI {
			t.Errorf("%s: token opens another API", id)
		}
	}
	token := r.debug.Issue("inference", time.Hour)
	check(t, "invalidate", r.arm("POST", "/gateways/managed/invalidateDebugCredentials", ""), 204, "")
	if r.debug.Check(token, "inference").Status != telemetry.DebugInvalid {
		t.Error("the token survived invalidateDebugCredentials")
	}
}

func TestDebugCredentialsRefusals(t *testing.T) {
	r := newRig()
	tests := map[string]struct {
		gateway, body string
		status        int
		says          string
	}{
		"other gateway":    {"edge", `{"apiId":"inference"}`, 404, "Gateway not found."},
		"unknown API":      {"managed", `{"apiId":"/apis/none"}`, 400, `"target":"apiId"`},
		"unknown revision": {"managed", `{"apiId":"/apis/inference;rev=9"}`, 400, `"target":"apiId"`},
		"other service":    {"managed", `{"apiId":"` + strings.TrimSuffix(base, "V") + `W/apis/inference"}`, 400, `"target":"apiId"`},
		"product":          {"managed", `{"apiId":"/products/ai"}`, 400, `"target":"apiId"`},
		"no API":           {"managed", ``, 400, `"target":"apiId"`},
		"too long":         {"managed", `{"apiId":"inference","credentialsExpireAfter":"PT1H1S"}`, 400, `"target":"credentialsExpireAfter"`},
		"no time at all":   {"managed", `{"apiId":"inference","credentialsExpireAfter":"PT0S"}`, 400, `"target":"credentialsExpireAfter"`},
		"not ISO 8601":     {"managed", `{"apiId":"inference","credentialsExpireAfter":"01:00:00"}`, 400, `"target":"credentialsExpireAfter"`},
		"other purpose":    {"managed", `{"apiId":"inference","purposes":["debugging"]}`, 400, `"target":"purposes"`},
		"not JSON":         {"managed", `{`, 400, "InvalidRequestContent"},
		"of another type":  {"managed", `{"apiId":7}`, 400, "InvalidRequestContent"},
		"too large":        {"managed", `{"apiId":"` + strings.Repeat("x", maxBody) + `"}`, 413, "RequestEntityTooLarge"},
	}
	for name, tc := range tests {
		rec := r.arm("POST", "/gateways/"+tc.gateway+"/listDebugCredentials", tc.body)
		if rec.Status() != tc.status || !strings.Contains(rec.Body(), tc.says) {
			t.Errorf("%s: %d %s", name, rec.Status(), rec.Body())
		}
	}
}

func TestListTrace(t *testing.T) {
	r := newRig()
	tr := r.traces.Begin(telemetry.HopGateway, "V", "GET /x", telemetry.NewSpanContext(), [8]byte{})
	tr.Add(telemetry.SectionInbound, telemetry.Entry{Source: "api-inspector", Data: map[string]any{"url": "https://gw/x?a=1&b=2"}})
	body := `{"traceId":"` + tr.ID + `"}`
	if got := r.arm("POST", "/gateways/managed/listTrace", body).Status(); got != 404 {
		t.Errorf("before the call ended: %d", got)
	}
	r.traces.Finish(tr, 200)
	rec := r.arm("POST", "/gateways/managed/listTrace", body)
	if !strings.HasPrefix(rec.Body(), `{"serviceName":"V","traceId":"`+tr.ID+`","traceEntries":{"inbound":[{"source":"api-inspector","timestamp":"`) || rec.Status() != 200 {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
	if !strings.Contains(rec.Body(), `?a=1&b=2`) {
		t.Error("URLs are escaped for HTML")
	}
	for in, status := range map[string]int{`{"traceId":"none"}`: 404, `{}`: 400, ``: 400, `[]`: 400} {
		if got := r.arm("POST", "/gateways/managed/listTrace", in).Status(); got != status {
			t.Errorf("%q: %d, want %d", in, got, status)
		}
	}
	if got := r.arm("POST", "/gateways/edge/listTrace", body).Status(); got != 404 {
		t.Errorf("another gateway: %d", got)
	}
	if got := r.do("POST", base+"/gateways/managed/listTrace"+version, body).Status(); got != 401 {
		t.Errorf("without a token: %d", got)
	}
}

func TestParseISODuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"PT1H": time.Hour, "PT30M": 30 * time.Minute, "PT90S": 90 * time.Second, "PT0.5S": 500 * time.Millisecond,
		"P1D": 24 * time.Hour, "P1DT1H1M1S": 25*time.Hour + time.Minute + time.Second, "PT0S": 0,
	} {
		if got, ok := parseISODuration(in); !ok || got != want {
			t.Errorf("%s: %v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "P", "PT", "P1DT", "1H", "T1H", "PT1", "PTH", "PT1M1H", "PT1H1H", "P1H", "PT1D", "P1M", "P1Y", "PT-1S", "PT1.5H", "PT1e3S", "PT.S", "PT9999999H", "P111111DT2H", "P213503DT23H34M34S", "pt1h"} {
		if got, ok := parseISODuration(in); ok {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func FuzzParseISODuration(f *testing.F) {
	f.Add("P1DT2H3M4.5S")
	f.Add("PT")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := parseISODuration(s); ok && (d < 0 || s == "" || s[0] != 'P') {
			t.Errorf("%q was read as %v", s, d)
		}
	})
}

// Only a trace that was asked for with Ocp-Apim-Trace is read by its id alone.
func TestTraceLocation(t *testing.T) {
	r := newRig()
	begin := func(open bool) string {
		tr := r.traces.Begin(telemetry.HopGateway, "V", "GET /x", telemetry.NewSpanContext(), [8]byte{})
		tr.Open = open
		r.traces.Finish(tr, 200)
		return tr.ID
	}
	open, closed := begin(true), begin(false)
	if rec := r.do("GET", "/traces/"+open, ""); rec.Status() != 200 || !strings.Contains(rec.Body(), `"traceId":"`+open+`"`) {
		t.Errorf("%d %s", rec.Status(), rec.Body())
	}
	for target, status := range map[string]int{"/traces/" + closed: 404, "/traces/none": 404} {
		if got := r.do("GET", target, "").Status(); got != status {
			t.Errorf("%s: %d, want %d", target, got, status)
		}
	}
	if got := r.do("POST", "/traces/"+open, "").Status(); got != 405 {
		t.Errorf("POST: %d", got)
	}
}
