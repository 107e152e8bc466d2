package telemetry

import (
	"fmt"
	"os"
	"sync"
)

// LogFile is a file that lines are appended to, and that somebody else may move
// away: Reopen goes on in a new file of the same name. Several processes may
// append to one file; each write goes to its end as a whole.
type LogFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// OpenLogFile opens the file, or makes one that other users cannot read: lines
// hold addresses of clients and URLs.
func OpenLogFile(path string) (*LogFile, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return &LogFile{path: path, file: f}, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
}

// Write appends p.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// Reopen changes to the file that bears the name now. When it cannot be opened
// the old one stays in use: lines in a file that was moved away are better than
// none.
func (l *LogFile) Reopen() error {
	f, err := openAppend(l.path)
	if err != nil {
		return fmt.Errorf("reopen log file: %w", err)
	}
	l.mu.Lock()
	old := l.file
	l.file = f
	l.mu.Unlock()
	return old.Close()
}

// Close ends writing; lines that come later are errors.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
