package ws_test

import (
	"bytes"
	"math"
	"testing"

	"sallyport/internal/wire/ws"
)

func TestHeaderForms(t *testing.T) {
	for _, h := range []ws.Header{
		{Fin: true, Opcode: ws.Text},
		{Opcode: ws.Binary, Length: 125},
		{Fin: true, Opcode: ws.Continuation, Length: 126},
		{Fin: true, Reserved: 4, Opcode: ws.Text, Length: math.MaxUint16},
		{Fin: true, Opcode: ws.Binary, Length: math.MaxUint16 + 1},
		{Fin: true, Opcode: ws.Binary, Length: math.MaxInt64, Masked: true, Key: [4]byte{1, 2, 3, 4}},
		{Fin: true, Opcode: ws.Ping, Masked: true, Key: [4]byte{0xff, 0, 0x7f, 0x80}, Length: 3},
	} {
		b := ws.AppendHeader(nil, h)
		for n := range b {
			if _, size, err := ws.ParseHeader(b[:n]); size != 0 || err != nil {
				t.Errorf("%+v: %d of %d bytes give %d, %v", h, n, len(b), size, err)
			}
		}
		got, n, err := ws.ParseHeader(append(b, 'x'))
		if got != h || n != len(b) || err != nil {
			t.Errorf("%+v came back as %+v, %d, %v", h, got, n, err)
		}
	}
}

func TestLengthWithHighestBit(t *testing.T) {
	if _, _, err := ws.ParseHeader([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}); err != ws.ErrLength {
		t.Errorf("error %v", err)
	}
}

func TestMask(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for size := range 40 {
		plain := bytes.Repeat([]byte("sallyport"), 5)[:size]
		for cut := range size + 1 { // in two pieces at every place
			got := bytes.Clone(plain)
			ws.Mask(got[:cut], key, 0)
			ws.Mask(got[cut:], key, int64(cut))
			for i := range got {
				if got[i] != plain[i]^key[i&3] {
					t.Fatalf("size %d cut %d: byte %d is wrong", size, cut, i)
				}
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x81, 5})
	f.Add([]byte{0x82, 0xfe, 1, 0, 1, 2, 3, 4})
	f.Add([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, err := ws.ParseHeader(p)
		if err != nil || n == 0 {
			return
		}
		if n > ws.MaxHeader || n > len(p) || h.Length < 0 {
			t.Fatalf("%+v from %d bytes", h, n)
		}
		again, m, err := ws.ParseHeader(ws.AppendHeader(nil, h))
		if again != h || m > n || err != nil {
			t.Fatalf("%+v came back as %+v, %d, %v", h, again, m, err)
		}
	})
}
