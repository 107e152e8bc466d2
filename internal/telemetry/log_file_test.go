package telemetry

import (
	"os"
	"path/filepath"
	"testing"
)

func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogFileIsAppendedToAndReopened(t *testing.T) {
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "gateway.log"), filepath.Join(dir, "gateway.log.1")
	if err := os.WriteFile(path, []byte("of the last run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(line string) {
		t.Helper()
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	put("one\n")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	put("two\n") // until it is told, a process goes on in the file that was moved
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	put("three\n")
	if got := content(t, moved); got != "of the last run\none\ntwo\n" {
		t.Errorf("moved file: %q", got)
	}
	if got := content(t, path); got != "three\n" {
		t.Errorf("new file: %q", got)
	}
	// A folder took the name: the file that is open stays in use.
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("a folder was opened as log file")
	}
	put("four\n")
	if got := content(t, moved); got != "three\nfour\n" {
		t.Errorf("file in use: %q", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Write([]byte("late\n")); err == nil {
		t.Error("a closed file took a line")
	}
}

func TestLogFileThatCannotBeOpened(t *testing.T) {
	if _, err := OpenLogFile(filepath.Join(t.TempDir(), "no", "such", "folder.log")); err == nil {
		t.Error("opened")
	}
}
