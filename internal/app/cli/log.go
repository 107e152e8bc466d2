package cli

import (
	"context"
	"log/slog"
	"time"

	"sallyport/internal/app/settings"
	"sallyport/internal/telemetry"
)

// logBuffer is how many bytes of log lines may wait for a slow sink.
const logBuffer = 4 << 20

// processLog is where the lines of a process go.
type processLog struct {
	out  *telemetry.AsyncWriter
	file *telemetry.LogFile // nil = standard error
}

// openLog opens the file, "" for standard error.
func openLog(e *env, file string, m *telemetry.Metrics) (*processLog, error) {
	l := &processLog{}
	sink := e.stderr
	if file != "" {
		var err error
		if l.file, err = telemetry.OpenLogFile(file); err != nil {
			return nil, err
		}
		sink = l.file
	}
	l.out = telemetry.NewAsyncWriter(sink, logBuffer)
	m.WatchLog(l.out.Dropped)
	return l, nil
}

func (l *processLog) logger(set *settings.Settings) (*slog.Logger, error) {
	return telemetry.NewLogger(l.out, set.Log.Level, set.Log.Format)
}

// reopen follows a log file that was moved away.
func (l *processLog) reopen(log *slog.Logger) {
	if l.file == nil {
		return
	}
	if err := l.file.Reopen(); err != nil {
		log.Error("the log goes on in the old file", slog.String("error", err.Error()))
	}
}

// close writes what still waits.
func (l *processLog) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.out.Close(ctx)
	if l.file != nil {
		_ = l.file.Close()
	}
}
