package sandbox

import (
	"fmt"
	"sync"
	"time"
)

// SetGap sets the pause between two streamed deltas, also for running streams.
func (s *Sandbox) SetGap(d time.Duration) { s.gap.Store(int64(max(d, 0))) }

// SetFirstByteDelay sets how long a model call waits before its answer begins.
func (s *Sandbox) SetFirstByteDelay(d time.Duration) { s.firstByte.Store(int64(max(d, 0))) }

// Fail makes the next times admitted calls to the data plane answer status, in
// the shape the resource uses for it. times 0 clears what is left.
func (s *Sandbox) Fail(status, times int) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.status, s.faults.left = status, times
}

type faults struct {
	mu           sync.Mutex
	status, left int
}

// take returns the failure to answer with, nil when none is due.
func (f *faults) take() *failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left <= 0 {
		return nil
	}
	f.left--
	return injected(f.status)
}

func injected(status int) *failure {
	switch status {
	case 429:
		e := fault(429, "429", "Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 1 second.")
		e.retry = 1
		return e
	case 408:
		return fault(408, "Timeout", "The operation was timeout.")
	case 500:
		return fault(500, "InternalServerError", "The server had an error while processing your request.")
	case 503:
		return fault(503, "ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later.")
	}
	return fault(status, fmt.Sprint(status), fmt.Sprintf("The sandbox was told to answer %d.", status))
}

// wait pauses for d; false when the caller left in the meantime.
func (c *call) wait(d time.Duration) bool {
	if d <= 0 {
		return c.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return c.ctx.Err() == nil
	case <-c.ctx.Done():
		return false
	}
}

// begin waits for the first byte; false when the caller left, which is then
// counted.
func (c *call) begin() bool {
	if c.wait(time.Duration(c.firstByte.Load())) {
		return true
	}
	c.stats.canceled()
	return false
}
