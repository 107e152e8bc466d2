package node

import (
	"log/slog"
	"net"
	"strings"
)

// notify tells the service manager about the process (systemd: sd_notify(3));
// without one it does nothing. A name that begins with '@' is an abstract
// address, which package net knows.
func (n *Node) notify(lines ...string) {
	name, ok := n.env("NOTIFY_SOCKET")
	if !ok || name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		_, err = c.Write([]byte(strings.Join(lines, "\n")))
		_ = c.Close()
	}
	if err != nil {
		n.log.Warn("the service manager cannot be told", slog.String("state", strings.Join(lines, " ")), slog.String("error", err.Error()))
	}
}

// announce tells whoever waits that the planes serve. The process before this
// one comes last, since what it tells the service manager then must stand.
func (n *Node) announce() {
	n.notify("READY=1")
	if err := n.inherited.Ready(); err != nil {
		n.log.Warn("the process before this one may still be running", slog.String("error", err.Error()))
	}
}
