package telemetry

import "time"

// Timing is where the time of one request went, as the access log and the trace
// tell it. What has not happened is 0. A request that is sent on more than once
// (retry, redirect) has the sums.
type Timing struct {
	Accept    time.Duration // from the first byte of the head to the handler: parsing, queueing
	Match     time.Duration // finding API, operation and caller
	Policies  time.Duration // all sections without the wait for the backend; reading bodies that they want included
	Connect   time.Duration // making connections to the backend; part of Backend
	Backend   time.Duration // waiting for the backend, until its response head
	FirstByte time.Duration // from the first byte of the request to the response head
	LastByte  time.Duration // from the first byte of the request to the last byte of the response
}

// ServerTiming is what is known at the response head as the value of a
// Server-Timing header (W3C Server Timing, durations in milliseconds).
func (t Timing) ServerTiming() string {
	b := make([]byte, 0, 96)
	for _, m := range [...]struct {
		name string
		d    time.Duration
	}{{"accept;dur=", t.Accept}, {", match;dur=", t.Match}, {", policies;dur=", t.Policies}, {", connect;dur=", t.Connect}, {", backend;dur=", t.Backend}} {
		b = appendMilliseconds(append(b, m.name...), m.d)
	}
	return string(b)
}

// each tells the columns of the access log: Backend is one of its own, and
// Connect makes sense only where a backend was called.
func (t *Timing) each(forwarded bool, f func(column string, d time.Duration)) {
	if *t == (Timing{}) {
		return
	}
	f("acceptTime", t.Accept)
	f("matchTime", t.Match)
	f("policiesTime", t.Policies)
	if forwarded {
		f("connectTime", t.Connect)
	}
	if t.FirstByte > 0 { // a client may leave before the head
		f("firstByteTime", t.FirstByte)
	}
	f("lastByteTime", t.LastByte)
}

// DocumentTiming is Timing in the JSON form of a trace, in milliseconds.
type DocumentTiming struct {
	Accept    float64 `json:"acceptTime"`
	Match     float64 `json:"matchTime"`
	Policies  float64 `json:"policiesTime"`
	Connect   float64 `json:"connectTime"`
	Backend   float64 `json:"backendTime"`
	FirstByte float64 `json:"firstByteTime"`
	LastByte  float64 `json:"lastByteTime"`
}

func (t *Timing) document() *DocumentTiming {
	if *t == (Timing{}) {
		return nil
	}
	return &DocumentTiming{
		milliseconds(t.Accept), milliseconds(t.Match), milliseconds(t.Policies), milliseconds(t.Connect),
		milliseconds(t.Backend), milliseconds(t.FirstByte), milliseconds(t.LastByte),
	}
}
