package gateway

import (
	"time"

	"sallyport/internal/telemetry"
)

// timing is where the time of this call went, after total since its start. It
// reads no clock: at the response head, total is Timing.FirstOut.
func (c *call) timing(total time.Duration) telemetry.Timing {
	m := &c.Timing
	replied := total
	if m.FirstOut > 0 {
		replied = m.FirstOut
	}
	t := telemetry.Timing{
		Accept: m.Accept, Match: m.Match, Connect: m.Connect, Backend: m.Backend,
		Policies: max(replied-m.Match-m.Backend, 0), LastByte: m.Accept + total,
	}
	if m.FirstOut > 0 {
		t.FirstByte = m.Accept + m.FirstOut
	}
	return t
}
