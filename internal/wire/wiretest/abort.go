package wiretest

// Abort implements wire.Aborter: the handler gave up in the middle of a body.
func (c *Recorder) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
}

// Aborted reports whether the handler called Abort.
func (c *Recorder) Aborted() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.aborted }
