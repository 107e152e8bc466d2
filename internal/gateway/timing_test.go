package gateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/exchange"
	"sallyport/internal/telemetry"
)

func TestTimingIsMadeOfFewReadings(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	for name, c := range map[string]struct {
		measured exchange.Timing
		total    time.Duration
		want     telemetry.Timing
	}{
		"forwarded": {
			exchange.Timing{Accept: 100 * us, Match: 5 * us, Connect: 2 * ms, Backend: 10 * ms, FirstOut: 10*ms + 45*us}, 30 * ms,
			telemetry.Timing{Accept: 100 * us, Match: 5 * us, Policies: 40 * us, Connect: 2 * ms, Backend: 10 * ms, FirstByte: 10*ms + 145*us, LastByte: 30*ms + 100*us},
		},
		"refused": {
			exchange.Timing{Accept: us, Match: 5 * us, FirstOut: 9 * us}, 12 * us,
			telemetry.Timing{Accept: us, Match: 5 * us, Policies: 4 * us, FirstByte: 10 * us, LastByte: 13 * us},
		},
		"client left while the backend was asked": {
			exchange.Timing{Accept: us, Match: 5 * us, Backend: 2 * ms}, 2*ms + 7*us,
			telemetry.Timing{Accept: us, Match: 5 * us, Policies: 2 * us, Backend: 2 * ms, LastByte: 2*ms + 8*us},
		},
		// The readings are not of one instant; nothing may come out negative.
		"readings that overlap": {
			exchange.Timing{Match: 5 * us, Backend: 10 * us, FirstOut: 14 * us}, 20 * us,
			telemetry.Timing{Match: 5 * us, Backend: 10 * us, FirstByte: 14 * us, LastByte: 20 * us},
		},
	} {
		call := &call{Exchange: &exchange.Exchange{Timing: c.measured}}
		if d := cmp.Diff(c.want, call.timing(c.total)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
