//go:build linux

package h1

import (
	"sync/atomic"
	"time"
)

// clock writes the Date header; the text is made once a second.
type clock struct{ now atomic.Pointer[dateLine] }

type dateLine struct {
	second int64
	line   string // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
}

func (c *clock) date(now time.Time) string {
	second := now.Unix()
	if d := c.now.Load(); d != nil && d.second == second {
		return d.line
	}
	d := &dateLine{second, "Date: " + now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "\r\n"}
	c.now.Store(d)
	return d.line
}
