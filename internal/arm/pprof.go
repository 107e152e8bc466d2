package arm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strconv"
	"time"

	"sallyport/internal/wire"
)

// How long a CPU profile runs.
const (
	defaultProfile = 30 * time.Second
	maxProfile     = 5 * time.Minute
)

func isPprof(path []string) bool {
	return path[0] == "debug" && len(path) > 1 && path[1] == "pprof"
}

// profile answers /debug/pprof/profile, heap and goroutine in the format of the
// Go tools. It always wants a token: a profile names every function that runs,
// and taking one costs time.
func (h *Handler) profile(ctx context.Context, r *request, w wire.Responder) {
	switch {
	case !h.cfg.Pprof:
		h.send(r, w, notFound("Profiles are switched off. The setting management.pprof switches them on."))
		return
	case !h.authorised(r):
		h.send(r, w, unauthorised(r))
		return
	case r.in.Method != "GET":
		h.send(r, w, methodNotAllowed([]string{"GET"}))
		return
	case len(r.path) != 3:
		h.send(r, w, noProfile())
		return
	}
	var b bytes.Buffer
	text := false
	switch r.path[2] {
	case "profile":
		if a := h.cpuProfile(ctx, r, &b); a != nil {
			h.send(r, w, *a)
			return
		}
	case "heap", "goroutine":
		debug := 0
		if d := r.query.Get("debug"); d == "1" || d == "2" && r.path[2] == "goroutine" {
			debug, text = int(d[0]-'0'), true
		}
		if err := pprof.Lookup(r.path[2]).WriteTo(&b, debug); err != nil {
			h.log.Error("profile cannot be written", slog.String("error", err.Error()))
			h.send(r, w, fail(500, "InternalServerError", "The profile could not be written."))
			return
		}
	default:
		h.send(r, w, noProfile())
		return
	}
	contentType := "application/octet-stream"
	if text {
		contentType = "text/plain; charset=utf-8"
	}
	reply(r, w, 200, wire.Header{{Name: "Content-Type", Value: contentType}, {Name: "Cache-Control", Value: "no-store"}, {Name: "X-Content-Type-Options", Value: "nosniff"}}, b.Bytes())
}

func noProfile() answer {
	return notFound("There are the profiles /debug/pprof/profile?seconds=30, /debug/pprof/heap and /debug/pprof/goroutine.")
}

// cpuProfile samples the process for the seconds asked for. When the caller
// leaves it stops, so that the next one need not wait.
func (h *Handler) cpuProfile(ctx context.Context, r *request, b *bytes.Buffer) *answer {
	d, ok := profileTime(r.query.Get("seconds"))
	if !ok {
		a := invalidField("seconds", fmt.Sprintf("A number of seconds above 0 and up to %.0f is expected.", maxProfile.Seconds()))
		return &a
	}
	if err := pprof.StartCPUProfile(b); err != nil { // only one at a time
		a := fail(409, "Conflict", "Another CPU profile of this process is being taken.")
		return &a
	}
	defer pprof.StopCPUProfile()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

func profileTime(seconds string) (time.Duration, bool) {
	if seconds == "" {
		return defaultProfile, true
	}
	s, err := strconv.ParseFloat(seconds, 64)
	ok := err == nil && s > 0 && s <= maxProfile.Seconds()
	return time.Duration(s * float64(time.Second)), ok
}
