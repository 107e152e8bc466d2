//go:build linux

package main

// timeline is a binary heap of connections by the time something is due on
// them. A connection knows its place, so that it can be taken out.
type timeline []*conn

func (t *timeline) push(c *conn) {
	c.slot = len(*t)
	*t = append(*t, c)
	t.up(c.slot)
}

func (t *timeline) remove(c *conn) {
	h := *t
	i, n := c.slot, len(h)-1
	c.slot = -1
	if i != n {
		h[i] = h[n]
		h[i].slot = i
	}
	h[n] = nil
	*t = h[:n]
	if i < n {
		t.down(i)
		t.up(i)
	}
}

func (t timeline) swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}

func (t timeline) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if t[p].when <= t[i].when {
			return
		}
		t.swap(i, p)
		i = p
	}
}

func (t timeline) down(i int) {
	for {
		j := 2*i + 1
		if j >= len(t) {
			return
		}
		if j+1 < len(t) && t[j+1].when < t[j].when {
			j++
		}
		if t[i].when <= t[j].when {
			return
		}
		t.swap(i, j)
		i = j
	}
}
