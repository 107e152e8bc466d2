package conform

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire"
)

// Strict sends every vector to the server of an engine: at once, and byte by
// byte. With lax, what the vector says of net/http counts.
func Strict(t *testing.T, e Engine, lax bool) {
	vectors, err := Vectors()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			want := v.Want
			if lax && v.Std != nil {
				want = *v.Std
			}
			t.Parallel()
			w := newWitness(lax)
			s := serve(t, e, wire.ServerConfig{MaxTarget: 4000, MaxHeaderBytes: 8000, MaxHeaders: 50}, w.serve)
			w.check(t, s, v.Send, want, func(p *peer, text string) { p.trySend(text) })
			if len(v.Send) < 1000 {
				w.check(t, s, v.Send, want, func(p *peer, text string) { p.drip(text, 1) })
			}
		})
	}
}

// witness is a handler that tells what it saw.
type witness struct {
	seen chan string
	lax  bool // net/http
}

func newWitness(lax bool) *witness { return &witness{seen: make(chan string, 64), lax: lax} }

// describe is how a request stands in vectors.
func describe(r *wire.Request, body []byte) string {
	return fmt.Sprintf("%s %s %s %q", r.Method, r.Target, r.Host, body)
}

func (w *witness) serve(_ context.Context, r *wire.Request, rw wire.Responder) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			w.seen <- fmt.Sprintf("broken %d", wire.KindOf(err))
			wire.Reply(rw, 400, "", nil)
			return
		}
	}
	w.seen <- describe(r, body)
	wire.Reply(rw, 200, "", nil, wire.Field{Name: "X-Seen", Value: "1"})
}

// behind follows every vector on its connection: what an attacker would want
// to be taken for a request of its own, or of somebody else.
const behind = "GET /behind HTTP/1.1\r\nHost: behind\r\nConnection: close\r\n\r\n"

const behindSeen = `GET /behind behind ""`

func (w *witness) check(t *testing.T, s *host, text string, want Want, send func(p *peer, text string)) {
	t.Helper()
	p := s.dial()
	go func() {
		send(p, text)
		if want.Broken || want.Statuses != nil {
			// A server that reads on would now find a request of the attacker.
			time.Sleep(2 * time.Millisecond)
		}
		p.trySend(behind)
		if want.Any {
			p.closeWrite()
		}
	}()
	var answers []*message
	var err error
	for {
		var m *message
		if m, err = readAnswer(p.br, "GET"); err != nil {
			break
		}
		answers = append(answers, m)
	}
	if err != io.EOF && !isReset(err) {
		t.Errorf("the connection does not end: %v", err)
	}
	var seen []string
	for len(w.seen) > 0 {
		seen = append(seen, <-w.seen)
	}
	if w.lax && want.Statuses != nil && len(answers) == 0 && len(seen) == 0 {
		return // net/http closes with bytes unread, and the reset destroys its answer
	}
	want.judge(t, seen, answers, w.lax)
}

func (w Want) judge(t *testing.T, seen []string, answers []*message, lax bool) {
	t.Helper()
	var statuses []int
	for _, m := range answers {
		statuses = append(statuses, m.status())
	}
	switch {
	case w.Any:
	case w.Statuses != nil:
		if len(seen) > 0 {
			t.Errorf("the handler saw %q, want a refusal", seen)
		}
		if len(answers) != 1 || !slices.Contains(w.Statuses, statuses[0]) || !answers[0].closes() {
			t.Errorf("answered %v, want one of %v and the connection closed", statuses, w.Statuses)
		}
	case w.Broken:
		if len(seen) != 1 || seen[0] != fmt.Sprintf("broken %d", wire.KindProtocol) {
			t.Errorf("the handler saw %q, want one broken body of kind %d", seen, wire.KindProtocol)
		}
		if len(answers) > 1 || len(answers) == 1 && statuses[0] != 400 {
			t.Errorf("answered %v", statuses)
		}
		if len(answers) == 1 && !lax && !answers[0].closes() {
			t.Error("the answer does not say that the connection closes")
		}
	case w.Closed:
		wanted := []int{200}
		if w.Then != 0 && !(lax && len(answers) == 1) { // see check
			wanted = append(wanted, w.Then)
		}
		if !slices.Equal(seen, []string{w.Seen}) || !slices.Equal(statuses, wanted) {
			t.Errorf("the handler saw %q, answered %v, want %s alone and %v", seen, statuses, w.Seen, wanted)
		}
	default:
		wanted := append(strings.Split(w.Seen, " | "), behindSeen)
		if !slices.Equal(seen, wanted) || len(answers) != len(wanted) {
			t.Errorf("the handler saw %q, answered %v, want %q", seen, statuses, wanted)
		}
	}
}
