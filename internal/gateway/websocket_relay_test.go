package gateway

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"sallyport/internal/wire/ws"
)

// side is a Stream that keeps what is written to it.
type side struct {
	bytes.Buffer
	refuse bool
}

func (s *side) Write(p []byte) (int, error) {
	if s.refuse {
		return 0, io.ErrClosedPipe
	}
	return s.Buffer.Write(p)
}

func (s *side) Close() error                     { return nil }
func (s *side) CloseWrite() error                { return nil }
func (s *side) SetDeadline(time.Time) error      { return nil }
func (s *side) SetReadDeadline(time.Time) error  { return nil }
func (s *side) SetWriteDeadline(time.Time) error { return nil }

func frame(payload string) []byte {
	return append(ws.AppendHeader(nil, ws.Header{Fin: true, Opcode: ws.Text, Length: int64(len(payload))}), payload...)
}

// However the bytes are cut, and wherever the shutdown falls, the client gets
// whole frames and then the close frame, and nothing after it.
func TestLastWordStandsAtABoundary(t *testing.T) {
	frames := [][]byte{frame("first"), frame(""), frame("a longer one"), frame("last")}
	all := bytes.Join(frames, nil)
	bye := ws.AppendClose(nil, ws.GoingAway, "bye", false)
	for cut := range len(all) + 1 {
		var want []byte
		for _, f := range frames { // up to the boundary at or behind cut
			if len(want) >= cut {
				break
			}
			want = append(want, f...)
		}
		for step := 1; step <= len(all); step += 3 {
			var client side
			r := newRelay(&client, &side{}, time.Minute)
			r.down.pass(all[:cut])
			r.down.finish(ws.GoingAway, "bye")
			for rest := all[cut:]; len(rest) > 0; {
				n := min(step, len(rest))
				r.down.pass(rest[:n])
				rest = rest[n:]
			}
			if got := client.Bytes(); !bytes.Equal(got, append(bytes.Clone(want), bye...)) {
				t.Fatalf("cut %d step %d: got %q", cut, step, got)
			}
			if cut > 0 && cut < len(all) && r.down.bytes != int64(len(want)+len(bye)) {
				t.Fatalf("%d bytes counted", r.down.bytes)
			}
		}
	}
}

func TestNoSecondCloseFrame(t *testing.T) {
	var client side
	r := newRelay(&client, &side{}, time.Minute)
	own := ws.AppendClose(nil, ws.Normal, "", false)
	r.down.pass(own)
	r.down.finish(ws.GoingAway, "bye")
	r.down.finish(ws.InternalError, "bye")
	if !bytes.Equal(client.Bytes(), own) {
		t.Errorf("the client got %x", client.Bytes())
	}
}

func TestCloseFrameTowardsBackendIsMasked(t *testing.T) {
	var backend side
	r := newRelay(&side{}, &backend, time.Minute)
	r.up.finish(ws.GoingAway, "bye")
	h, _, err := ws.ParseHeader(backend.Bytes())
	if err != nil || !h.Masked || h.Opcode != ws.Close {
		t.Errorf("%+v %v", h, err)
	}
}

// What a side has sent before it closed is read even when nothing can be sent
// to it any more: it may be the reason.
func TestFailedWriteDoesNotEndReading(t *testing.T) {
	backend, client := &side{refuse: true}, &side{}
	client.Buffer.Write(append(frame("to a backend that is gone"), frame("more")...))
	r := newRelay(client, backend, time.Minute)
	if err := r.up.run(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the flow ended with %v", err)
	}
	if client.Len() != 0 {
		t.Error("the client was not read to its end")
	}
	if f := r.failure(r.up.broken, nil); f == nil || f.Reason != "BackendConnectionFailure" {
		t.Errorf("failure %v", f)
	}
}

// Passing bytes on allocates nothing.
func TestRelayAllocatesNothing(t *testing.T) {
	client := &side{}
	r := newRelay(client, &side{}, time.Minute)
	p := frame("some text of a realtime session")
	client.Grow(1 << 20)
	if n := testing.AllocsPerRun(1000, func() { r.down.pass(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRelayPass(b *testing.B) {
	r := newRelay(&drop{}, &drop{}, time.Minute)
	p := frame("some text of a realtime session")
	b.ReportAllocs()
	for b.Loop() {
		r.down.pass(p)
	}
}

type drop struct{ side }

func (*drop) Write(p []byte) (int, error) { return len(p), nil }
