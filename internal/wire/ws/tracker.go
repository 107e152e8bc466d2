package ws

// Tracker follows the frames of one direction as their bytes pass, without
// keeping them: it knows where a frame ends and whether a close frame has gone
// by. The zero value stands before the first frame.
type Tracker struct {
	left    int64 // bytes of the current frame's payload to come
	head    [MaxHeader]byte
	have    int // bytes of head
	current Opcode
	closed  bool
	lost    bool
}

// Feed takes the next bytes.
func (t *Tracker) Feed(p []byte) {
	for len(p) > 0 && !t.lost {
		p = p[t.step(p):]
	}
}

// Boundary returns how many bytes of p belong to the frame that is under way;
// 0 when none is, and all of p when it ends later. It changes nothing.
func (t *Tracker) Boundary(p []byte) int {
	if t.lost {
		return len(p)
	}
	probe, n := *t, 0
	for n < len(p) && !probe.AtBoundary() {
		n += probe.step(p[n:])
		if probe.lost {
			return len(p)
		}
	}
	return n
}

// step consumes bytes of one frame, at most to its end, and at least one.
func (t *Tracker) step(p []byte) int {
	if t.left > 0 {
		n := int(min(t.left, int64(len(p))))
		t.left -= int64(n)
		t.ended()
		return n
	}
	n := 0
	for n < len(p) {
		t.head[t.have] = p[n]
		t.have++
		n++
		h, size, err := ParseHeader(t.head[:t.have])
		if err != nil {
			t.lost = true
			return n
		}
		if size > 0 {
			t.have, t.left, t.current = 0, h.Length, h.Opcode
			t.ended()
			return n
		}
	}
	return n
}

func (t *Tracker) ended() {
	if t.left == 0 && t.current == Close {
		t.closed = true
	}
}

// AtBoundary reports whether the next byte begins a frame.
func (t *Tracker) AtBoundary() bool { return t.left == 0 && t.have == 0 && !t.lost }

// Closed reports whether a close frame has passed in full.
func (t *Tracker) Closed() bool { return t.closed }

// Lost reports that the bytes were no frames; nothing is known from there on.
func (t *Tracker) Lost() bool { return t.lost }
