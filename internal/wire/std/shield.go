package std

import (
	"context"
	"errors"

	"sallyport/internal/wire"
)

// shield replaces the context of a request on HTTP/1.1 by one that survives a
// body that came too slowly. net/http ends the context after each failed read,
// also one that failed at our own deadline, while the client still waits for
// the 408.
func (b *inbound) shield(ctx *context.Context) (stop func()) {
	parent := *ctx
	*ctx, b.cancel = context.WithCancelCause(context.WithoutCancel(parent))
	unwatch := context.AfterFunc(parent, func() { b.parentEnded(context.Cause(parent)) })
	return func() {
		unwatch()
		b.cancel(nil)
	}
}

// parentEnded passes the end on. In the middle of a read it is most likely that
// read which failed, and its error tells whether the client is gone.
func (b *inbound) parentEnded(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.reading && !errors.Is(cause, wire.ErrDraining):
		b.lost = true
	case b.failed == nil || wire.KindOf(b.failed) != wire.KindTimeout:
		b.cancel(cause)
	}
}
