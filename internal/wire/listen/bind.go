package listen

import (
	"context"
	"net"
)

// Bind opens a TCP socket on addr. With share another process may bind the
// same port beside this one (SO_REUSEPORT).
func Bind(addr string, share bool) (net.Listener, error) {
	var lc net.ListenConfig
	if share {
		lc.Control = reusePort
	}
	return lc.Listen(context.Background(), "tcp", addr)
}
