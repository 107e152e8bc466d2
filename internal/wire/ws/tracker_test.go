package ws_test

import (
	"bytes"
	"slices"
	"testing"

	"sallyport/internal/wire/ws"
)

// frames is a stream of frames with the offsets where they end.
func frames() (all []byte, ends []int) {
	add := func(h ws.Header, payload string) {
		h.Length = int64(len(payload))
		all = append(ws.AppendHeader(all, h), payload...)
		ends = append(ends, len(all))
	}
	add(ws.Header{Opcode: ws.Text}, "first ")
	add(ws.Header{Fin: true, Opcode: ws.Ping, Masked: true, Key: [4]byte{1, 2, 3, 4}}, "still there?")
	add(ws.Header{Fin: true, Opcode: ws.Continuation}, "second")
	add(ws.Header{Fin: true, Opcode: ws.Text}, "")
	add(ws.Header{Fin: true, Reserved: 4, Opcode: ws.Binary}, string(bytes.Repeat([]byte{0x88}, 70_000)))
	all = ws.AppendClose(all, ws.Normal, "bye", true)
	return all, append(ends, len(all))
}

func TestTrackerAtEveryOffset(t *testing.T) {
	all, ends := frames()
	for cut := range all {
		if cut > 200 && cut < len(all)-200 && cut%501 != 0 {
			continue // inside one payload
		}
		var tr ws.Tracker
		tr.Feed(all[:cut])
		if want := cut == 0 || slices.Contains(ends, cut); tr.AtBoundary() != want {
			t.Fatalf("offset %d: boundary %t, want %t", cut, tr.AtBoundary(), want)
		}
		if tr.Closed() {
			t.Fatalf("offset %d: closed already", cut)
		}
		next, _ := slices.BinarySearch(ends, cut)
		want := ends[next] - cut
		if cut == 0 {
			want = 0
		}
		if got := tr.Boundary(all[cut:]); got != want {
			t.Fatalf("offset %d: %d bytes to the boundary, want %d", cut, got, want)
		}
		if want > 1 && tr.Boundary(all[cut:cut+want-1]) != want-1 {
			t.Fatalf("offset %d: a boundary too early", cut)
		}
		tr.Feed(all[cut:])
		if !tr.AtBoundary() || !tr.Closed() || tr.Lost() {
			t.Fatalf("offset %d: at the end %+v", cut, tr)
		}
	}
}

func TestTrackerCloseWithoutPayload(t *testing.T) {
	var tr ws.Tracker
	tr.Feed([]byte{0x88, 0})
	if !tr.Closed() {
		t.Error("an empty close frame was not seen")
	}
}

func TestTrackerIsLost(t *testing.T) {
	var tr ws.Tracker
	bad := []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3}
	if got := tr.Boundary(bad); got != 0 { // nothing is under way
		t.Errorf("%d bytes", got)
	}
	tr.Feed(bad)
	if !tr.Lost() || tr.AtBoundary() || tr.Boundary(bad) != len(bad) {
		t.Errorf("%+v", tr)
	}
}

func TestTrackerAllocatesNothing(t *testing.T) {
	all, _ := frames()
	if n := testing.AllocsPerRun(100, func() {
		var tr ws.Tracker
		tr.Feed(all)
		_ = tr.Boundary(all)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// However the bytes are cut, the tracker comes to the same end, and Boundary
// names exactly the place where AtBoundary becomes true.
func FuzzTracker(f *testing.F) {
	all, _ := frames()
	f.Add(all[:60], uint8(3))
	f.Add(all[len(all)-20:], uint8(1))
	f.Add([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1}, uint8(2))
	f.Fuzz(func(t *testing.T, p []byte, step uint8) {
		var whole, pieces ws.Tracker
		whole.Feed(p)
		for rest := p; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			b := pieces.Boundary(rest[:n])
			pieces.Feed(rest[:b])
			if b < n && !pieces.AtBoundary() {
				t.Fatal("Boundary ends where no frame does")
			}
			pieces.Feed(rest[b:n])
			rest = rest[n:]
		}
		if whole != pieces {
			t.Fatalf("whole %+v, in pieces %+v", whole, pieces)
		}
	})
}
