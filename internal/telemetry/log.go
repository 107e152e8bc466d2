package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// NewLogger returns a logger that writes lines of the format "json" or "text"
// to w, from the level "debug", "info", "warn" or "error" upwards. Each line is
// one Write.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	o := &slog.HandlerOptions{}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	o.Level = l
	switch format {
	case "json":
		if _, ok := w.(*AsyncWriter); !ok { // which does that itself
			w = &oneAtATime{w: w}
		}
		return slog.New(newJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q: want json or text", format)
}

// oneAtATime lets one Write at a time through.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}
