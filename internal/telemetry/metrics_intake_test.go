package telemetry

import (
	"strings"
	"testing"
)

func TestIntakeSeries(t *testing.T) {
	m := NewMetrics("test")
	var b strings.Builder
	if err := m.WriteText(&b); err != nil || strings.Contains(b.String(), "sallyport_shed_total") {
		t.Errorf("a process without listeners shows what they tell: %v", err)
	}
	m.WatchIntake(func() Intake {
		return Intake{Connections: 7, Queued: 3, Pressed: true, MemoryCeiling: 1 << 30, Shed: []ShedCount{{"memory", 5}, {"queue_full", 0}}, AcceptErrors: 2, ProxyErrors: 1}
	})
	b.Reset()
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`sallyport_shed_total{reason="memory"} 5`, `sallyport_shed_total{reason="queue_full"} 0`, "sallyport_queue_length 3",
		"sallyport_connections_open 7", "sallyport_memory_pressure 1", "sallyport_memory_ceiling_bytes 1.073741824e+09",
		"sallyport_accept_errors_total 2", "sallyport_proxy_protocol_errors_total 1",
	} {
		if !strings.Contains(b.String(), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
