package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWriteText(t *testing.T) {
	m := NewMetrics("1.2.3")
	a := m.API("chat")
	a.Observe(200, 12*time.Millisecond, 2*time.Millisecond, 10*time.Millisecond, "")
	a.Observe(401, time.Millisecond, time.Millisecond, 0, "SubscriptionKeyInvalid")
	a.CountTokens(Tokens{Prompt: 12, Completion: 3, Total: 15})
	a.CountTokens(Tokens{})
	m.API("").Observe(404, time.Millisecond, time.Millisecond, 0, "OperationNotFound")
	m.API("silent")
	m.Backend("foundry", 200)
	m.Backend("foundry", 0)
	m.Backend("foundry", 999)
	m.Serving("dublin-chat", 200, time.Second)
	m.WatchInFlight(func() int64 { return 3 })
	m.WatchLog(func() uint64 { return 4 })
	m.ConfigReload(Reload{Accepted: true, Generation: 1, At: time.Unix(1767323045, 0), Warnings: 2})
	m.ConfigReload(Reload{Generation: 1, At: time.Unix(1767323099, 0), Errors: 5})
	var b strings.Builder
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "sallyport_") && !strings.Contains(line, "_bucket{") && !strings.Contains(line, "build_info") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if d := cmp.Diff(expositionLines(), got); d != "" {
		t.Error(d)
	}
	for _, s := range []string{
		`sallyport_build_info{goversion="go`, `version="1.2.3"} 1`, "go_goroutines ", "process_start_time_seconds ",
		`sallyport_request_duration_seconds_bucket{api="chat",step="total",le="0.0025"} 1`,
	} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("no %q in\n%s", s, b.String())
		}
	}
}

func expositionLines() []string {
	return []string{
		`sallyport_backend_requests_total{backend="foundry",code="200"} 1`,
		`sallyport_backend_requests_total{backend="foundry",code="error"} 2`,
		`sallyport_config_findings{severity="error"} 5`,
		`sallyport_config_findings{severity="info"} 0`,
		`sallyport_config_findings{severity="warning"} 0`,
		`sallyport_config_generation 1`,
		`sallyport_config_last_success_timestamp_seconds 1.767323045e+09`,
		`sallyport_config_reload_total{result="accepted"} 1`,
		`sallyport_config_reload_total{result="rejected"} 1`,
		`sallyport_llm_tokens_total{api="chat",type="completion"} 3`,
		`sallyport_llm_tokens_total{api="chat",type="prompt"} 12`,
		`sallyport_log_lines_dropped_total 4`,
		`sallyport_request_duration_seconds_sum{api="",step="backend"} 0`,
		`sallyport_request_duration_seconds_count{api="",step="backend"} 0`,
		`sallyport_request_duration_seconds_sum{api="",step="gateway"} 0.001`,
		`sallyport_request_duration_seconds_count{api="",step="gateway"} 1`,
		`sallyport_request_duration_seconds_sum{api="",step="total"} 0.001`,
		`sallyport_request_duration_seconds_count{api="",step="total"} 1`,
		`sallyport_request_duration_seconds_sum{api="chat",step="backend"} 0.01`,
		`sallyport_request_duration_seconds_count{api="chat",step="backend"} 1`,
		`sallyport_request_duration_seconds_sum{api="chat",step="gateway"} 0.003`,
		`sallyport_request_duration_seconds_count{api="chat",step="gateway"} 2`,
		`sallyport_request_duration_seconds_sum{api="chat",step="total"} 0.013`,
		`sallyport_request_duration_seconds_count{api="chat",step="total"} 2`,
		`sallyport_requests_in_flight 3`,
		`sallyport_requests_total{api="",code="404",reason="OperationNotFound"} 1`,
		`sallyport_requests_total{api="chat",code="200",reason=""} 1`,
		`sallyport_requests_total{api="chat",code="401",reason="SubscriptionKeyInvalid"} 1`,
		`sallyport_serving_request_duration_seconds_sum{endpoint="dublin-chat"} 1`,
		`sallyport_serving_request_duration_seconds_count{endpoint="dublin-chat"} 1`,
		`sallyport_serving_requests_total{code="200",endpoint="dublin-chat"} 1`,
		`sallyport_websocket_attempts_total{result="accepted"} 0`,
		`sallyport_websocket_attempts_total{result="refused"} 0`,
		`sallyport_websockets_open 0`,
	}
}
