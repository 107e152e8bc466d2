package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Intake is what the listeners and the admission of requests tell of the
// moment. Counters only ever grow.
type Intake struct {
	Connections   int64 // open
	Queued        int64 // requests that wait for their turn
	Pressed       bool  // new requests are turned away for want of memory
	MemoryCeiling int64 // bytes, 0 = none
	Shed          []ShedCount
	AcceptErrors  uint64
	ProxyErrors   uint64
}

// ShedCount is how many requests or connections were turned away for a reason.
type ShedCount struct {
	Reason string
	N      uint64
}

// WatchIntake makes f the source of the series about who gets in.
func (m *Metrics) WatchIntake(f func() Intake) { m.intake.Store(&f) }

// The series about who gets in.
var (
	descShed         = desc("shed_total", "Requests, and for the reason connections connections, turned away to keep the process well.", "reason")
	descQueue        = desc("queue_length", "Requests that wait for their turn.")
	descConnections  = desc("connections_open", "Client connections of the gateway.")
	descPressed      = desc("memory_pressure", "1 while new requests are turned away for want of memory.")
	descCeiling      = desc("memory_ceiling_bytes", "Memory above which new requests are turned away; 0 = no ceiling.")
	descAcceptErrors = desc("accept_errors_total", "Times that the system gave no connection, for example for want of descriptors.")
	descProxyErrors  = desc("proxy_protocol_errors_total", "Connections of trusted load balancers closed for want of a valid PROXY header.")
)

func intakeDescs() []*prometheus.Desc {
	return []*prometheus.Desc{descShed, descQueue, descConnections, descPressed, descCeiling, descAcceptErrors, descProxyErrors}
}

func (e exposition) intake(ch chan<- prometheus.Metric) {
	f := e.m.intake.Load()
	if f == nil {
		return
	}
	in := (*f)()
	for _, s := range in.Shed {
		counter(ch, descShed, s.N, s.Reason)
	}
	gauge(ch, descQueue, float64(in.Queued))
	gauge(ch, descConnections, float64(in.Connections))
	pressed := 0.0
	if in.Pressed {
		pressed = 1
	}
	gauge(ch, descPressed, pressed)
	gauge(ch, descCeiling, float64(in.MemoryCeiling))
	counter(ch, descAcceptErrors, in.AcceptErrors)
	counter(ch, descProxyErrors, in.ProxyErrors)
}
