package sse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference reads a whole stream the slow way, following the text of the HTML
// standard, as a second opinion. It reports only what has data.
func reference(stream string) []kept {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	var out []kept
	var cur kept
	var data []string
	flush := func(partial bool) {
		if data != nil {
			cur.Data, cur.Partial = strings.Join(data, "\n"), partial
			out = append(out, cur)
		}
		cur, data = kept{}, nil
	}
	for _, line := range strings.SplitAfter(stream, "\n") {
		text := strings.TrimSuffix(line, "\n")
		if text == "" {
			if line != "" {
				flush(false)
			}
			continue
		}
		name, value, _ := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			data = append(data, value)
		case "event":
			cur.Event = value
		case "id":
			if !strings.Contains(value, "\x00") {
				cur.ID = value
			}
		}
	}
	flush(true)
	return out
}

func FuzzScanner(f *testing.F) {
	for _, b := range streams(f) {
		f.Add(b, 3)
	}
	f.Add([]byte("data: a\r\r\n\n\ndata: b\r\n\r"), 1)
	f.Add([]byte("\xef\xbb\xbf\r\rdata\n"), 2)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		if step <= 0 || step > len(b) {
			step = 1
		}
		whole := feed(t, Options{}, b)
		var pieces [][]byte
		for i := 0; i < len(b); i += step {
			pieces = append(pieces, b[i:min(i+step, len(b))])
		}
		if d := cmp.Diff(whole, feed(t, Options{}, pieces...)); d != "" {
			t.Fatalf("in steps of %d: %s", step, d)
		}
		if d := cmp.Diff(whole, pull(t, Options{}, bytes.NewReader(b))); d != "" {
			t.Fatalf("reader: %s", d)
		}
		var raw strings.Builder
		var got []kept
		for _, e := range whole {
			raw.WriteString(e.Raw)
			if e.Raw = ""; !e.Comment {
				got = append(got, e)
			}
		}
		if raw.String() != string(b) {
			t.Fatalf("raw bytes changed: %q", raw.String())
		}
		if d := cmp.Diff(reference(string(b)), got); d != "" {
			t.Fatalf("against the reference: %s", d)
		}
	})
}
