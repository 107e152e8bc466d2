//go:build linux

package h1

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/wire"
)

// unchunk decodes data that arrives in the pieces that cuts say.
func unchunk(data []byte, cuts ...int) (c *chunked, payload []byte, used int, err error) {
	c = new(chunked)
	for _, end := range append(cuts, len(data)) {
		for used < end && err == nil && c.state != chunkDone {
			var p []byte
			var n int
			// decode moves bytes: every piece is memory of its own.
			p, n, err = c.decode(bytes.Clone(data[used:end]))
			payload = append(payload, p...)
			used += n
		}
	}
	return c, payload, used, err
}

func TestChunkedBodies(t *testing.T) {
	for text, want := range map[string]string{
		"0\r\n\r\n": "", "5\r\nhello\r\n0\r\n\r\n": "hello", "A\r\n0123456789\r\n000\r\n\r\n": "0123456789",
		"1;a=\"b\"\r\nx\r\n2;\r\nyz\r\n0;end\r\n\r\n": "xyz", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n": "x",
	} {
		for i := range len(text) + 1 {
			c, got, used, err := unchunk([]byte(text+"GET /next"), i)
			if err != nil || string(got) != want || used != len(text) || c.state != chunkDone {
				t.Fatalf("%q split at %d: %q, %d used, state %d, %v", text, i, got, used, c.state, err)
			}
			if strings.Contains(text, "A: b") {
				if d := cmp.Diff(wire.Header{{Name: "A", Value: "b"}, {Name: "C", Value: "d"}}, c.fields); d != "" {
					t.Fatalf("trailers, split at %d: %s", i, d)
				}
			}
		}
	}
}

func TestRefusedChunkedBodies(t *testing.T) {
	many := strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 100)
	for text, want := range map[string]error{
		"\r\n": errChunkSize, "x\r\n": errChunkSize, "-1\r\n": errChunkSize, "0x1\r\n": errChunkSize, " 1\r\n": errChunkSize, "1 \r\n": errChunkSize,
		"1\nx": errChunkSize, "1\rx": errChunkSize, ";\r\n": errChunkSize, "1000000000000000\r\n": errChunkSize, "7fffffffffffffff\r\n": errChunkSize,
		"1;\n": errChunkExt, "1;a\x00\r\n": errChunkExt, "1;" + strings.Repeat("x", 257) + "\r\n": errChunkExt, many: errChunkExt,
		"1\r\nab\r\n": errChunkEnd, "1\r\na\n": errChunkEnd, "1\r\na\r\r": errChunkEnd, "1\r\na0\r\n": errChunkEnd,
		"0\r\nA\r\n\r\n": errTrailer, "0\r\nA : b\r\n\r\n": errTrailer, "0\r\n A: b\r\n\r\n": errTrailer, "0\r\nA: b\n\n": errTrailer, "0\r\n\n": errTrailer,
		"0\r\nContent-Length: 1\r\n\r\n": errTrailer, "0\r\nTransfer-Encoding: chunked\r\n\r\n": errTrailer, "0\r\nHost: a\r\n\r\n": errTrailer,
		"0\r\nA: " + strings.Repeat("x", maxTrailers) + "\r\n\r\n": errTrailer, "0\r\n" + strings.Repeat("A: b\r\n", 65) + "\r\n": errTrailer,
	} {
		for _, cuts := range [][]int{nil, {1}, {2}, {3}, {4}} {
			if cuts != nil && cuts[0] > len(text) {
				continue
			}
			if _, _, _, err := unchunk([]byte(text), cuts...); !errors.Is(err, want) {
				t.Errorf("%.40q split at %v: %v, want %v", text, cuts, err, want)
			}
		}
	}
}

func TestEncodeThenDecodeIsIdentity(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var coded, want []byte
		for range rnd.IntN(8) {
			p := bytes.Repeat([]byte{byte(rnd.IntN(256))}, 1+rnd.IntN(300))
			coded, want = fmt.Appendf(coded, "%x\r\n%s\r\n", len(p), p), append(want, p...)
		}
		coded = append(coded, "0\r\n\r\n"...)
		a, b := rnd.IntN(len(coded)), rnd.IntN(len(coded))
		c, got, used, err := unchunk(coded, min(a, b), max(a, b))
		if err != nil || !bytes.Equal(got, want) || used != len(coded) || c.state != chunkDone {
			t.Fatalf("split at %d and %d of %q: %d of %d bytes, %v", a, b, coded, len(got), len(want), err)
		}
	}
}

func FuzzChunked(f *testing.F) {
	for _, s := range []string{"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nGET", "1;x\r\na\r\n0\r\nA: b\r\n\r\n", "1\r\nab", "fffffffffffffff\r\nx", "0\r\nA: b\r\n c\r\n\r\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = min(max(at, 0), len(data))
		c, whole, used, err := unchunk(data)
		s, split, sused, serr := unchunk(data, at)
		if used > len(data) || sused > len(data) {
			t.Fatalf("%d and %d bytes used of %d", used, sused, len(data))
		}
		if !errors.Is(serr, err) || (c.state == chunkDone) != (s.state == chunkDone) {
			t.Fatalf("split at %d: %v in state %d; at once: %v in state %d", at, serr, s.state, err, c.state)
		}
		// What came before an error is given back only where the split shows it.
		if err == nil && (!bytes.Equal(whole, split) || used != sused) || !bytes.HasPrefix(split, whole) {
			t.Fatalf("split at %d: %q, %d used; at once: %q, %d used", at, split, sused, whole, used)
		}
		if d := cmp.Diff(c.fields, s.fields); d != "" {
			t.Fatalf("split at %d: %s", at, d)
		}
	})
}
