//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// summary of one histogram.
type summary struct {
	Mean float64 `json:"mean_us"`
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
	N    int64   `json:"n"`
}

type report struct {
	Name       string         `json:"name,omitempty"`
	Mode       string         `json:"mode"`
	URL        string         `json:"url"`
	Conns      int            `json:"conns"`
	Rate       float64        `json:"rate,omitempty"`
	Seconds    float64        `json:"seconds"`
	Requests   int64          `json:"requests"`
	RPS        float64        `json:"rps"`
	Errors     int64          `json:"errors"`
	Kinds      map[string]int `json:"error_kinds,omitempty"`
	Reconnects int64          `json:"reconnects"`
	MBIn       float64        `json:"mb_in"`
	Latency    *summary       `json:"latency,omitempty"`    // open mode: from the moment it was due
	Service    *summary       `json:"service,omitempty"`    // from the moment it was written
	Lag        *summary       `json:"client_lag,omitempty"` // due -> written
	TTFB       *summary       `json:"ttfb,omitempty"`
	TTFC       *summary       `json:"ttfc,omitempty"`
	Chunk      *summary       `json:"chunk_delay,omitempty"`
	Total      *summary       `json:"stream_total,omitempty"`
	Streams    int64          `json:"streams,omitempty"`
	StreamsOK  int64          `json:"streams_ok,omitempty"`
	Cut        int64          `json:"streams_cut,omitempty"`
	Corrupt    int64          `json:"streams_corrupt,omitempty"`
	Chunks     int64          `json:"chunks,omitempty"`
	ChunkRate  float64        `json:"chunks_per_s,omitempty"`
	Coalesced  float64        `json:"chunks_per_read,omitempty"`
	Live       int64          `json:"live_streams,omitempty"` // under way, first token in, at the end
	ClientCPU  float64        `json:"client_cpu_s"`
}

// times are the histograms of one worker, in nanoseconds.
type times struct{ lat, svc, lag, ttfb, ttfc, chunk, total *hdrhistogram.Histogram }

func newHist() *hdrhistogram.Histogram { return hdrhistogram.New(100, 120_000_000_000, 3) }

func newTimes() times {
	return times{lat: newHist(), svc: newHist(), lag: newHist(), ttfb: newHist(), ttfc: newHist(), chunk: newHist(), total: newHist()}
}

// counts of one worker.
type counts struct {
	requests, errors, recon, bytesIn, streams, ok, cut, corrupt, chunks, reads, flowing int64
	kinds                                                                               map[string]int
}

func summarise(hs ...*hdrhistogram.Histogram) *summary {
	h := newHist()
	for _, x := range hs {
		h.Merge(x)
	}
	if h.TotalCount() == 0 {
		return nil
	}
	q := func(p float64) float64 { return float64(h.ValueAtQuantile(p)) / 1000 }
	return &summary{Mean: h.Mean() / 1000, P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), Max: float64(h.Max()) / 1000, N: h.TotalCount()}
}

// gather adds up what the workers counted.
func gather(o *options, ws []*worker, seconds, clientCPU float64) *report {
	r := &report{Name: o.name, Mode: o.mode, URL: o.url.String(), Conns: o.conns, Seconds: seconds, Kinds: map[string]int{}, ClientCPU: clientCPU}
	if o.mode == "open" {
		r.Rate = o.rate
	}
	var reads int64
	for _, w := range ws {
		r.Requests += w.requests
		r.Errors += w.errors
		r.Reconnects += w.recon
		r.MBIn += float64(w.bytesIn) / 1e6
		r.Streams += w.streams
		r.StreamsOK += w.ok
		r.Cut += w.cut
		r.Corrupt += w.corrupt
		r.Chunks += w.chunks
		r.Live += w.flowing
		reads += w.reads
		for k, v := range w.kinds {
			r.Kinds[k] += v
		}
	}
	r.RPS = float64(r.Requests) / seconds
	r.ChunkRate = float64(r.Chunks) / seconds
	if reads > 0 {
		r.Coalesced = float64(r.Chunks) / float64(reads)
	}
	pick := func(f func(*times) *hdrhistogram.Histogram) *summary {
		var hs []*hdrhistogram.Histogram
		for _, w := range ws {
			hs = append(hs, f(&w.times))
		}
		return summarise(hs...)
	}
	r.Latency = pick(func(t *times) *hdrhistogram.Histogram { return t.lat })
	r.Service = pick(func(t *times) *hdrhistogram.Histogram { return t.svc })
	r.Lag = pick(func(t *times) *hdrhistogram.Histogram { return t.lag })
	r.TTFB = pick(func(t *times) *hdrhistogram.Histogram { return t.ttfb })
	r.TTFC = pick(func(t *times) *hdrhistogram.Histogram { return t.ttfc })
	r.Chunk = pick(func(t *times) *hdrhistogram.Histogram { return t.chunk })
	r.Total = pick(func(t *times) *hdrhistogram.Histogram { return t.total })
	return r
}

// print writes r for people.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s %s: %d requests in %.2f s, %.0f/s, %d errors %v, %d reconnects, client CPU %.2f s\n", r.Name, r.Mode, r.Requests, r.Seconds, r.RPS, r.Errors, r.Kinds, r.Reconnects, r.ClientCPU)
	if r.Streams > 0 {
		fmt.Fprintf(w, "streams %d ok %d cut %d corrupt %d, chunks %d (%.0f/s, %.2f a read)\n", r.Streams, r.StreamsOK, r.Cut, r.Corrupt, r.Chunks, r.ChunkRate, r.Coalesced)
	}
	rows := map[string]*summary{"latency": r.Latency, "service": r.Service, "client lag": r.Lag, "ttfb": r.TTFB, "first chunk": r.TTFC, "chunk delay": r.Chunk, "stream total": r.Total}
	fmt.Fprintf(w, "%-14s %10s %10s %10s %10s %10s %10s  (us)\n", "", "mean", "p50", "p90", "p99", "p99.9", "max")
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if s := rows[k]; s != nil {
			fmt.Fprintf(w, "%-14s %10.1f %10.1f %10.1f %10.1f %10.1f %10.1f\n", k, s.Mean, s.P50, s.P90, s.P99, s.P999, s.Max)
		}
	}
}
