package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Times of a drain that no setting gives.
const (
	// grace is how long callers who do not look at readiness are still served,
	// and how long idle connections are kept when another process has taken over.
	grace = 5 * time.Second
	// look is how often the drain looks whether all is quiet.
	look = 5 * time.Millisecond
	// aside is what management has to end, whatever the others took.
	aside = 2 * time.Second
)

// drain ends the process in order:
//
//  1. Load balancers see "not ready"; all is served, and every answer is the
//     last of its connection (drainDelay).
//  2. What runs goes on, and who still comes is served, until all is quiet or
//     the grace is over.
//  3. Others are told to go elsewhere. The listeners stay open all the same: a
//     call whose chain passes this gateway twice must find it a second time.
//  4. When all is quiet, or drainTimeout is over, the listeners close and the
//     engines end what is left. Management goes last, so that the drain can be
//     watched.
func (n *Node) drain() error {
	n.notify("STOPPING=1")
	n.gateway.SetReady(false)
	n.closeConnections()
	time.Sleep(n.set.Gateway.DrainDelay)
	n.log.Info("draining", slog.Int64("inFlight", n.running()), slog.Duration("deadline", n.set.Gateway.DrainTimeout))
	ctx, cancel := context.WithTimeout(context.Background(), n.set.Gateway.DrainTimeout)
	defer cancel()
	n.await(ctx, grace, n.quiet)
	n.intake.gateway.RefuseOthers()
	n.intake.serving.RefuseOthers()
	n.await(ctx, n.set.Gateway.DrainTimeout, n.quiet)
	return n.shutdownAll(ctx)
}

// leave ends the process after another one has taken over its sockets. Nobody
// has to be told to go elsewhere, and readiness is the other one's business; a
// load balancer that asks on a connection it has kept must not hear "not
// ready". Connections that are kept are given up after their next answer, so
// that no request meets a connection that closes.
func (n *Node) leave() error {
	n.closeConnections()
	var err error
	for _, l := range n.opened() {
		err = errors.Join(err, l.net.Stop())
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.set.Gateway.DrainTimeout)
	defer cancel()
	n.await(ctx, grace, func() bool { return n.quiet() && n.unconnected() })
	n.await(ctx, n.set.Gateway.DrainTimeout, n.quiet)
	return errors.Join(err, n.shutdownAll(ctx))
}

func (n *Node) closeConnections() {
	n.intake.gateway.CloseConnections()
	n.intake.serving.CloseConnections()
	n.intake.manage.CloseConnections()
}

// running is the number of requests at work but those of management.
func (n *Node) running() int64 { return n.intake.gateway.Running() + n.intake.serving.Running() }

// quiet reports that no request is at work or waits. A request of a chain is
// counted by its first hop for as long as there is any other.
func (n *Node) quiet() bool { return n.running() == 0 && n.intake.gateway.Queued() == 0 }

func (n *Node) unconnected() bool {
	for _, l := range n.opened() {
		if l.net.Open() > 0 {
			return false
		}
	}
	return true
}

// await looks until done says so, limit has passed or ctx ends.
func (n *Node) await(ctx context.Context, limit time.Duration, done func() bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) shutdownAll(ctx context.Context) error {
	var err error
	for _, planes := range [][]string{{planeGateway, planeGatewayTLS}, {planeServing}} {
		err = errors.Join(err, n.shutdown(ctx, planes))
	}
	last, cancel := context.WithTimeout(context.Background(), aside)
	defer cancel()
	return errors.Join(err, n.shutdown(last, []string{planeManagement, planeManagementTLS}))
}

func (n *Node) shutdown(ctx context.Context, planes []string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, l := range n.opened() {
		for _, p := range planes {
			if l.plane != p {
				continue
			}
			wg.Go(func() {
				if err := l.server.Shutdown(ctx); err != nil {
					mu.Lock()
					all = errors.Join(all, fmt.Errorf("drain %s: %w", l.plane, err))
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return all
}
