package sse

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// kept is an event copied out of the scanner's memory.
type kept struct {
	Event, Data, ID, Raw string
	Comment, Partial     bool
}

func keepEvent(e *Event) kept {
	return kept{string(e.Event), string(e.Data), string(e.ID), string(e.Raw), e.Comment, e.Partial}
}

func feed(t testing.TB, opt Options, pieces ...[]byte) []kept {
	t.Helper()
	var out []kept
	s := NewScanner(opt, func(e *Event) { out = append(out, keepEvent(e)) })
	for _, p := range pieces {
		if err := s.Feed(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	return out
}

func pull(t testing.TB, opt Options, src io.Reader) []kept {
	t.Helper()
	var out []kept
	r := NewReader(src, opt)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, keepEvent(e))
	}
}

// streams returns every recorded stream with each kind of line end, with and
// without a byte order mark.
func streams(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sse")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded streams: %v", err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		out[name+" LF"] = b
		out[name+" CRLF"] = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
		out[name+" CR"] = bytes.ReplaceAll(b, []byte("\n"), []byte("\r"))
		out[name+" BOM"] = append([]byte("\xef\xbb\xbf"), b...)
	}
	return out
}

func TestEverySplitGivesTheSameEvents(t *testing.T) {
	for name, b := range streams(t) {
		t.Run(name, func(t *testing.T) {
			want := feed(t, Options{}, b)
			var raw strings.Builder
			for _, e := range want {
				raw.WriteString(e.Raw)
			}
			if raw.String() != string(b) {
				t.Fatal("the raw bytes of all events are not the stream")
			}
			for i := range len(b) + 1 {
				if d := cmp.Diff(want, feed(t, Options{}, b[:i], b[i:])); d != "" {
					t.Fatalf("split at %d: %s", i, d)
				}
			}
			if d := cmp.Diff(want, pull(t, Options{}, bytes.NewReader(b))); d != "" {
				t.Errorf("reader: %s", d)
			}
			if d := cmp.Diff(want, pull(t, Options{}, iotest.OneByteReader(bytes.NewReader(b)))); d != "" {
				t.Errorf("reader, byte by byte: %s", d)
			}
			if d := cmp.Diff(want, pull(t, Options{}, iotest.DataErrReader(bytes.NewReader(b)))); d != "" {
				t.Errorf("reader, EOF with data: %s", d)
			}
		})
	}
}

