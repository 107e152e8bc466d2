package gateway_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/gateway"
	"sallyport/internal/wire"
)

// Calls are pooled. The timeout of one must not touch the requests after it,
// nor the body of an answer whose head came in time.
func TestTimeoutsStayWithTheirRequest(t *testing.T) {
	backend := wire.HandlerFunc(func(ctx context.Context, r *wire.Request, w wire.Responder) {
		switch {
		case strings.HasSuffix(r.Target, "/silent"):
			<-ctx.Done()
		case strings.HasSuffix(r.Target, "/slow"): // the head in time, the body past the timeout
			_ = w.WriteHead(200, "", nil, -1)
			_ = w.Flush()
			time.Sleep(300 * time.Millisecond)
			_, _ = w.Write([]byte("whole"))
		default:
			wire.Reply(w, 200, "text/plain", []byte("whole"))
		}
	})
	open := api("a", "a", "GET /{x}")
	f := newFixture(t, backend, snapshot(open), func(c *gateway.Config) { c.BackendTimeout = 250 * time.Millisecond })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, path := range []string{"/a/silent", "/a/quick", "/a/slow", "/a/quick", "/a/silent", "/a/slow"} {
				r := f.call("GET", path)
				switch silent := path == "/a/silent"; {
				case silent && r.Status() != 500:
					t.Errorf("%s: %d", path, r.Status())
				case !silent && (r.Status() != 200 || r.Body() != "whole" || r.Aborted()):
					t.Errorf("%s: %d %q", path, r.Status(), r.Body())
				}
			}
		})
	}
	wg.Wait()
}
