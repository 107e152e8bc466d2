package node

import (
	"context"
	"log/slog"
	"strconv"
	"time"
)

// readyWithin bounds the start of the process that takes over. Reading a large
// configuration takes seconds.
const readyWithin = time.Minute

// HandOver asks the node to start its program anew and to leave once that
// serves; it does not wait. Asking again meanwhile has no effect.
func (n *Node) HandOver() {
	select {
	case n.succession <- struct{}{}:
	default:
	}
}

// handOver reports whether another process has taken over. The sockets are
// shared from before its start until after this process has left them, so there
// is no moment at which nobody listens.
func (n *Node) handOver(ctx context.Context) bool {
	n.log.Info("handing over to a new process")
	n.notify("RELOADING=1", "MONOTONIC_USEC="+monotonicMicros())
	pid, err := n.succeed(ctx)
	if err != nil {
		n.log.Error("the hand-over came to nothing, this process goes on", slog.String("error", err.Error()))
		n.notify("READY=1")
		return false
	}
	n.log.Info("handed over", slog.Int("pid", pid))
	n.notify("MAINPID="+strconv.Itoa(pid), "READY=1")
	return true
}
