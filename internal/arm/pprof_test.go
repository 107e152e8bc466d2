package arm

import (
	"context"
	"strings"
	"testing"
	"time"

	"sallyport/internal/wire/wiretest"
)

// gzipMagic begins every profile in the format of the Go tools.
const gzipMagic = "\x1f\x8b"

func TestProfiles(t *testing.T) {
	r := newRig()
	r.cfg.Pprof = true
	for target, want := range map[string]string{
		"/debug/pprof/profile?seconds=0.01": gzipMagic,
		"/debug/pprof/heap":                 gzipMagic,
		"/debug/pprof/goroutine":            gzipMagic,
		"/debug/pprof/heap?debug=1":         "heap profile: ",
		"/debug/pprof/goroutine?debug=2":    "goroutine ",
	} {
		rec := r.do("GET", target, "", bearer)
		if rec.Status() != 200 || !strings.HasPrefix(rec.Body(), want) || rec.ContentLength() != int64(len(rec.Body())) {
			t.Errorf("%s: %d %.60q", target, rec.Status(), rec.Body())
		}
	}
}

func TestProfilesAreKept(t *testing.T) {
	on, off := newRig(), newRig()
	on.cfg.Pprof = true
	tests := []struct {
		rig    *rig
		method string
		target string
		header string
		status int
	}{
		{off, "GET", "/debug/pprof/heap", bearer, 404},
		{on, "GET", "/debug/pprof/heap", "X: y", 401}, // from loopback too
		{on, "GET", "/debug/pprof/heap", "Authorization: Bearer other", 401},
		{on, "POST", "/debug/pprof/heap", bearer, 405},
		{on, "GET", "/debug/pprof", bearer, 404},
		{on, "GET", "/debug/pprof/cmdline", bearer, 404}, // arguments may hold secrets
		{on, "GET", "/debug/pprof/heap/x", bearer, 404},
		{on, "GET", "/debug/pprof/profile?seconds=0", bearer, 400},
		{on, "GET", "/debug/pprof/profile?seconds=-1", bearer, 400},
		{on, "GET", "/debug/pprof/profile?seconds=NaN", bearer, 400},
		{on, "GET", "/debug/pprof/profile?seconds=301", bearer, 400},
	}
	for _, tt := range tests {
		if rec := tt.rig.do(tt.method, tt.target, "", tt.header); rec.Status() != tt.status {
			t.Errorf("%s %s with %s: %d, want %d: %s", tt.method, tt.target, tt.header, rec.Status(), tt.status, rec.Body())
		}
	}
}

// TestOneProfileAtATime also shows that a caller who leaves ends the profile.
func TestOneProfileAtATime(t *testing.T) {
	r := newRig()
	r.cfg.Pprof = true
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan struct{})
	go func() {
		defer close(first)
		for ctx.Err() == nil { // the other one may have been quicker
			wiretest.ServeContext(ctx, r.Handler, wiretest.NewRequest("GET", "/debug/pprof/profile?seconds=300", "", bearer))
		}
	}()
	for {
		rec := r.do("GET", "/debug/pprof/profile?seconds=0.001", "", bearer)
		if rec.Status() == 409 {
			break
		}
		if rec.Status() != 200 {
			t.Fatalf("%d %s", rec.Status(), rec.Body())
		}
		time.Sleep(time.Millisecond) // the first has not begun
	}
	cancel()
	<-first
	if rec := r.do("GET", "/debug/pprof/profile?seconds=0.001", "", bearer); rec.Status() != 200 {
		t.Errorf("after the first ended: %d", rec.Status())
	}
}
