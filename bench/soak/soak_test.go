//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLeastSquares(t *testing.T) {
	for _, tt := range []struct {
		y    []float64
		want float64
	}{
		{[]float64{5, 5, 5, 5}, 0},
		{[]float64{1, 3, 5, 7}, 2},
		{[]float64{0, 4, 0, 4}, 0.8},
		{[]float64{9, 6, 3, 0}, -3},
	} {
		if got := leastSquares([]float64{0, 1, 2, 3}, tt.y); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%v: %v, want %v", tt.y, got, tt.want)
		}
	}
	if leastSquares([]float64{1, 1}, []float64{1, 9}) != 0 {
		t.Error("points of one moment have no slope")
	}
}

// TestGrowthIsFound runs samples of an hour through the judge.
func TestGrowthIsFound(t *testing.T) {
	judge := func(of func(minute int) sample) string {
		w := &watch{warmUp: 10 * time.Minute}
		for m := range 60 {
			w.add(time.Duration(m)*time.Minute, of(m))
		}
		return strings.Join(w.judge(io.Discard), "; ")
	}
	for name, tt := range map[string]struct {
		of   func(m int) sample
		want string
	}{
		"flat":               {func(m int) sample { return sample{rss: 50 + float64(m%3), goroutines: 100} }, ""},
		"warm-up only":       {func(m int) sample { return sample{rss: 10 * float64(min(m, 9))} }, ""},
		"RSS":                {func(m int) sample { return sample{rss: float64(m)} }, "RSS grows by 60.0 MB an hour, at most 8 is allowed"},
		"goroutines":         {func(m int) sample { return sample{goroutines: 2 * float64(m)} }, "goroutines grows by 120.0  an hour, at most 60 is allowed"},
		"slow, within noise": {func(m int) sample { return sample{heap: float64(m) / 6} }, ""},
		"falling":            {func(m int) sample { return sample{descriptors: 1000 - float64(m)} }, ""},
	} {
		if got := judge(tt.of); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if len((&watch{}).judge(io.Discard)) != 1 {
		t.Error("a run without samples must not pass")
	}
}

func TestWholeStream(t *testing.T) {
	var all strings.Builder
	for i := range tokens {
		all.WriteString(token(i))
	}
	whole := all.String() + "data: [DONE]\n\n"
	for name, tt := range map[string]struct {
		status int
		got    string
		want   string
	}{
		"whole":        {200, whole, "<nil>"},
		"refused":      {503, "", "status 503"},
		"no end":       {200, all.String(), "stream without its end"},
		"last missing": {200, strings.TrimSuffix(all.String(), token(tokens-1)), "stream ends without its last tokens"},
		"one missing":  {200, strings.Replace(whole, token(7), "", 1), "stream garbled"},
		"one doubled":  {200, strings.Replace(whole, token(7), token(7)+token(7), 1), "stream garbled"},
		"swapped":      {200, strings.Replace(whole, token(7)+token(8), token(8)+token(7), 1), "stream garbled"},
		"more":         {200, whole + "x", "stream without its end"},
	} {
		if got := fmt.Sprint(wholeStream(tt.status, tt.got)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 60000} {
		payload := []byte(pattern()[:n])
		for _, masked := range []bool{true, false} {
			op, got, err := readFrame(bytes.NewReader(appendFrame(nil, opBinary, payload, masked)))
			if err != nil || op != opBinary || !bytes.Equal(got, payload) {
				t.Errorf("%d bytes, masked %v: %d, %d bytes, %v", n, masked, op, len(got), err)
			}
		}
	}
	op, got, err := readFrame(bytes.NewReader([]byte{0x82, 0x82, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2}))
	if err != nil || op != opBinary || string(got) != "ab" {
		t.Errorf("a mask that is not zero: %d %q %v", op, got, err)
	}
	if accept("dGhlIHNhbXBsZSBub25jZQ==") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // the example of RFC 6455 §1.3
		t.Error("the proof of the handshake is wrong")
	}
}

func TestTally(t *testing.T) {
	ta := newTally()
	ta.count("a", nil)
	ta.count("a", errors.New("x"))
	ta.count("a", errors.New("x"))
	ta.count("b", nil)
	if got := strings.Join(ta.judge(io.Discard), "; "); got != "a: 2 × x" {
		t.Error(got)
	}
	ta.count("c", errors.New("y"))
	if got := strings.Join(ta.judge(io.Discard), "; "); got != "a: 2 × x; c: 1 × y; c: never as expected" {
		t.Error(got)
	}
}

// TestTheLoadFitsTheBackend runs every deed that needs no gateway features
// straight against the backend, so that what the soak test reports is the
// gateway's doing.
func TestTheLoadFitsTheBackend(t *testing.T) {
	b, err := startBackend()
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	s := &soak{o: &options{}, address: b.address(), backend: b, tally: newTally()}
	c := &http.Client{Transport: asGateway{}}
	for name, deed := range map[string]func() error{
		"plain":           func() error { return s.plain(1000)(t.Context(), c) },
		"stream":          func() error { return s.stream(t.Context(), c) },
		"leave a stream":  func() error { return s.leaveStream(t.Context(), c) },
		"leave early":     func() error { return s.leaveEarly(t.Context(), c) },
		"slow reader":     func() error { return s.slowReader(t.Context(), c) },
		"cut":             func() error { return s.backendCut(t.Context(), c) },
		"429":             func() error { return s.status("busy", 1, 429)(t.Context(), c) },
		"before the body": func() error { return s.backendEarly(t.Context(), c) },
		"until close":     func() error { return s.untilClose(t.Context(), c) },
		"WebSocket":       func() error { return s.webSocket(t.Context(), c) },
	} {
		if err := deed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for b.running.Load() > 0 { // streams that were left end by themselves
		time.Sleep(time.Millisecond)
	}
	if b.left.Load() < 2 {
		t.Errorf("%d calls were left", b.left.Load())
	}
}

// asGateway swaps the key, which is all that these deeds need of a gateway.
type asGateway struct{}

func (asGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Api-Key", "backend-key")
	return http.DefaultTransport.RoundTrip(r)
}
