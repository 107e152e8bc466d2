package databricks

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var filterCases = []struct {
	name, in, want string
	events         int
}{
	{"nothing to cut", "data: {\"a\":1}\n\ndata: [DONE]\n\n", "data: {\"a\":1}\n\ndata: [DONE]\n\n", 2},
	{"keep-alive block vanishes", ": ping\n\ndata: 1\n\n: ping\n\n", "data: 1\n\n", 1},
	{"comment inside a block", "data: 1\n: note\ndata: 2\n\n", "data: 1\ndata: 2\n\n", 1},
	{"event and id", "event: message\nid: 7\nretry: 10\ndata: 1\n\n", "data: 1\n\n", 1},
	{"names alone", "event\nid\nretry\ndata: 1\n\n", "data: 1\n\n", 1},
	{"names that only begin alike", "events: 1\nidx: 2\nretr: 3\ne: 4\nev\n\n", "events: 1\nidx: 2\nretr: 3\ne: 4\nev\n\n", 1},
	{"CRLF", ": p\r\n\r\nid: 1\r\ndata: 1\r\n\r\n", "data: 1\r\n\r\n", 1},
	{"CR", ": p\r\rid: 1\rdata: 1\r\r", "data: 1\r\r", 1},
	{"mixed ends", "id: 1\r\ndata: 1\n\r\nevent\rdata: 2\r\n\n", "data: 1\n\r\ndata: 2\r\n\n", 2},
	{"stray blank lines stay", "\n\ndata: 1\n\n\n", "\n\ndata: 1\n\n\n", 1},
	{"colon in data", "data: event: x\ndata::\n\n", "data: event: x\ndata::\n\n", 1},
	{"ends in a line", "data: 1\n\ndata: [DONE]", "data: 1\n\ndata: [DONE]", 2},
	{"ends in a held line", "data: 1\n\nev", "data: 1\n\nev", 2},
	{"ends in a complete name", "data: 1\n\nevent", "data: 1\n\n", 1},
	{"ends in a comment", "data: 1\n\n: bye", "data: 1\n\n", 1},
	{"ends behind CR", "data: 1\r", "data: 1\r", 1},
	{"empty", "", "", 0},
}

func TestEventFilterAtEverySplit(t *testing.T) {
	for _, tt := range filterCases {
		t.Run(tt.name, func(t *testing.T) {
			for a := 0; a <= len(tt.in); a++ {
				for b := a; b <= len(tt.in); b++ {
					var out bytes.Buffer
					f := eventFilter{w: &out}
					for _, p := range []string{tt.in[:a], tt.in[a:b], tt.in[b:]} {
						if _, err := f.feed([]byte(p)); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := f.finish(); err != nil {
						t.Fatal(err)
					}
					if out.String() != tt.want || f.events != tt.events || f.bytes != int64(len(tt.want)) {
						t.Fatalf("split %d,%d: got %q, %d events; want %q, %d", a, b, out.String(), f.events, tt.want, tt.events)
					}
				}
			}
		})
	}
}

func TestEventFilterByteByByte(t *testing.T) {
	for _, tt := range filterCases {
		var out bytes.Buffer
		f := eventFilter{w: &out}
		for i := range len(tt.in) {
			_, _ = f.feed([]byte{tt.in[i]})
		}
		_, _ = f.finish()
		if out.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, out.String(), tt.want)
		}
	}
}

// countingWriter counts calls.
type countingWriter struct{ calls int }

func (w *countingWriter) Write(p []byte) (int, error) { w.calls++; return len(p), nil }

func TestEventFilterCleanChunkIsOneWriteWithoutAllocation(t *testing.T) {
	w := &countingWriter{}
	f := eventFilter{w: w}
	chunk := []byte(strings.Repeat("data: {\"choices\":[]}\n\n", 20))
	if n := testing.AllocsPerRun(100, func() { _, _ = f.feed(chunk) }); n != 0 {
		t.Errorf("%v allocations per chunk", n)
	}
	if w.calls != 101 {
		t.Errorf("%d writes for 101 chunks", w.calls)
	}
}

func TestEventFilterReportsWhetherItWrote(t *testing.T) {
	f := eventFilter{w: &countingWriter{}}
	if wrote, _ := f.feed([]byte(": ping\n\n")); wrote {
		t.Error("a keep-alive counts as written")
	}
	if wrote, _ := f.feed([]byte("data: 1\n\n")); !wrote {
		t.Error("an event does not count as written")
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestEventFilterWriteError(t *testing.T) {
	want := errors.New("gone")
	f := eventFilter{w: brokenWriter{want}}
	if _, err := f.feed([]byte("data: 1\n: c\ndata: 2\n\n")); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

// slowFilter is the rule written down plainly, for whole streams.
func slowFilter(in string) string {
	var out, block strings.Builder
	cut, kept := false, false
	for len(in) > 0 {
		n := strings.IndexAny(in, "\r\n")
		line, end := in, ""
		if n >= 0 {
			line, end = in[:n], in[n:n+1]
			if end == "\r" && strings.HasPrefix(in[n+1:], "\n") {
				end = "\r\n"
			}
		}
		in = in[len(line)+len(end):]
		name, _, _ := strings.Cut(line, ":")
		switch {
		case line == "":
			if kept || !cut {
				block.WriteString(end)
			}
			out.WriteString(block.String())
			block.Reset()
			cut, kept = false, false
		case name == "" || name == "event" || name == "id" || name == "retry":
			cut = true
		default:
			kept = true
			block.WriteString(line + end)
		}
	}
	return out.String() + block.String()
}

func FuzzEventFilter(f *testing.F) {
	for _, tt := range filterCases {
		f.Add(tt.in, uint8(3), uint8(7))
	}
	f.Fuzz(func(t *testing.T, in string, a, b uint8) {
		var out bytes.Buffer
		filter := eventFilter{w: &out}
		rest := []byte(in)
		for k := 0; len(rest) > 0; k++ {
			n := min(len(rest), 1+int([]uint8{a, b}[k%2]))
			_, _ = filter.feed(rest[:n])
			rest = rest[n:]
		}
		_, _ = filter.finish()
		if want := slowFilter(in); out.String() != want {
			t.Fatalf("%q: got %q, want %q", in, out.String(), want)
		}
	})
}
