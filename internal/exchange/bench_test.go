package exchange

import (
	"bytes"
	"io"
	"testing"
)

type source struct{ bytes.Reader }

func (*source) Close() error { return nil }

// A body of known length costs its own memory and nothing else.
func TestAllocationsOfBuffering(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 10_000)
	var src source
	for size, budget := range map[int64]float64{int64(len(text)): 1, -1: 12} {
		n := testing.AllocsPerRun(100, func() {
			src.Reset(text)
			var b Body
			b.SetStream(&src, size)
			if ok, err := b.Buffer(1 << 20); !ok || err != nil || len(b.Bytes()) != len(text) {
				t.Fatal(ok, err, len(b.Bytes()))
			}
			b.Close()
		})
		if n > budget {
			t.Errorf("declared length %d: %v allocations", size, n)
		}
	}
}

// Buffering reads to the end, one byte past the declared length at most, and
// stops at the limit.
func TestBufferLimits(t *testing.T) {
	for _, c := range []struct {
		text  int
		size  int64
		limit int64
		ok    bool
	}{
		{0, 0, 10, true}, {0, -1, 10, true}, {10, 10, 10, true}, {10, -1, 10, true}, {11, -1, 10, false}, {11, 11, 10, false},
		{5, 10, 10, true}, {2000, -1, 4000, true}, {2000, -1, 1999, false}, {1, -1, 0, false},
	} {
		b := Body{}
		b.SetStream(io.NopCloser(bytes.NewReader(make([]byte, c.text))), c.size)
		ok, err := b.Buffer(c.limit)
		if ok != c.ok || err != nil || ok && (len(b.Bytes()) != c.text || b.Size() != int64(c.text)) {
			t.Errorf("%+v: %v, %v, %d bytes", c, ok, err, len(b.Bytes()))
		}
	}
}

func TestBufferPassesErrorsOn(t *testing.T) {
	b := Body{}
	b.SetStream(io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 5)), broken{})), 10)
	if ok, err := b.Buffer(100); !ok || err != io.ErrUnexpectedEOF {
		t.Errorf("%v, %v", ok, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// An exchange from the pool is filled and emptied without allocating.
func TestReuseAllocatesNothing(t *testing.T) {
	var x Exchange
	n := testing.AllocsPerRun(100, func() { use(&x); x.Reset() })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(x.Request.Header) != 0 || cap(x.Request.Header) == 0 || x.Request.Header[:1][0].Value != "" {
		t.Error("a header stayed behind")
	}
}

func use(x *Exchange) {
	for range 8 {
		x.Request.Header.Add("Name", "secret")
		x.Response.Header.Add("Name", "value")
	}
	x.Params = append(x.Params, Param{"id", "1"})
	x.SetVar("v", true)
	x.SetReplyHeader("Vary", "Origin")
	x.Message().Set("Name", "other")
}

// BenchmarkReuse: a header of eight lines each way, a variable, a parameter.
// 0 allocs/op.
func BenchmarkReuse(b *testing.B) {
	var x Exchange
	b.ReportAllocs()
	for b.Loop() {
		use(&x)
		x.Reset()
	}
}

// BenchmarkShowQuery: a query without credentials, as every log line needs it.
// 0 allocs/op.
func BenchmarkShowQuery(b *testing.B) {
	var x Exchange
	b.ReportAllocs()
	for b.Loop() {
		x.showQuery("api-version=2024-10-21&stream=true")
	}
}