func TestLineEndsDoNotChangeTheEvents(t *testing.T) {
	all := streams(t)
	for name, b := range all {
		base, _, _ := strings.Cut(name, " ")
		want, got := feed(t, Options{}, all[base+" LF"]), feed(t, Options{}, b)
		for i := range want {
			want[i].Raw = ""
		}
		for i := range got {
			got[i].Raw = ""
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestMixedFields(t *testing.T) {
	b, err := os.ReadFile("testdata/mixed.sse")
	if err != nil {
		t.Fatal(err)
	}
	var got []kept
	for _, e := range feed(t, Options{SkipComments: true}, b) {
		e.Raw = ""
		got = append(got, e)
	}
	want := []kept{
		{ID: "7", Event: "ping"},
		{Event: "message_start", Data: "{\"no\":\"space\"}\n two spaces\n"},
		{ID: "a:b", Data: "third"},
		{Data: "[DONE]", Partial: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	comments := 0
	for _, e := range feed(t, Options{}, b) {
		if e.Comment {
			comments++
		}
	}
	if comments != 3 {
		t.Errorf("%d comment blocks, want 3", comments)
	}
}

func TestEdges(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []kept
	}{
		{"empty stream", "", nil},
		{"blank line only", "\n", []kept{{Raw: "\n", Comment: true}}},
		{"byte order mark only", "\xef\xbb\xbf", []kept{{Raw: "\xef\xbb\xbf", Comment: true, Partial: true}}},
		{"mark only at the start", "data: a\n\n\xef\xbb\xbfdata: b\n\n", []kept{{Data: "a", Raw: "data: a\n\n"}, {Raw: "\xef\xbb\xbfdata: b\n\n", Comment: true}}},
		{"cut in a line", "data: [DO", []kept{{Data: "[DO", Raw: "data: [DO", Partial: true}}},
		{"CR at the end", "data: a\n\r", []kept{{Data: "a", Raw: "data: a\n\r"}}},
		{"last id wins, NUL ignored", "id: 1\nid: 2\x00\ndata: a\n\n", []kept{{ID: "1", Data: "a", Raw: "id: 1\nid: 2\x00\ndata: a\n\n"}}},
		{"LF behind a CR-only blank line", "data: a\r\r\ndata: b\r\r", []kept{{Data: "a", Raw: "data: a\r\r"}, {Data: "b", Raw: "\ndata: b\r\r"}}},
		{"name without colon", "data\n\n", []kept{{Raw: "data\n\n"}}},
		{"names are case-sensitive", "Data: a\n\n", []kept{{Raw: "Data: a\n\n", Comment: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range len(c.in) + 1 {
				if d := cmp.Diff(c.want, feed(t, Options{}, []byte(c.in[:i]), []byte(c.in[i:]))); d != "" {
					t.Fatalf("split at %d: %s", i, d)
				}
			}
		})
	}
}

func TestCompleteEventIsReportedAtOnce(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"} {
		n := 0
		s := NewScanner(Options{}, func(*Event) { n++ })
		if err := s.Feed([]byte(in)); err != nil || n != 1 {
			t.Errorf("%q: %d events before the next byte, err %v", in, n, err)
		}
	}
}

func TestLimits(t *testing.T) {
	long := "data: " + strings.Repeat("x", 100) + "\n\n"
	many := strings.Repeat("data: 1\n", 20) + "\n"
	ok := "data: ok\n\n"
	opt := Options{MaxLine: 50, MaxEvent: 80}
	for name, in := range map[string]string{"line": long, "event": many} {
		t.Run(name, func(t *testing.T) {
			all := []byte(ok + in + ok)
			for i := range len(all) + 1 {
				var got []string
				var errs []error
				s := NewScanner(opt, func(e *Event) { got = append(got, string(e.Data)) })
				errs = append(errs, s.Feed(all[:i]), s.Feed(all[i:]), s.Finish())
				var tooLong *TooLongError
				if err := errors.Join(errs...); !errors.As(err, &tooLong) || tooLong.What != name {
					t.Fatalf("split at %d: err %v", i, err)
				}
				if d := cmp.Diff([]string{"ok", "ok"}, got); d != "" {
					t.Fatalf("split at %d: %s", i, d)
				}
				if cap(s.buf) > 200 {
					t.Fatalf("split at %d: buffer grew to %d", i, cap(s.buf))
				}
			}
			r := NewReader(bytes.NewReader(all), opt)
			if e, err := r.Next(); err != nil || string(e.Data) != "ok" {
				t.Fatal(err)
			}
			var tooLong *TooLongError
			for range 2 {
				if _, err := r.Next(); !errors.As(err, &tooLong) {
					t.Errorf("err %v, want it to stay", err)
				}
			}
		})
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(io.ErrUnexpectedEOF)), Options{})
	if e, err := r.Next(); err != nil || string(e.Data) != "a" {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err %v", err)
	}
}

func TestFeedDoesNotAllocate(t *testing.T) {
	stream := []byte("event: x\nid: 1\ndata: {\"a\":1}\ndata: more\n\n: ping\n\ndata: [DONE]\n\n")
	n := 0
	s := NewScanner(Options{}, func(e *Event) {
		if e.Done() {
			n++
		}
	})
	run := func() {
		for i := 0; i < len(stream); i += 7 {
			if s.Feed(stream[i:min(i+7, len(stream))]) != nil {
				t.Fatal("error")
			}
		}
	}
	run()
	if a := testing.AllocsPerRun(100, run); a != 0 {
		t.Errorf("%v allocations a run", a)
	}
	if n == 0 {
		t.Error("no [DONE] seen")
	}
}

func TestResetForgets(t *testing.T) {
	var got []kept
	s := NewScanner(Options{}, func(e *Event) { got = append(got, keepEvent(e)) })
	_ = s.Feed([]byte("event: old\ndata: x"))
	s.Reset()
	_ = s.Feed([]byte("\xef\xbb\xbfdata: y\n\n"))
	if len(got) != 1 || got[0].Data != "y" || got[0].Event != "" {
		t.Errorf("%+v", got)
	}
}

func TestAppendIsReadBack(t *testing.T) {
	for _, data := range []string{"", "x", "a\nb", "a\n", "\n"} {
		got := feed(t, Options{}, Append(nil, "ev", []byte(data)))
		if len(got) != 1 || got[0].Data != data || got[0].Event != "ev" || got[0].Partial {
			t.Errorf("%q came back as %+v", data, got)
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	stream, err := os.ReadFile("testdata/azure-chat.sse")
	if err != nil {
		b.Fatal(err)
	}
	s := NewScanner(Options{}, func(*Event) {})
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Feed(stream)
	}
}
