package node

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/telemetry"
)

// DebugToken is a token that lets requests to one API be traced.
func (n *Node) DebugToken(apiID string, ttl time.Duration) string { return n.debug.Issue(apiID, ttl) }

// Trace returns a finished trace; the record is complete a moment after the
// client has its answer, so it waits for it a little.
func (n *Node) Trace(ctx context.Context, id string) (*telemetry.Document, error) {
	for {
		if t, ok := n.traces.Get(id); ok {
			return n.traces.Document(t), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("there is no trace %q", id)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
